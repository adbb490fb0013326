"""A TCP proxy in front of a Unix socket that cuts connections where a test wants it: at a request, at an answer.

    async with CuttingProxy(path) as proxy:
        proxy.cut(Cut.ANSWER)

With `ANSWER` the server has done what it was asked and nobody hears of it; with `REQUEST` it was never asked.
"""

import asyncio
from contextlib import suppress
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path
from typing import Self

CHUNK = 65536


class Cut(StrEnum):
    """Where a connection breaks."""

    NOW = "now"
    REQUEST = "request"
    HALF_REQUEST = "half a request"
    ANSWER = "answer"
    HALF_ANSWER = "half an answer"


UPSTREAM = frozenset({Cut.REQUEST, Cut.HALF_REQUEST})
HALF = frozenset({Cut.HALF_REQUEST, Cut.HALF_ANSWER})


@dataclass(eq=False)
class _Pipe:
    """One connection: both sides, and where it is to break."""

    client: asyncio.StreamWriter
    server: asyncio.StreamWriter
    cut: Cut | None = None

    def abort(self) -> None:
        for side in (self.client, self.server):
            side.transport.abort()


@dataclass
class CuttingProxy:
    """Listens on a free port of the loopback. `refusing` lets nobody in."""

    socket: Path
    refusing: bool = False
    cuts: int = 0
    port: int = 0
    _pipes: set[_Pipe] = field(default_factory=set["_Pipe"])

    async def __aenter__(self) -> Self:
        self._listener = await asyncio.start_server(self._serve, "127.0.0.1", 0)
        self.port = self._listener.sockets[0].getsockname()[1]
        return self

    async def __aexit__(self, *_: object) -> None:
        self._listener.close()
        self.cut(Cut.NOW)
        await self._listener.wait_closed()
        while self._pipes:
            await asyncio.sleep(0.01)

    def cut(self, where: Cut) -> None:
        """Break every connection that there is: now, or when it next carries something that way."""
        for pipe in tuple(self._pipes):
            pipe.cut = where
            if where is Cut.NOW:
                self._abort(pipe)

    def _abort(self, pipe: _Pipe) -> None:
        self.cuts += 1
        pipe.abort()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if self.refusing:
            writer.transport.abort()
            return
        try:
            from_server, to_server = await asyncio.open_unix_connection(self.socket)
        except OSError:
            writer.transport.abort()
            return
        pipe = _Pipe(writer, to_server)
        self._pipes.add(pipe)
        try:
            await asyncio.gather(self._carry(pipe, reader, to_server), self._carry(pipe, from_server, writer))
        finally:
            self._pipes.discard(pipe)
            pipe.abort()

    async def _carry(self, pipe: _Pipe, source: asyncio.StreamReader, sink: asyncio.StreamWriter) -> None:
        upstream = sink is pipe.server
        with suppress(OSError):
            while piece := await source.read(CHUNK):
                if pipe.cut is not None and (pipe.cut in UPSTREAM) == upstream:
                    if pipe.cut in HALF:
                        sink.write(piece[: len(piece) // 2])
                        await sink.drain()
                    self._abort(pipe)
                    return
                sink.write(piece)
                await sink.drain()
        pipe.abort()
