"""A server as every fake provider is one: requests in, the next step of a script out, on the wire of a subclass.

    async with OpenAIServer([says("hello"), fails(429, retry_after=1)]) as server:
        ...  # server.url, server.requests

Each request takes the next step of the script; when none is left, the offline model answers. What a real server refuses
is refused here too.
"""

import argparse
import asyncio
import json
import sys
from abc import ABC, abstractmethod
from collections import deque
from collections.abc import AsyncIterator, Iterable
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Self

from ripieno.domain.jsons import decode
from tests.wire.script import Seen, Step

_REASONS = {200: "OK", 400: "Bad Request", 401: "Unauthorized", 404: "Not Found", 429: "Too Many Requests"}


@dataclass(frozen=True)
class Exchange:
    """A request, and the way back."""

    writer: asyncio.StreamWriter
    method: str
    path: str
    headers: dict[str, str]
    raw: bytes

    async def answer(self, status: int, document: Any, headers: dict[str, str] | None = None) -> None:
        """Answer with JSON."""
        await self.send(status, json.dumps(document).encode(), {"content-type": "application/json", **(headers or {})})

    async def send(self, status: int, body: bytes, headers: dict[str, str]) -> None:
        """Answer with anything."""
        lines = [f"HTTP/1.1 {status} {_REASONS.get(status, 'Error')}", f"content-length: {len(body)}"]
        lines += [f"{name}: {value}" for name, value in headers.items()]
        self.writer.write("\r\n".join(lines).encode() + b"\r\n\r\n" + body)
        await self.writer.drain()


@dataclass
class Provider(ABC):
    """The server. Leave `key` empty to accept any."""

    script: Iterable[Step] = ()
    key: str = ""
    port: int = 0
    requests: list[Seen] = field(default_factory=list[Seen])

    base = ""
    """What the base URL ends with."""
    streaming = "text/event-stream"
    """The content type of a stream."""

    @abstractmethod
    def refusal(self, seen: Seen) -> tuple[int, Any] | None:
        """What a real server would refuse in a request, as a status and a document."""

    @abstractmethod
    def streams(self, seen: Seen) -> bool:
        """Whether the answer is wanted as a stream."""

    @abstractmethod
    def thought(self, body: dict[str, Any]) -> Step:
        """The answer when no script says so."""

    @abstractmethod
    def failure(self, status: int, message: str, code: str | None) -> Any:
        """An error on this wire."""

    @abstractmethod
    def whole(self, step: Step, seen: Seen) -> Any:
        """A whole answer."""

    @abstractmethod
    def events(self, step: Step, seen: Seen) -> list[bytes]:
        """The same as a stream, in as many pieces as a real server would send; empty and strange ones too."""

    @abstractmethod
    def odd(self, step: Step, seen: Seen) -> bytes:
        """One piece of a stream: with the fault `error` an error, with `nonsense` no JSON, with `drip` a word."""

    async def elsewhere(self, exchange: Exchange) -> bool:  # noqa: ARG002
        """Answer a request that is not for a completion; whether it was one."""
        return False

    async def __aenter__(self) -> Self:
        self._steps = deque(self.script)
        self._closing = asyncio.Event()
        self._writers: set[asyncio.StreamWriter] = set()
        self._server = await asyncio.start_server(self._connection, "127.0.0.1", self.port)
        self.port = self._server.sockets[0].getsockname()[1]
        return self

    async def __aexit__(self, *_: object) -> None:
        self._closing.set()
        self._server.close()
        for writer in list(self._writers):
            writer.transport.abort()
        await self._server.wait_closed()

    @property
    def url(self) -> str:
        """The base URL."""
        return f"http://127.0.0.1:{self.port}{self.base}"

    async def _connection(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._writers.add(writer)
        try:
            with suppress(ConnectionError, asyncio.IncompleteReadError):
                while not reader.at_eof():
                    await self._exchange(reader, writer)
        finally:
            self._writers.discard(writer)
            writer.close()

    async def _exchange(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").split("\r\n")
        method, path, _ = head[0].split(" ", 2)
        headers = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in head[1:] if line)}
        raw = await reader.readexactly(int(headers.get("content-length", 0)))
        exchange = Exchange(writer, method, path.partition("?")[0], headers, raw)
        if not await self.elsewhere(exchange):
            await self._complete(exchange)

    async def _complete(self, exchange: Exchange) -> None:
        seen = Seen(exchange.headers, json.loads(exchange.raw), exchange.path)
        self.requests.append(seen)
        if problem := self.refusal(seen):
            await exchange.answer(*problem)
            return
        step = self._steps.popleft() if self._steps else self.thought(seen.body)
        if step.fault == "hang":
            await self._closing.wait()
        elif step.status != 200:
            extra = {"retry-after": f"{step.retry_after:g}"} if step.retry_after is not None else {}
            await exchange.answer(step.status, self.failure(step.status, step.message, step.code), extra)
        elif self.streams(seen):
            await self._stream(exchange.writer, step, seen)
        else:
            await self._whole(exchange, step, seen)

    async def _whole(self, exchange: Exchange, step: Step, seen: Seen) -> None:
        if step.fault == "cut":
            head = b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: 9999\r\n\r\n{"
            exchange.writer.write(head)
            exchange.writer.transport.abort()
        elif step.fault == "nonsense":
            await exchange.send(200, b"{nonsense", {"content-type": "application/json"})
        else:
            await exchange.answer(200, self.whole(step, seen))

    async def _stream(self, writer: asyncio.StreamWriter, step: Step, seen: Seen) -> None:
        writer.write(
            f"HTTP/1.1 200 OK\r\ncontent-type: {self.streaming}\r\ntransfer-encoding: chunked\r\n\r\n".encode()
        )
        async for piece in self._pieces(step, seen):
            writer.write(f"{len(piece):x}\r\n".encode() + piece + b"\r\n")
            await writer.drain()
        if step.fault == "cut":
            writer.close()
            await writer.wait_closed()
            raise ConnectionResetError
        writer.write(b"0\r\n\r\n")
        await writer.drain()

    async def _pieces(self, step: Step, seen: Seen) -> AsyncIterator[bytes]:
        pieces = self.events(step, seen)
        if step.fault in {"nonsense", "error"}:
            yield self.odd(step, seen)
        elif step.fault == "drip":
            yield pieces[0]
            while not self._closing.is_set():
                yield self.odd(step, seen)
                await asyncio.sleep(step.pause)
        else:
            for piece in pieces[: len(pieces) // 2] if step.fault in {"cut", "stop"} else pieces:
                yield piece


async def _serve(server: Provider) -> None:
    async with server:
        sys.stdout.write(f"{server.url}\n")
        sys.stdout.flush()
        await asyncio.Event().wait()


def main(kind: type[Provider]) -> None:
    """Print the URL and serve until stopped; a script is a JSON list of steps: `{"status": 429, "retry_after": 1}`."""
    parser = argparse.ArgumentParser(description=kind.__doc__)
    parser.add_argument("--port", type=int, default=0)
    parser.add_argument("--key", default="")
    parser.add_argument("--script", type=Path, help="a JSON list of steps")
    given = parser.parse_args()
    raw: list[dict[str, Any]] = json.loads(given.script.read_text()) if given.script else []
    with suppress(KeyboardInterrupt):
        asyncio.run(_serve(kind([decode(Step, item) for item in raw], given.key, given.port)))
