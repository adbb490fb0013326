"""The ring that shows tools as administrators have them, and hides those that are switched off."""

from collections.abc import Sequence

from ripieno.domain.tools import ToolCall, ToolContext, ToolResult, ToolSpec, ToolStatus
from ripieno.ports import Toolset
from ripieno.tools.rules import ToolRules


class RuledToolset:
    """Changes effect, risk and timeout as the rules say. What is switched off is not listed and not called."""

    def __init__(self, inner: Toolset, rules: ToolRules) -> None:
        self._inner = inner
        self._rules = rules
        self._shown: dict[str, tuple[Sequence[ToolSpec], int, Sequence[ToolSpec]]] = {}

    async def list(self, context: ToolContext) -> Sequence[ToolSpec]:
        listed = await self._inner.list(context)
        tenant = context.tenant
        if not self._rules.rules(tenant):
            self._shown.pop(tenant, None)
            return listed
        shown = self._shown.get(tenant)
        if shown is None or shown[0] is not listed or shown[1] != self._rules.version:
            ruled = [self._rules.applied(tenant, spec) for spec in listed if self._is_on(tenant, spec.name)]
            shown = self._shown[tenant] = (listed, self._rules.version, ruled)
        return shown[2]

    async def call(self, call: ToolCall, context: ToolContext) -> ToolResult:
        if not self._is_on(context.tenant, call.name):
            return ToolResult(ToolStatus.UNAVAILABLE, f"{call.name} is switched off by an administrator.")
        return await self._inner.call(call, context)

    def _is_on(self, tenant: str, tool: str) -> bool:
        return self._rules.of(tenant, tool).enabled is not False
