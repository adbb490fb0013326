"""Opens the way to a server: starts its process, or makes the client for its URL."""

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager

from ripieno.ports import Clock
from ripieno.tools.mcp import over_http, process
from ripieno.tools.mcp.config import ServerConfig
from ripieno.tools.mcp.log_tail import LogTail
from ripieno.tools.mcp.wires import Wire, over_pipes


@asynccontextmanager
async def opened(config: ServerConfig, clock: Clock, tail: LogTail) -> AsyncGenerator[Wire]:
    """The wire, until the block ends.

    Raises:
        ToolUnavailable: There is no such program, or its URL is not one.
    """
    if config.transport != "stdio":
        async with over_http.opened(config, clock) as wire:
            yield wire
        return
    server = await process.start(config, tail.feed)
    try:
        yield Wire(server, over_pipes(server))
    finally:
        await server.stop()
