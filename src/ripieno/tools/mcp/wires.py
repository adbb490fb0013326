"""The ways to a server, alike for whoever talks over them: streams of messages, and an event when they have ended."""

import asyncio
from collections.abc import AsyncGenerator, Callable, Coroutine
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass
from typing import Protocol, TypeAlias

import anyio
import mcp_types as types
from anyio.streams.memory import MemoryObjectReceiveStream, MemoryObjectSendStream
from mcp.shared.message import SessionMessage

from ripieno.tools.mcp.process import ServerProcess

Incoming: TypeAlias = SessionMessage | Exception
Reading: TypeAlias = MemoryObjectReceiveStream[Incoming]
Writing: TypeAlias = MemoryObjectSendStream[SessionMessage]
Streams: TypeAlias = AbstractAsyncContextManager[tuple[Reading, Writing]]


class Ending(Protocol):
    """Whether a connection has ended, and why."""

    closed: asyncio.Event
    ending: str

    def hang_up(self, reason: str = "") -> None:
        """Treat the connection as ended."""
        ...


@dataclass(frozen=True, slots=True)
class Wire:
    """A way to a server that was opened. `mark` is in the errors that did not come from the server."""

    ending: Ending
    streams: Streams
    mark: str = ""


@dataclass(frozen=True, slots=True)
class Ends:
    """Both sides of a pair of streams: `received` and `sent` are the library's."""

    incoming: MemoryObjectSendStream[Incoming]
    received: Reading
    sent: Writing
    outgoing: MemoryObjectReceiveStream[SessionMessage]


@asynccontextmanager
async def pumped(*pumps: Callable[[Ends], Coroutine[None, None, None]]) -> AsyncGenerator[tuple[Reading, Writing]]:
    """Streams for the library while `pumps`, coroutine functions, move what goes through them."""
    incoming, received = anyio.create_memory_object_stream[Incoming](0)
    sent, outgoing = anyio.create_memory_object_stream[SessionMessage](0)
    ends = Ends(incoming, received, sent, outgoing)
    async with asyncio.TaskGroup() as group:
        tasks = [group.create_task(pump(ends)) for pump in pumps]
        try:
            yield received, sent
        finally:
            for task in tasks:
                task.cancel()
            for stream in (incoming, received, sent, outgoing):
                stream.close()


def over_pipes(process: ServerProcess) -> Streams:
    """The lines of a process as streams."""

    async def read(ends: Ends) -> None:
        with ends.incoming as incoming:
            while (line := await process.line()) is not None:
                try:
                    message = types.jsonrpc_message_adapter.validate_json(line, by_name=False)
                except ValueError:
                    process.note(b"\nnot a message: " + line[:200] + b"\n")
                    continue
                try:
                    await incoming.send(SessionMessage(message))
                except (anyio.BrokenResourceError, anyio.ClosedResourceError):
                    return

    async def write(ends: Ends) -> None:
        with ends.outgoing as outgoing:
            async for message in outgoing:
                await process.send(message.message.model_dump_json(by_alias=True, exclude_unset=True).encode())

    return pumped(read, write)
