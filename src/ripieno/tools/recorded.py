"""The ring that tells what tools were called and what came of it."""

import json
from collections.abc import Callable, Sequence

from ripieno.domain.operations import Fact, Operation, Record
from ripieno.domain.tools import ToolCall, ToolContext, ToolResult, ToolSpec
from ripieno.ports import Clock, Toolset

MEASURED = ("gen_ai.operation.name", "gen_ai.tool.name", "error.type")


class RecordedToolset:
    """Tells each call once, however it ends; with `clean`, also what was given and answered, passed through it."""

    def __init__(self, inner: Toolset, record: Record, clock: Clock, clean: Callable[[str], str] | None = None) -> None:
        self._inner = inner
        self._record = record
        self._clock = clock
        self._clean = clean

    async def list(self, context: ToolContext) -> Sequence[ToolSpec]:
        return await self._inner.list(context)

    async def call(self, call: ToolCall, context: ToolContext) -> ToolResult:
        began, start = self._clock.now(), self._clock.monotonic()
        facts: dict[str, Fact] = {
            "gen_ai.operation.name": "execute_tool",
            "gen_ai.tool.name": call.name,
            "gen_ai.tool.call.id": call.id,
            "gen_ai.tool.type": "function",
            "gen_ai.agent.name": context.agent,
            "ripieno.tenant": context.tenant,
            "ripieno.run.id": context.run_id,
        }
        if self._clean is not None:
            facts["gen_ai.tool.call.arguments"] = self._clean(json.dumps(call.arguments, ensure_ascii=False))
        error: str | None = "cancelled"
        try:
            result = await self._inner.call(call, context)
            error = None if result.ok else result.status.value
            if self._clean is not None:
                facts["gen_ai.tool.call.result"] = self._clean(result.text)
        finally:
            seconds = self._clock.monotonic() - start
            self._record(
                Operation("execute_tool", call.name, context.run_id, began, seconds, facts, MEASURED, error=error)
            )
        return result
