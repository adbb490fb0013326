"""Streams that live long: server-sent events and WebSockets, ended by the client, the run or the server's stop."""

import asyncio
from collections.abc import Awaitable, Callable, Coroutine
from typing import TypeAlias

from pydantic_core import to_json
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from ripieno.domain.jsons import Json
from ripieno.server.services import Services

Emit: TypeAlias = Callable[[bytes], Awaitable[None]]
Produce: TypeAlias = Callable[[Emit], Coroutine[None, None, None]]

KEEP_ALIVE = b": keep-alive\n\n"


def sse(event: str, data: Json, event_id: int | None = None) -> bytes:
    """One server-sent event; the data is JSON on one line."""
    head = f"id: {event_id}\nevent: {event}\n" if event_id is not None else f"event: {event}\n"
    return head.encode() + b"data: " + to_json(data) + b"\n\n"


async def race(*contestants: Coroutine[None, None, None]) -> None:
    """Run them together until the first one ends, then cancel the others. Raises what the first one raises."""
    try:
        async with asyncio.TaskGroup() as group:
            tasks = [group.create_task(contestant) for contestant in contestants]

            def end(_: asyncio.Task[None]) -> None:
                for task in tasks:
                    task.cancel()

            for task in tasks:
                task.add_done_callback(end)
    except ExceptionGroup as failures:
        raise failures.exceptions[0] from None


class EventStream(Response):
    """Sends what `produce` emits, with a comment whenever nothing was sent for a while."""

    media_type = "text/event-stream"

    def __init__(self, services: Services, produce: Produce) -> None:
        super().__init__(headers={"cache-control": "no-cache", "x-accel-buffering": "no"})
        del self.headers["content-length"]
        self._services = services
        self._produce = produce
        self._quiet = True

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Stream until the producer, the client or the server ends it."""

        async def emit(chunk: bytes) -> None:
            self._quiet = False
            await send({"type": "http.response.body", "body": chunk, "more_body": True})

        del scope
        await send({"type": "http.response.start", "status": self.status_code, "headers": self.raw_headers})
        await race(self._produce(emit), self._keep_alive(emit), _gone(receive), _stopped(self._services))
        await send({"type": "http.response.body", "body": b"", "more_body": False})

    async def _keep_alive(self, emit: Emit) -> None:
        while True:
            self._quiet = True
            await self._services.clock.sleep(self._services.config.keep_alive_seconds)
            if self._quiet:
                await emit(KEEP_ALIVE)


async def _gone(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass


async def _stopped(services: Services) -> None:
    await services.stopping.wait()
