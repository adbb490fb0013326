"""The tools of everybody and those that a tenant imported, as one toolset."""

from collections.abc import Sequence
from typing import Protocol

from ripieno.domain.tools import ToolCall, ToolContext, ToolResult, ToolSpec
from ripieno.ports import Toolset


class OfTenants(Protocol):
    """Toolsets that belong to tenants."""

    def specs(self, tenant: str) -> Sequence[ToolSpec]:
        """The tools of a tenant; the same sequence as long as they are the same."""
        ...

    def toolset(self, tenant: str, name: str) -> Toolset | None:
        """One toolset, if the tenant has it."""
        ...


class JoinedToolset:
    """`ports.Toolset`. A name that both know is everybody's."""

    def __init__(self, shared: Toolset, own: OfTenants) -> None:
        self._shared = shared
        self._own = own
        self._joined: dict[str, tuple[Sequence[ToolSpec], Sequence[ToolSpec], Sequence[ToolSpec]]] = {}

    async def list(self, context: ToolContext) -> Sequence[ToolSpec]:
        shared, own = await self._shared.list(context), self._own.specs(context.tenant)
        if not own:
            return shared
        known = self._joined.get(context.tenant)
        if known is None or known[0] is not shared or known[1] is not own:
            names = {spec.name for spec in shared}
            joined = (*shared, *(spec for spec in own if spec.name not in names))
            known = self._joined[context.tenant] = (shared, own, joined)
        return known[2]

    async def call(self, call: ToolCall, context: ToolContext) -> ToolResult:
        toolset = self._own.toolset(context.tenant, call.name.partition(".")[0])
        return await (toolset or self._shared).call(call, context)
