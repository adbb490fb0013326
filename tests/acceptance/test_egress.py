"""Attacks on the egress guard, against real servers on this machine: what arrives there is the proof."""

import asyncio
import ssl
import zlib
from collections.abc import AsyncGenerator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path

import httpcore2
import httpx2
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from ripieno.domain.errors import Defect
from ripieno.tools.egress.backend import GuardedBackend
from ripieno.tools.egress.guard import guarded_client, prove
from ripieno.tools.egress.policy import EgressDecision, EgressDenied, EgressPolicy

pytestmark = pytest.mark.acceptance

ANY_PORT = EgressPolicy(allow_ports=None)


@dataclass
class Site:
    """A small web server, and what reached it."""

    port: int = 0
    host: str = "127.0.0.1"
    arrivals: list[str] = field(default_factory=list[str])
    heads: list[str] = field(default_factory=list[str])
    elsewhere: str = ""

    @property
    def origin(self) -> str:
        return f"http://{self.host}:{self.port}"

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            head = (await reader.readuntil(b"\r\n\r\n")).decode()
            path = head.split()[1]
            self.arrivals.append(path)
            self.heads.append(head)
            await self.answer(path, writer)
        except (ConnectionError, asyncio.IncompleteReadError):
            return  # the client went away, which is what many of these tests want
        finally:
            writer.close()

    async def answer(self, path: str, writer: asyncio.StreamWriter) -> None:
        match path:
            case "/redirect":
                writer.write(f"HTTP/1.1 302 Found\r\nlocation: {self.elsewhere}\r\ncontent-length: 0\r\n\r\n".encode())
            case "/silent":
                await asyncio.Event().wait()
            case "/endless":
                await repeat(writer, b"x" * 65536, pause=0)
            case "/drip":
                await repeat(writer, b"x", pause=0.01)
            case _:
                writer.write(OK + BODIES.get(path, b"set-cookie: a=b\r\ncontent-length: 2\r\n\r\nok"))
        await writer.drain()


OK = b"HTTP/1.1 200 OK\r\nconnection: close\r\n"
BOMB = zlib.compress(b"\0" * 10_000_000)
BODIES = {
    "/declared": b"content-length: 999999999\r\n\r\n",
    "/bomb": b"content-encoding: deflate\r\ncontent-length: %d\r\n\r\n" % len(BOMB) + BOMB,
    "/events": b"content-type: text/event-stream\r\n\r\ndata: 0\n\ndata: 1\n\ndata: 2\n\n",
}


async def repeat(writer: asyncio.StreamWriter, piece: bytes, pause: float) -> None:
    writer.write(OK + b"\r\n")
    while True:
        writer.write(piece)
        await writer.drain()
        await asyncio.sleep(pause)


@asynccontextmanager
async def site(host: str = "127.0.0.1", port: int = 0, tls: ssl.SSLContext | None = None) -> AsyncGenerator[Site]:
    made = Site(host=host)
    server = await asyncio.start_server(made.serve, host, port, ssl=tls)
    made.port = server.sockets[0].getsockname()[1]
    try:
        yield made
    finally:
        server.close()


def answering(*answers: Sequence[str]):
    """A resolver that gives each answer once, then the last for ever; counts how often it is asked."""
    asked: list[str] = []

    async def resolve(host: str, port: int) -> Sequence[str]:
        del port
        asked.append(host)
        return answers[min(len(asked), len(answers)) - 1]

    return resolve, asked


@pytest.mark.parametrize(
    "host",
    [
        "127.0.0.1",
        "127.1",
        "127.0.0.1.",
        "2130706433",
        "0x7f000001",
        "0x7f.0.0.1",
        "0177.0.0.1",
        "017700000001",
        "0",
        "0.0.0.0",
        "localhost",
        "LOCALHOST.",
        "[::1]",
        "[::ffff:127.0.0.1]",
        "[::ffff:7f00:1]",
        "[::127.0.0.1]",
        "[64:ff9b::7f00:1]",
        "[2002:7f00:1::]",
        "user:secret@127.0.0.1",
        "169.254.169.254",
        "[fd00:ec2::254]",
        "168.63.129.16",
        "10.0.0.1",
    ],
)
async def test_no_spelling_reaches_a_private_address(host: str):
    async with site() as private, guarded_client(ANY_PORT) as client:
        with pytest.raises((EgressDenied, httpx2.InvalidURL)):
            await client.get(f"http://{host}:{private.port}/")
        assert private.arrivals == []


@pytest.mark.parametrize("url", ["file:///etc/passwd", "ftp://a.test/", "ws://127.0.0.1/", "unix:///run/docker.sock"])
async def test_other_schemes_are_denied(url: str):
    async with guarded_client(ANY_PORT) as client:
        with pytest.raises((EgressDenied, httpx2.UnsupportedProtocol)):
            await client.get(url)


@pytest.mark.parametrize(
    "addresses", [["127.0.0.1"], ["1.1.1.1", "127.0.0.1"], ["::ffff:127.0.0.1"], ["169.254.169.254"], ["fe80::1%eth0"]]
)
async def test_name_with_any_private_address_is_denied(addresses: list[str]):
    resolve, _ = answering(addresses)
    async with site() as private, guarded_client(ANY_PORT, resolve=resolve) as client:
        with pytest.raises(EgressDenied, match="not public"):
            await client.get(f"http://evil.test:{private.port}/")
        assert private.arrivals == []


async def test_names_and_ports_off_the_list_are_not_even_resolved():
    resolve, asked = answering(["1.1.1.1"])
    policy = EgressPolicy(allow_domains=(".ok.test",), deny_domains=("bad.ok.test",))
    async with guarded_client(policy, resolve=resolve) as client:
        for url in ("http://evilok.test/", "http://bad.ok.test./", "http://api.ok.test:22/"):
            with pytest.raises(EgressDenied):
                await client.get(url)
    assert asked == []


async def test_a_second_answer_of_the_name_server_finds_no_gap():
    """Rebinding: the vetted address is the one that is connected to, whatever the name resolves to a moment later."""
    resolve, asked = answering(["127.0.0.2"], ["127.0.0.1"])
    async with site("127.0.0.2") as public, site("127.0.0.1", public.port) as private:
        backend = GuardedBackend(ANY_PORT, resolve, lambda _: None, lambda address: address == "127.0.0.2")
        async with httpcore2.AsyncConnectionPool(network_backend=backend) as pool:
            url = f"http://rebind.test:{public.port}/"
            assert (await pool.request("GET", url)).status == 200
            assert asked == ["rebind.test"]
            with pytest.raises(EgressDenied):
                await pool.request("GET", url)
        assert (public.arrivals, private.arrivals) == (["/"], [])


async def test_next_address_is_tried_when_one_does_not_answer():
    resolve, _ = answering(["127.0.0.3", "127.0.0.2"])
    seen: list[EgressDecision] = []
    async with site("127.0.0.2") as public:
        backend = GuardedBackend(ANY_PORT, resolve, seen.append, lambda _: True)
        async with httpcore2.AsyncConnectionPool(network_backend=backend) as pool:
            assert (await pool.request("GET", f"http://two.test:{public.port}/")).status == 200
        assert [(decision.allowed, decision.address) for decision in seen] == [(True, "127.0.0.2")]


async def test_name_without_address_and_silent_name_server():
    async def nowhere(host: str, port: int) -> Sequence[str]:
        raise OSError(host, port)

    async def silent(host: str, port: int) -> Sequence[str]:
        await asyncio.Event().wait()
        return [host, str(port)]

    async with guarded_client(ANY_PORT, resolve=nowhere) as client:
        with pytest.raises(httpx2.ConnectError, match="cannot be resolved"):
            await client.get("http://gone.test/")
    async with guarded_client(ANY_PORT, resolve=silent) as client:
        with pytest.raises(httpx2.ConnectTimeout):
            await client.get("http://slow.test/", timeout=0.01)
    async with guarded_client(ANY_PORT, resolve=answering([])[0]) as client:
        with pytest.raises(httpx2.ConnectError, match="no address"):
            await client.get("http://empty.test/")


async def test_certificate_is_checked_against_the_name_not_the_address(tmp_path: Path):
    server, client = _certificate(tmp_path, "good.test")
    resolve, _ = answering(["127.0.0.2"])
    async with site("127.0.0.2", tls=server) as public:
        backend = GuardedBackend(ANY_PORT, resolve, lambda _: None, lambda _: True)
        async with httpcore2.AsyncConnectionPool(network_backend=backend, ssl_context=client) as pool:
            assert (await pool.request("GET", f"https://good.test:{public.port}/")).status == 200
            with pytest.raises(httpcore2.ConnectError, match="CERTIFICATE"):
                await pool.request("GET", f"https://other.test:{public.port}/")


# -- origins that an administrator opened ----------------------------------------------------------------------------


async def test_configured_origin_is_reached_and_nothing_beside_it():
    seen: list[EgressDecision] = []
    async with site() as mine, site() as other:
        policy = EgressPolicy(allow_domains=(), allow_origins=(mine.origin,))
        async with guarded_client(policy, observe=seen.append) as client:
            assert (await client.get(f"{mine.origin}/a")).text == "ok"
            for url in (f"{other.origin}/", f"https://127.0.0.1:{mine.port}/", f"http://localhost:{mine.port}/"):
                with pytest.raises(EgressDenied):
                    await client.get(url)
        assert (mine.arrivals, other.arrivals) == (["/a"], [])
    assert [decision.allowed for decision in seen] == [True, False, False, False]


@pytest.mark.parametrize(
    "target", ["http://127.0.0.1:{port}/secret", "http://localhost:{port}/", "//0x7f000001:{port}/"]
)
async def test_redirects_are_vetted_anew(target: str):
    async with site() as mine, site() as private:
        mine.elsewhere = target.format(port=private.port)
        async with guarded_client(EgressPolicy(allow_ports=None, allow_origins=(mine.origin,))) as client:
            with pytest.raises(EgressDenied):
                await client.get(f"{mine.origin}/redirect")
        assert private.arrivals == []


async def test_redirects_to_other_schemes_and_in_circles_end():
    async with site() as mine:
        async with guarded_client(EgressPolicy(allow_origins=(mine.origin,))) as client:
            mine.elsewhere = "file:///etc/passwd"
            with pytest.raises((EgressDenied, httpx2.UnsupportedProtocol)):
                await client.get(f"{mine.origin}/redirect")
            mine.elsewhere = f"{mine.origin}/redirect"
            with pytest.raises(httpx2.TooManyRedirects):
                await client.get(f"{mine.origin}/redirect")
        assert len(mine.arrivals) == 1 + 6


async def test_proxies_of_the_environment_are_not_used(monkeypatch: pytest.MonkeyPatch):
    async with site() as mine, site() as proxy:
        for name in ("HTTP_PROXY", "http_proxy", "ALL_PROXY", "HTTPS_PROXY"):
            monkeypatch.setenv(name, proxy.origin)
        async with guarded_client(EgressPolicy(allow_origins=(mine.origin,))) as client:
            assert (await client.get(mine.origin)).text == "ok"
        assert proxy.arrivals == []


async def test_cookies_are_not_kept():
    async with site() as mine, guarded_client(EgressPolicy(allow_origins=(mine.origin,))) as client:
        await client.get(mine.origin)
        await client.get(mine.origin)
        assert len(mine.heads) == 2
        assert "cookie" not in mine.heads[1].lower()


# -- answers that are too much ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("path", "reason"), [("/declared", "999999999"), ("/endless", "more than"), ("/bomb", "encoded")]
)
async def test_large_and_compressed_answers_are_cut_off(path: str, reason: str):
    async with site() as mine:
        policy = EgressPolicy(allow_origins=(mine.origin,), max_bytes=200_000)
        async with guarded_client(policy) as client:
            with pytest.raises(EgressDenied, match=reason):
                await client.get(mine.origin + path, headers={"accept-encoding": "gzip, deflate"})
            assert (await client.get(mine.origin)).text == "ok"
        assert "accept-encoding: identity" in mine.heads[0].lower()
        assert "gzip" not in mine.heads[0]


@pytest.mark.parametrize("path", ["/silent", "/drip"])
async def test_slow_answers_end_at_the_total_time(path: str):
    async with site() as mine:
        policy = EgressPolicy(allow_origins=(mine.origin,), total_timeout=0.2)
        async with guarded_client(policy) as client:
            with pytest.raises(httpx2.ReadTimeout, match="in all"):
                await client.get(mine.origin + path)


async def test_total_time_includes_redirects():
    async with site() as mine:
        mine.elsewhere = f"{mine.origin}/drip"
        policy = EgressPolicy(allow_origins=(mine.origin,), total_timeout=0.2)
        async with guarded_client(policy) as client:
            with pytest.raises(httpx2.ReadTimeout, match="in all"):
                await client.get(f"{mine.origin}/redirect")
        assert mine.arrivals == ["/redirect", "/drip"]


async def test_streams_pass_piece_by_piece_without_limits():
    async with site() as mine:
        policy = EgressPolicy(allow_domains=(), allow_origins=(mine.origin,), max_bytes=None, total_timeout=None)
        async with guarded_client(policy) as client, client.stream("GET", f"{mine.origin}/events") as response:
            lines = [line async for line in response.aiter_lines() if line]
        assert lines == ["data: 0", "data: 1", "data: 2"]
        async with guarded_client(policy) as client, client.stream("GET", f"{mine.origin}/endless") as response:
            async for chunk in response.aiter_bytes():
                assert chunk
                break


async def test_closed_port_is_a_failed_connection():
    async with site() as mine:
        pass
    async with guarded_client(EgressPolicy(allow_origins=(mine.origin,))) as client:
        with pytest.raises(httpx2.ConnectError) as caught:
            await client.get(mine.origin)
    assert not isinstance(caught.value, EgressDenied)


# -- the proof at start ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("policy", [EgressPolicy(), ANY_PORT, EgressPolicy(allow_domains=())])
async def test_guard_proves_itself(policy: EgressPolicy):
    async with guarded_client(policy) as client:
        await prove(client)


async def test_client_without_guard_is_found_out():
    async with httpx2.AsyncClient(trust_env=False) as client:
        with pytest.raises(Defect, match="not in place"):
            await prove(client)


async def test_client_that_answers_by_itself_is_found_out():
    transport = httpx2.MockTransport(lambda _: httpx2.Response(200))
    async with httpx2.AsyncClient(transport=transport) as client:
        with pytest.raises(Defect, match="not in place"):
            await prove(client)


def _certificate(folder: Path, name: str) -> tuple[ssl.SSLContext, ssl.SSLContext]:
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    now = datetime.now(UTC)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(subject)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName(name)]), critical=False)
        .sign(key, hashes.SHA256())
    )
    pem = certificate.public_bytes(serialization.Encoding.PEM)
    secret = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    (folder / "chain.pem").write_bytes(pem + secret)
    server = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    server.load_cert_chain(folder / "chain.pem")
    return server, ssl.create_default_context(cadata=pem.decode())
