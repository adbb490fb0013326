"""A plain HTTP/1.1 client on asyncio streams: what it costs is small beside what it measures."""

import asyncio
import json
import time
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any, Self
from urllib.parse import urlsplit

from bench.programs import BenchFailed


@dataclass(frozen=True, slots=True)
class Event:
    """One server-sent event, and when its last line was read (`time.monotonic_ns`)."""

    id: str
    kind: str
    at_ns: int


class Connection:
    """One kept-alive connection; one request at a time."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, host: str) -> None:
        self._reader = reader
        self._writer = writer
        self._host = host

    @classmethod
    @asynccontextmanager
    async def to(cls, url: str) -> AsyncGenerator[Self]:
        """Connect, for the length of the block."""
        parts = urlsplit(url)
        reader, writer = await asyncio.open_connection(parts.hostname, parts.port)
        try:
            yield cls(reader, writer, parts.netloc)
        finally:
            writer.close()

    async def post(self, path: str, body: Any) -> Any:
        """Send JSON; answers the JSON of the reply.

        Raises:
            BenchFailed: The status is not 2xx.
        """
        content = json.dumps(body).encode()
        head = f"Content-Type: application/json\r\nContent-Length: {len(content)}\r\n"
        status, headers = await self._ask("POST", path, head, content)
        text = b"".join([chunk async for chunk in self._body(headers)])
        if not 200 <= status < 300:
            raise BenchFailed(f"POST {path} was answered {status}: {text[:500]!r}")
        return json.loads(text)

    async def get(self, path: str) -> int:
        """The status of a reply; its body is read and thrown away."""
        status, headers = await self._ask("GET", path)
        async for _ in self._body(headers):
            pass
        return status

    async def events(self, path: str) -> AsyncGenerator[Event]:
        """Follow a stream of events to its end; the first event is made here: `connected`, when the head has come."""
        status, headers = await self._ask("GET", path, "Accept: text/event-stream\r\n")
        if status != 200:
            raise BenchFailed(f"GET {path} was answered {status}")
        yield Event("", "connected", time.monotonic_ns())
        text, fields = b"", {}
        async for chunk in self._body(headers):
            at_ns = time.monotonic_ns()
            *lines, text = (text + chunk).split(b"\n")
            for line in (line.rstrip(b"\r") for line in lines):
                if line:
                    name, _, value = line.decode().partition(":")
                    fields[name] = value.strip()
                elif fields:
                    yield Event(fields.get("id", ""), fields.get("event", ""), at_ns)
                    fields = {}

    async def _ask(self, method: str, path: str, head: str = "", content: bytes = b"") -> tuple[int, dict[str, str]]:
        self._writer.write(f"{method} {path} HTTP/1.1\r\nHost: {self._host}\r\n{head}\r\n".encode() + content)
        lines = (await self._reader.readuntil(b"\r\n\r\n")).decode("latin-1").split("\r\n")
        headers = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in lines[1:-2])}
        return int(lines[0].split()[1]), headers

    async def _body(self, headers: dict[str, str]) -> AsyncIterator[bytes]:
        if headers.get("transfer-encoding") != "chunked":
            yield await self._reader.readexactly(int(headers.get("content-length", "0")))
            return
        while size := int(await self._reader.readuntil(b"\r\n"), 16):
            yield (await self._reader.readexactly(size + 2))[:-2]
        await self._reader.readuntil(b"\r\n")
