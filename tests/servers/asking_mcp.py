"""An MCP server over HTTP or SSE that asks, tells of progress, and lets in only who has a token.

    python asking_mcp.py http|sse PORT     prints the port when it listens (0: any)

Tokens come from `/token` for client `us` with secret `s3cret`; each is good for as many requests as TOKEN_USES says.
Without that variable it lets everybody in. Calls leave a line each in the file named by ASKING_FILE.
"""

import asyncio
import base64
import json
import os
import socket
import sys
from pathlib import Path
from typing import Annotated, Any

import uvicorn
from mcp.server.mcpserver import Context, Elicit, MCPServer, Resolve
from mcp_types import CallToolResult, TextContent
from pydantic import BaseModel

FILE = Path(os.environ["ASKING_FILE"])
USES = int(os.environ.get("TOKEN_USES", "0"))
PAIR = "Basic " + base64.b64encode(b"us:s3cret").decode()

server = MCPServer("asking")


class Size(BaseModel):
    """A form."""

    size: int


def note(line: str) -> None:
    with FILE.open("a") as file:
        file.write(line + "\n")


async def which_size() -> Size | Elicit[Size]:
    """Ask for a size."""
    return Elicit("Which size?", Size)


@server.tool()
async def order(size: Annotated[Size, Resolve(which_size)]) -> str:
    """Order a shirt; asks for its size, in the way of the revision."""
    note(f"order {size.size}")
    return f"ordered size {size.size}"


@server.tool()
async def order_live(ctx: Context) -> str:
    """Order a shirt; asks in the middle of the call."""
    note("asking")
    answer = await ctx.elicit("Which size?", Size)
    note(answer.action)
    return f"ordered size {answer.data.size}" if answer.action == "accept" else f"not ordered: {answer.action}"


@server.tool()
async def slow(ctx: Context, steps: int) -> str:
    """Take time, and tell of it."""
    for step in range(steps):
        await ctx.report_progress(step, steps, f"step {step}")
        await asyncio.sleep(0.2)
    return "slept"


@server.tool()
async def quiet(seconds: float) -> str:
    """Take time in silence."""
    note("quiet")
    try:
        await asyncio.sleep(seconds)
    except asyncio.CancelledError:
        note("cancelled")
        raise
    return "slept"


@server.tool()
def huge(size: int) -> CallToolResult:
    """Answer with a lot."""
    return CallToolResult(content=[TextContent(text="x" * size)])


@server.tool()
def count() -> str:
    """Count."""
    note("count")
    return "counted"


@server.tool()
def die() -> str:
    """Die in the middle of the call."""
    note("die")
    os._exit(3)


class Door:
    """Gives tokens, and lets in who has one that is not used up."""

    def __init__(self, app: Any) -> None:
        self._app = app
        self._left: dict[str, int] = {}

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] != "http" or not USES:
            await self._app(scope, receive, send)
            return
        given = dict(scope["headers"]).get(b"authorization", b"").decode()
        if scope["path"] == "/token":
            token = f"t{len(self._left) + 1}"
            note(f"token {token}" if given == PAIR else "stranger")
            self._left[f"Bearer {token}"] = USES
            status, body = (200, {"access_token": token, "expires_in": 3600}) if given == PAIR else (401, {})
            await _answer(send, status, body)
        elif self._left.get(given, 0) < 1:
            await _answer(send, 401, {"error": "no"})
        else:
            self._left[given] -= 1
            await self._app(scope, receive, send)


async def _answer(send: Any, status: int, body: dict[str, Any]) -> None:
    headers = [(b"content-type", b"application/json")]
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": json.dumps(body).encode()})


if __name__ == "__main__":
    app = server.sse_app() if sys.argv[1] == "sse" else server.streamable_http_app()
    listener = socket.socket()
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    listener.bind(("127.0.0.1", int(sys.argv[2])))
    listener.listen()
    sys.stdout.write(f"{listener.getsockname()[1]}\n")
    sys.stdout.flush()
    uvicorn.Server(uvicorn.Config(Door(app), log_level="error", timeout_graceful_shutdown=1)).run([listener])
