"""The tools of everybody, those that a tenant imported, and those of MCP servers, as one toolset."""

from collections.abc import Awaitable, Callable, Sequence
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


async def _at_once(tenant: str) -> None:
    del tenant


class JoinedToolset:
    """`ports.Toolset`. A name that several know is the first one's; `settled` waits until all can list."""

    def __init__(self, shared: Toolset, *own: OfTenants, settled: Callable[[str], Awaitable[None]] = _at_once) -> None:
        self._shared = shared
        self._own = own
        self._settled = settled
        self._joined: dict[str, tuple[tuple[Sequence[ToolSpec], ...], Sequence[ToolSpec]]] = {}

    async def list(self, context: ToolContext) -> Sequence[ToolSpec]:
        await self._settled(context.tenant)
        parts = (await self._shared.list(context), *(own.specs(context.tenant) for own in self._own))
        if not any(parts[1:]):
            return parts[0]
        known = self._joined.get(context.tenant)
        if known is None or any(old is not new for old, new in zip(known[0], parts, strict=True)):
            named: dict[str, ToolSpec] = {}
            for part in parts:
                for spec in part:
                    named.setdefault(spec.name, spec)
            known = self._joined[context.tenant] = (parts, tuple(named.values()))
        return known[1]

    async def call(self, call: ToolCall, context: ToolContext) -> ToolResult:
        name, tenant = call.name.partition(".")[0], context.tenant
        found = next((found for own in self._own if (found := own.toolset(tenant, name)) is not None), self._shared)
        return await found.call(call, context)
