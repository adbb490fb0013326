import asyncio
import ipaddress
import ssl
import sys
from collections.abc import AsyncGenerator, Callable
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from ripieno.domain.tools import ToolCall, ToolContext, ToolResult, ToolStatus
from ripieno.testing.fake_clock import FakeClock
from ripieno.tools.builtin import x509_facts
from ripieno.tools.builtin.certificates import Shown, tls_tool, told
from ripieno.tools.builtin.x509_facts import Facts
from ripieno.tools.functions import FunctionToolset

NOW = datetime(2026, 6, 1, tzinfo=UTC)


@pytest.fixture
def chain(tmp_path: Path) -> Callable[[datetime, datetime], ssl.SSLContext]:
    """Makes a server's TLS context with a self-signed certificate for localhost."""

    def make(begins: datetime, ends: datetime) -> ssl.SSLContext:
        key = ec.generate_private_key(ec.SECP256R1())
        name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "shop.test")])
        names = x509.SubjectAlternativeName(
            [x509.DNSName("shop.test"), x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]
        )
        certificate = (
            x509.CertificateBuilder()
            .subject_name(name)
            .issuer_name(name)
            .public_key(key.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(begins)
            .not_valid_after(ends)
            .add_extension(names, critical=False)
            .sign(key, hashes.SHA256())
        )
        pem = certificate.public_bytes(serialization.Encoding.PEM) + key.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        )
        file = tmp_path / "chain.pem"
        file.write_bytes(pem)
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(file)
        return context

    return make


@asynccontextmanager
async def serving(context: ssl.SSLContext | None) -> AsyncGenerator[int]:
    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if context is None:
            writer.write(b"220 this is no TLS\r\n")
        await reader.read(1)
        writer.close()

    server = await asyncio.start_server(answer, "127.0.0.1", 0, ssl=context)
    async with server:
        yield server.sockets[0].getsockname()[1]


async def check(port: int, host: str = "127.0.0.1") -> ToolResult:
    toolset = FunctionToolset("net", [tls_tool(FakeClock(NOW))])
    call = ToolCall("1", "net.tls", {"host": host, "port": port})
    return await toolset.call(call, ToolContext("default", Path("unused")))


async def test_untrusted_certificate_is_read_all_the_same(chain: Callable[[datetime, datetime], ssl.SSLContext]):
    async with serving(chain(NOW - timedelta(days=10), NOW + timedelta(days=400))) as port:
        result = await check(port)
    lines = result.text.splitlines()
    assert lines[0].startswith(f"warning: the certificate of 127.0.0.1:{port} is not trusted: self")
    assert lines[1] == f"the certificate of 127.0.0.1:{port} expires on 2027-07-06, in 400 days"
    assert "issued to shop.test by shop.test (itself)" in lines
    assert "valid for the names shop.test, 127.0.0.1" in lines
    assert result.data["trusted"] is False
    assert result.data["protocol"].startswith("TLSv1.")


async def test_expiry_is_a_warning(chain: Callable[[datetime, datetime], ssl.SSLContext]):
    async with serving(chain(NOW - timedelta(days=90), NOW - timedelta(days=3))) as port:
        assert "expired on 2026-05-29, 3 days ago" in (await check(port)).text
    async with serving(chain(NOW - timedelta(days=90), NOW + timedelta(days=9))) as port:
        assert f"warning: the certificate of 127.0.0.1:{port} expires on 2026-06-10, in 9" in (await check(port)).text


def test_a_good_certificate_has_no_warning_and_an_old_protocol_has_one():
    facts = Facts("shop.test", "Test CA", False, ("shop.test",), NOW - timedelta(days=1), NOW + timedelta(days=90))
    assert "warning" not in told("shop.test:443", Shown(b"", "TLSv1.3"), facts, NOW).text
    assert "outdated protocol TLSv1" in told("shop.test:443", Shown(b"", "TLSv1"), facts, NOW).text
    assert (
        "warning: the certificate of h is not valid before 2026-05-31"
        in told("h", Shown(b"", "TLSv1.3"), facts, NOW - timedelta(days=5)).text
    )


async def test_without_cryptography_it_is_unavailable(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.delitem(sys.modules, "ripieno.tools.builtin.x509_facts")
    monkeypatch.delattr("ripieno.tools.builtin.x509_facts")
    monkeypatch.setitem(sys.modules, "cryptography", None)
    result = await check(443)
    assert (result.status, result.hint) == (ToolStatus.UNAVAILABLE, "pip install cryptography")


async def test_other_faults_are_told_without_details():
    async with serving(None) as port:
        result = await check(port)
    assert not result.ok
    assert "not with TLS that can be used" in result.text
    result = await check(port)
    assert "refused the connection" in result.text
    assert "metadata" in (await check(443, "169.254.169.254")).text


@pytest.mark.parametrize(
    ("attributes", "told_name"),
    [([(x509.NameOID.ORGANIZATION_NAME, "Shop Ltd")], "Shop Ltd"), ([], "nobody named")],
)
def test_sparse_certificates_are_read(attributes: list[tuple[x509.ObjectIdentifier, str]], told_name: str):
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(kind, value) for kind, value in attributes])
    builder = x509.CertificateBuilder(name, name, key.public_key(), 7, NOW, NOW + timedelta(days=1))
    facts = x509_facts.read(builder.sign(key, hashes.SHA256()).public_bytes(serialization.Encoding.DER))
    assert (facts.subject, facts.names, facts.self_issued) == (told_name, (), True)
