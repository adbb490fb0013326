"""An MCP server over stdio whose calls leave traces outside: it counts in the file named by COUNTER_FILE."""

import asyncio
import json
import os
import sys
from pathlib import Path
from typing import Annotated

from mcp.server.mcpserver import Context, MCPServer
from mcp_types import (
    AudioContent,
    BlobResourceContents,
    CallToolResult,
    EmbeddedResource,
    ImageContent,
    ResourceLink,
    TextContent,
    TextResourceContents,
    ToolAnnotations,
)
from pydantic import BaseModel

FILE = Path(os.environ["COUNTER_FILE"])
PIXEL = "iVBORw0KGgo="

server = MCPServer("counter")


class Sum(BaseModel):
    """What `add` answers."""

    total: int


def _count(line: str) -> int:
    with FILE.open("a") as file:
        file.write(line + "\n")
    return len(FILE.read_text().splitlines())


@server.tool()
def increment(ctx: Context, by: int = 1) -> str:
    """Add one line to the counter."""
    meta: dict[str, object] = dict(ctx.request_context.meta or {})
    key = meta.get("idempotencyKey", "-")
    return f"count {_count(f'increment {by} {key}')}"


@server.tool(annotations=ToolAnnotations(read_only_hint=True))
def get() -> str:
    """Read the counter."""
    return str(len(FILE.read_text().splitlines()) if FILE.exists() else 0)


@server.tool(annotations=ToolAnnotations(idempotent_hint=True))
def echo(text: str) -> CallToolResult:
    """Say it again."""
    return CallToolResult(content=[TextContent(text=text)])


@server.tool()
def add(a: int, b: int) -> Sum:
    """Add two numbers."""
    return Sum(total=a + b)


@server.tool()
async def slow(seconds: float) -> str:
    """Take time."""
    _count("slow")
    await asyncio.sleep(seconds)
    return "slept"


@server.tool()
def freeze() -> str:
    """Stop answering anything at all."""
    _count("freeze")
    os.kill(os.getpid(), 19)
    return "thawed"


@server.tool()
def crash() -> str:
    """Die in the middle of the call."""
    _count("crash")
    sys.stderr.write("about to die\n")
    sys.stderr.flush()
    os._exit(3)


@server.tool()
def fail() -> str:
    """Raise."""
    raise ValueError("the counter is stuck")


@server.tool()
def binary() -> CallToolResult:
    """Answer with everything that is no text."""
    resource = BlobResourceContents(uri="file:///b.bin", mime_type="application/x-b", blob="AAEC")
    return CallToolResult(
        content=[
            ImageContent(data=PIXEL, mime_type="image/png"),
            AudioContent(data="%%%", mime_type="audio/wav"),
            EmbeddedResource(resource=resource),
            EmbeddedResource(resource=TextResourceContents(uri="file:///a.txt", text="inside\n")),
            ResourceLink(name="link", uri="file:///c.txt"),
        ]
    )


@server.tool()
def huge(size: Annotated[int, "bytes"]) -> CallToolResult:
    """Answer with a lot."""
    return CallToolResult(content=[TextContent(text="x" * size)])


@server.tool()
def environment() -> str:
    """Show the environment and ids."""
    return json.dumps({"environment": dict(os.environ), "pid": os.getpid(), "parent": os.getppid()})


@server.tool(name="not/for/models")
def odd() -> str:
    """Have a name that model providers refuse."""
    return "odd"


@server.tool()
async def grow(ctx: Context) -> str:
    """Get one more tool."""

    def extra() -> str:
        """Be new."""
        return "extra"

    server.add_tool(extra)
    await ctx.notify_tools_changed()
    await ctx.session.send_tool_list_changed()
    return "grown"


if __name__ == "__main__":
    server.run("stdio")
