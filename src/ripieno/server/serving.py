"""Serves an ASGI app on a socket that is bound before anything else starts, and stops in order."""

import asyncio
import contextlib
import socket
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from typing import Any

import uvicorn
from uvicorn.protocols.websockets.websockets_sansio_impl import WebSocketsSansIOProtocol

from ripieno.domain.errors import Invalid

STARTED_POLL_SECONDS = 0.005


def bind(host: str, port: int) -> socket.socket:
    """Take the address; port 0 takes any free one.

    Raises:
        Invalid: The address cannot be had, with the reason.
    """
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    # By name: asyncio turns the delay of small packets (Nagle, 40 ms) off only on sockets that say that they are TCP.
    listener = socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind((host, port))
    except OSError as error:
        listener.close()
        raise Invalid(f"cannot listen on {host}:{port}: {error.strerror or error}") from None
    return listener


def url_of(listener: socket.socket) -> str:
    """How to reach a bound socket."""
    host, port = listener.getsockname()[:2]
    if host in {"0.0.0.0", "::"}:  # noqa: S104 - compared, not bound
        host = "127.0.0.1"
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"


class _Server(uvicorn.Server):
    """Leaves signals to whoever runs the process."""

    @contextlib.contextmanager
    def capture_signals(self) -> Any:
        yield


class _Sockets(WebSocketsSansIOProtocol):
    """Knows that a refusal completes a handshake: uvicorn would log an error about each one."""

    async def send(self, message: Any) -> None:
        await super().send(message)
        if message["type"] == "websocket.http.response.body" and not message.get("more_body", False):
            self.handshake_complete = True


@asynccontextmanager
async def serving(app: Any, listener: socket.socket, grace_seconds: float) -> AsyncGenerator[None]:
    """Answer requests until the block ends, then let those under way finish for `grace_seconds`."""
    config = uvicorn.Config(
        app,
        http="httptools",
        ws=_Sockets,
        lifespan="off",
        access_log=False,
        log_config=None,
        server_header=False,
        timeout_graceful_shutdown=max(1, round(grace_seconds)),
    )
    server = _Server(config)
    async with asyncio.TaskGroup() as group:
        task = group.create_task(server.serve(sockets=[listener]), name="http")
        while not server.started and not task.done():
            await asyncio.wait([task], timeout=STARTED_POLL_SECONDS)
        try:
            yield
        finally:
            server.should_exit = True
