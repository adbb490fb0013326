"""The ring that keeps secret values out of results: a tool that was given one may well print it."""

from collections.abc import Callable, Sequence
from dataclasses import replace

from ripieno.domain.jsons import Json
from ripieno.domain.tools import ToolCall, ToolContext, ToolResult, ToolSpec
from ripieno.ports import Toolset


class ScrubbedToolset:
    """Passes what comes back through `scrub`, which takes known secret values out of a JSON value."""

    def __init__(self, inner: Toolset, scrub: Callable[[Json], Json]) -> None:
        self._inner = inner
        self._scrub = scrub

    async def list(self, context: ToolContext) -> Sequence[ToolSpec]:
        return await self._inner.list(context)

    async def call(self, call: ToolCall, context: ToolContext) -> ToolResult:
        result = await self._inner.call(call, context)
        text, data, hint = (self._scrub(part) for part in (result.text, result.data, result.hint))
        return replace(result, text=text, data=data, hint=hint)
