"""What answers while the platform cannot be put together yet, because its database is away."""

from contextlib import AbstractAsyncContextManager
from socket import socket

from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from ripieno.domain.errors import StoreBusy
from ripieno.ports import Clock
from ripieno.server import answers, errors
from ripieno.server.frame import AliasedApp, FramedApp
from ripieno.server.serving import serving
from ripieno.server.shapes.things import AgentsPart, AliveView, HealthView, Part, QueuePart

AGAIN_SECONDS = 2.0


class ClosedApp:
    """Says that the process lives, and that it is not ready."""

    def __init__(self, version: str, default_model: str) -> None:
        self._version = version
        self._health = HealthView(
            status="unhealthy",
            version=version,
            agents=AgentsPart(status="unhealthy", detail="not read yet", count=0),
            database=Part(status="unhealthy", detail=StoreBusy.code),
            llm=Part(status="healthy", detail=default_model),
            queue=QueuePart(status="unhealthy", queued=0, running=0, parked=0),
            workers=[],
        )

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http":
            await self._answer(scope)(scope, receive, send)
        elif scope["type"] == "websocket":
            await send({"type": "websocket.close", "code": 1013})

    def _answer(self, scope: Scope) -> Response:
        match scope["path"]:
            case "/v1/health/live":
                return answers.json(AliveView(version=self._version))
            case "/v1/health" | "/v1/health/ready":
                return answers.json(self._health, 503)
            case _:
                return errors.answer(scope, StoreBusy("the database does not answer yet", AGAIN_SECONDS))


def closed_door(listener: socket, version: str, default_model: str, clock: Clock) -> AbstractAsyncContextManager[None]:
    """Answer so during the block. The listener stays open; who comes between two doors waits at it."""
    return serving(FramedApp(AliasedApp(ClosedApp(version, default_model)), clock), listener.dup(), 0)
