"""The tools of one MCP server as a `ports.Toolset`."""

import asyncio
from collections.abc import Sequence
from dataclasses import replace
from types import TracebackType
from typing import Self

from ripieno.domain.artifacts import Blob
from ripieno.domain.effects import EffectClass
from ripieno.domain.tools import ToolCall, ToolContext, ToolResult, ToolSpec, ToolStatus
from ripieno.ports import Clock
from ripieno.tools.bounded import bounded
from ripieno.tools.failures import unknown_tool
from ripieno.tools.mcp.config import ServerConfig
from ripieno.tools.mcp.connection import ALONE, Connection, Means
from ripieno.tools.mcp.outages import ServerDown, ServerLost
from ripieno.tools.timed import late

_LIST_WAIT = 10.0  # seconds that the first listing waits for a server that is being started
_CALL_WAIT = 5.0  # seconds that a call waits for one that is being started again, at most half its own time


class McpToolset:
    """Connects to the server when it is entered and lets go of it when it is left.

    A server that is lost is connected to again by itself; until then its tools stay listed and calls get typed results.
    """

    def __init__(self, config: ServerConfig, clock: Clock, means: Means = ALONE) -> None:
        self.config = config
        self.connection = Connection(config, clock, means)
        self._group = asyncio.TaskGroup()
        self._owner: asyncio.Task[None] | None = None

    async def __aenter__(self) -> Self:
        await self._group.__aenter__()
        self._owner = self._group.create_task(self.connection.run(), name=f"mcp-{self.config.name}")
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        del kind, error, trace  # the group would wrap them; they pass as they are
        if self._owner is not None:
            self._owner.cancel()
        await self._group.__aexit__(None, None, None)

    async def list(self, context: ToolContext) -> Sequence[ToolSpec]:
        """The tools as the server last listed them.

        Raises:
            ServerDown: It never did.
        """
        del context
        return await self.connection.listed(_LIST_WAIT)

    async def call(self, call: ToolCall, context: ToolContext) -> ToolResult:
        spec = next((spec for spec in self.connection.specs or () if spec.name == call.name), None)
        if spec is None and self.connection.specs is not None:
            return unknown_tool(call.name)
        tool = call.name.partition(".")[2]
        wait = min(_CALL_WAIT, self.config.timeout / 2)
        try:
            return self._held(await self.connection.call(tool, call.arguments, context, wait))
        except ServerDown as error:
            return ToolResult(ToolStatus.UNAVAILABLE, error.detail)
        except ServerLost as error:
            return _lost(call.name, spec, error.detail)
        except TimeoutError:
            return late(call.name, spec, self.config.timeout)

    def _held(self, result: ToolResult) -> ToolResult:
        """The result within what this server may show; the whole comes with it as a file."""
        limit, raw = self.config.result_bytes, result.text.encode(errors="replace")
        if limit is None or len(raw) <= limit:
            return result
        return replace(bounded(result, limit), content=(Blob(raw, "text/plain", "result.txt"), *result.content))


def _lost(name: str, spec: ToolSpec | None, why: str) -> ToolResult:
    """A call that was sent and never answered."""
    if spec is not None and spec.effect is EffectClass.READ:
        return ToolResult(ToolStatus.UNAVAILABLE, f"{name}: {why}.")
    return ToolResult(ToolStatus.LOST, f"{name}: {why}. It is not known whether it took effect.")
