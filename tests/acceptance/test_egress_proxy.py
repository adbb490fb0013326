"""The proxy that a sandbox's network goes through, with a real sandbox behind it."""

import asyncio
import shutil
import subprocess
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from ripieno.clock import SystemClock
from ripieno.domain.tools import ToolCall, ToolContext, ToolStatus
from ripieno.tools.egress.policy import EgressDecision, EgressPolicy
from ripieno.tools.egress.proxy import Proxy
from ripieno.tools.egress.rules import Rule
from ripieno.tools.egress.scope import Scope, ScopedToolset, scoped
from ripieno.tools.sandbox.bubblewrap import BubblewrapSandbox, Means
from ripieno.tools.sandbox.contract import Limits
from ripieno.tools.sandbox.toolset import sandbox_toolset

pytestmark = pytest.mark.acceptance


@asynccontextmanager
async def site(arrivals: list[bytes]) -> AsyncGenerator[int]:
    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            head = await reader.readuntil(b"\r\n\r\n")
            arrivals.append(head)
            if b"/flood" in head:
                writer.write(b"HTTP/1.1 200 OK\r\n\r\n" + b"x" * 3_000_000)
            else:
                writer.write(b"HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\nthere")
            await writer.drain()
        except (ConnectionError, asyncio.IncompleteReadError):
            return
        finally:
            writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    async with server:
        yield server.sockets[0].getsockname()[1]


async def resolve(host: str, port: int) -> list[str]:
    del port
    if host == "none.test":
        raise OSError
    return ["127.0.0.1"]


def here(address: str) -> bool:
    return address == "127.0.0.1"


async def ask(path: Path, request: bytes, more: bytes = b"") -> bytes:
    reader, writer = await asyncio.open_unix_connection(path)
    try:
        writer.write(request)
        if more:
            assert (await reader.readuntil(b"\r\n\r\n")).startswith(b"HTTP/1.1 200")
            writer.write(more)
        return await reader.read()
    finally:
        writer.close()


RULES = (
    Rule(name="no-writes", allow=False, methods=frozenset({"POST"}), domains=("plain.test",)),
    Rule(name="only-web", allow=False, tools=("mail.*",)),
)


async def test_what_is_let_through_and_what_is_not() -> None:
    arrivals: list[bytes] = []
    told: list[EgressDecision] = []
    async with site(arrivals) as port:
        policy = EgressPolicy(
            allow_domains=("ok.test", "plain.test", "none.test"),
            allow_ports=frozenset({port}),
            rules=RULES,
            max_bytes=1_000_000,
        )
        proxy = Proxy(policy, told.append, resolve, here)
        with scoped(Scope("web.fetch", "acme")):
            async with proxy.opened() as path:
                plain = await ask(
                    path,
                    b"GET http://ok.test:%d/a?b HTTP/1.1\r\nHost: evil.test\r\nProxy-Authorization: x\r\n\r\n" % port,
                )
                assert plain.endswith(b"there")
                assert arrivals[0].startswith(b"GET /a?b HTTP/1.1\r\nHost: ok.test:%d\r\n" % port)
                assert b"evil" not in arrivals[0]
                assert b"Proxy" not in arrivals[0]
                tunnel = b"CONNECT ok.test:%d HTTP/1.1\r\n\r\n" % port
                assert (await ask(path, tunnel, b"GET / HTTP/1.1\r\n\r\n")).endswith(b"there")
                flood = await ask(path, b"GET http://ok.test:%d/flood HTTP/1.1\r\n\r\n" % port)
                assert len(flood) <= 1_000_000
                came = len(arrivals)
                for line, status, why in (
                    (b"GET http://other.test:%d/" % port, b"403", b"not on the allow list"),
                    (b"CONNECT other.test:%d" % port, b"403", b"not on the allow list"),
                    (b"GET http://ok.test:1/", b"403", b"port 1 is not allowed"),
                    (b"POST http://plain.test:%d/" % port, b"403", b"no-writes"),
                    (b"CONNECT plain.test:%d" % port, b"403", b"no-writes"),
                    (b"CONNECT 169.254.169.254:%d" % port, b"403", b"not a public address"),
                    (b"GET http://none.test:%d/" % port, b"502", b"cannot be resolved"),
                    (b"GET ftp://ok.test/", b"400", b"plain http"),
                    (b"GET /", b"400", b"plain http"),
                    (b"nonsense", b"400", b"no request"),
                ):
                    answer = await ask(path, line + (b"" if line == b"nonsense" else b" HTTP/1.1") + b"\r\n\r\n")
                    assert answer.startswith(b"HTTP/1.1 " + status), (line, answer)
                    assert why in answer, (line, answer)
                assert len(arrivals) == came
            assert not path.exists()
        with scoped(Scope("mail.send", "acme")):
            async with proxy.opened() as path:
                answer = await ask(path, b"GET http://ok.test:%d/ HTTP/1.1\r\n\r\n" % port)
                assert b"only-web" in answer
    assert [each.allowed for each in told[:3]] == [True, True, True]
    assert (told[-1].rule, told[-1].method) == ("only-web", "GET")


@pytest.mark.needs("bwrap")
async def test_code_in_a_sandbox_reaches_what_the_policy_lets_it_and_nothing_else(tmp_path: Path) -> None:
    bare = [shutil.which("bwrap") or "", "--unshare-user", "--unshare-net", "--ro-bind", "/", "/", "true"]
    if subprocess.run(bare, check=False, capture_output=True).returncode:
        pytest.skip("this machine forbids user namespaces to bubblewrap")
    arrivals: list[bytes] = []
    async with site(arrivals) as port:
        policy = EgressPolicy(allow_domains=("ok.test",), allow_ports=frozenset({port}))
        sandbox = BubblewrapSandbox(Means(SystemClock()))
        tools = ScopedToolset(sandbox_toolset(sandbox, Limits(), Proxy(policy, resolve=resolve, public=here)))
        code = f"""
import socket, urllib.request
print(urllib.request.urlopen("http://ok.test:{port}/").read())
try:
    urllib.request.urlopen("http://bad.test:{port}/")
except OSError as error:
    print(error)
try:
    socket.create_connection(("127.0.0.1", {port}))
except OSError as error:
    print("refused")
"""
        call = ToolCall("1", "sandbox.run_python", {"code": code})
        result = await tools.call(call, ToolContext("default", tmp_path))
    assert result.status is ToolStatus.OK, result
    for part in ("b'there'", "HTTP Error 403", "refused"):
        assert part in result.text
    assert len(arrivals) == 1
