import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path

import pytest

from ripieno.domain.tools import ToolCall, ToolContext, ToolResult, ToolStatus
from ripieno.tools.builtin import web
from ripieno.tools.egress.guard import guarded_client
from ripieno.tools.egress.policy import EgressPolicy
from ripieno.tools.functions import FunctionToolset

ANSWERS: dict[str, tuple[str, str, bytes]] = {
    "/page": ("200 OK", "text/html; charset=utf-8", "<title>Shop</title><p>Tea — 3 €".encode()),
    "/latin": ("200 OK", "text/plain; charset=iso-8859-1", b"caf\xe9"),
    "/odd": ("200 OK", "text/plain; charset=no-such-thing", b"plain"),
    "/json": ("200 OK", "application/json", b'{"a":[1,2]}'),
    "/broken-json": ("200 OK", "application/json", b'{"a":'),
    "/image": ("200 OK", "image/png", b"\x89PNG\0\0"),
    "/lying": ("200 OK", "text/plain", b"\0\1\2"),
    "/gone": ("404 Not Found", "text/plain", b"secret details"),
    "/long": ("200 OK", "text/plain", b"x" * (web.MOST_CHARACTERS + 10)),
    "/huge": ("200 OK", "text/plain", b"y" * (web.MOST_BYTES + 10)),
}
REDIRECTS = {"/moved": "/page", "/round": "/round", "/trap": "http://169.254.169.254/latest"}


async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    path = (await reader.readuntil(b"\r\n\r\n")).split()[1].decode()
    if path in REDIRECTS:
        writer.write(f"HTTP/1.1 302 Found\r\nlocation: {REDIRECTS[path]}\r\ncontent-length: 0\r\n\r\n".encode())
    elif path == "/nonsense":
        writer.write(b"220 ftp ready\r\n\r\n")
    elif path == "/cut":
        writer.write(b"HTTP/1.1 200 OK\r\ncontent-length: 100\r\n\r\nhalf")
    else:
        status, kind, body = ANSWERS[path]
        writer.write(f"HTTP/1.1 {status}\r\ncontent-type: {kind}\r\ncontent-length: {len(body)}\r\n\r\n".encode())
        writer.write(body)
    await writer.drain()
    writer.close()


@pytest.fixture
async def fetch() -> AsyncIterator[Callable[[str], Awaitable[ToolResult]]]:
    server = await asyncio.start_server(answer, "127.0.0.1", 0)
    origin = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    async with server, guarded_client(EgressPolicy(allow_origins=(origin,))) as client:
        toolset = FunctionToolset("web", [web.fetch_tool(client)])

        async def get(path: str) -> ToolResult:
            url = origin + path if path.startswith("/") else path
            call = ToolCall("1", "web.fetch", {"url": url})
            result = await toolset.call(call, ToolContext("default", Path("unused")))
            return ToolResult(result.status, result.text.replace(origin, "SITE"), result.data, result.hint)

        yield get


@pytest.mark.parametrize(
    ("path", "text"),
    [
        ("/page", "SITE/page: Shop\nTea — 3 €"),
        ("/moved", "SITE/page: Shop\nTea — 3 €"),
        ("/latin", "SITE/latin\ncafé"),
        ("/odd", "SITE/odd\nplain"),
        ("/json", 'SITE/json\n{\n "a": [\n  1,\n  2\n ]\n}'),
        ("/broken-json", 'SITE/broken-json\n{"a":'),
        ("/image", "SITE/image is image/png, 6 B; it is no text, so it is not shown"),
        ("/lying", "SITE/lying is text/plain, 3 B; it is no text, so it is not shown"),
    ],
)
async def test_pages_become_text(fetch: Callable[[str], Awaitable[ToolResult]], path: str, text: str):
    result = await fetch(path)
    assert (result.status, result.text) == (ToolStatus.OK, text)


@pytest.mark.parametrize("path", ["/long", "/huge"])
async def test_long_pages_are_cut_and_say_so(fetch: Callable[[str], Awaitable[ToolResult]], path: str):
    result = await fetch(path)
    assert result.text.startswith(f"SITE{path} (only the first 40,000 characters)")
    assert len(result.text) < web.MOST_CHARACTERS + 100
    assert result.data["cut"] is (path == "/huge")


@pytest.mark.parametrize(
    ("url", "status", "text"),
    [
        ("/gone", ToolStatus.ERROR, "SITE/gone answered 404 Not Found."),
        ("/round", ToolStatus.ERROR, "redirects without end"),
        ("/nonsense", ToolStatus.ERROR, "not proper HTTP"),
        ("/cut", ToolStatus.ERROR, "broke off"),
        ("/trap", ToolStatus.DENIED, "169.254.169.254"),
        ("http://127.0.0.1:9/", ToolStatus.DENIED, "127.0.0.1"),
        ("file:///etc/passwd", ToolStatus.ERROR, "not a web address"),
        ("http://", ToolStatus.ERROR, "not a web address"),
        ("http://[::1", ToolStatus.ERROR, "not a web address"),
        ("no-such-host.invalid", ToolStatus.ERROR, "cannot be reached"),
    ],
)
async def test_failures(fetch: Callable[[str], Awaitable[ToolResult]], url: str, status: ToolStatus, text: str):
    result = await fetch(url)
    assert result.status is status
    assert text in result.text
    assert "secret details" not in result.text
