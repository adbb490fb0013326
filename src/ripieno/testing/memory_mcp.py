"""MCP servers and their pins in dictionaries."""

import difflib
from collections.abc import Mapping, Sequence
from datetime import datetime

from ripieno.domain.errors import Conflict, NotFound
from ripieno.domain.jsons import JsonObject
from ripieno.domain.mcp_servers import KeptServer, OfferedTool, ServerMark, ToolPin, judged
from ripieno.domain.principals import Principal
from ripieno.ports import Clock, Secrets, Toolset
from ripieno.store.mcp_servers import version_of
from ripieno.tools import schemas
from ripieno.tools.mcp.servers import McpServers, Surroundings
from ripieno.tools.timed import TimedToolset
from ripieno.tools.validated import ValidatedToolset


class MemoryMcpPins:
    """`StoredMcpPins` without a database."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._pins: dict[tuple[str, str], dict[str, ToolPin]] = {}
        self._last: datetime | None = None

    async def sighted(
        self, tenant: str, server: str, offered: Sequence[OfferedTool], *, allow_new: bool
    ) -> Mapping[str, ToolPin]:
        known = self._pins.setdefault((tenant, server), {})
        for one in judged(known, offered, allow_new=allow_new):
            known[one.tool.name] = one.after(known.get(one.tool.name), self._clock.now())
            self._last = self._clock.now() if one.accepted else self._last
        return dict(sorted(known.items()))

    async def pins(self, tenant: str, server: str) -> Mapping[str, ToolPin]:
        return dict(sorted(self._pins.get((tenant, server), {}).items()))

    async def accept(self, principal: Principal, tenant: str, server: str, tool: str) -> ToolPin:
        known = self._pins.get((tenant, server), {})
        if tool not in known:
            raise NotFound("tool", f"{server}.{tool}", difflib.get_close_matches(tool, known))
        pin = known[tool]
        if pin.offered is not None:
            self._last = self._clock.now()
            known[tool] = ToolPin(tool, pin.offered, None, principal.id, self._last, None)
        return known[tool]

    async def last_accepted(self) -> datetime | None:
        return self._last

    def forget(self, tenant: str, server: str) -> None:
        """Its server is gone."""
        self._pins.pop((tenant, server), None)


class MemoryMcpServers:
    """`StoredMcpServers` without a database."""

    def __init__(self, clock: Clock, pins: MemoryMcpPins) -> None:
        self._clock = clock
        self._pins = pins
        self._kept: dict[tuple[str, str], KeptServer] = {}

    async def marks(self) -> Sequence[ServerMark]:
        return [server.mark for _, server in sorted(self._kept.items())]

    async def get(self, tenant: str, name: str) -> KeptServer:
        if known := self._kept.get((tenant, name)):
            return known
        names = [name for owner, name in self._kept if owner == tenant]
        raise NotFound("MCP server", name, difflib.get_close_matches(name, names))

    async def add(self, principal: Principal, name: str, config: JsonObject) -> KeptServer:
        place, now = (principal.tenant, name), self._clock.now()
        if place in self._kept:
            raise Conflict(f"there is an MCP server {name} already; change that one")
        self._kept[place] = KeptServer(ServerMark(*place, version_of(config)), config, principal.id, now, now)
        return self._kept[place]

    async def change(self, principal: Principal, name: str, config: JsonObject) -> KeptServer:
        old, place = await self.get(principal.tenant, name), (principal.tenant, name)
        mark = ServerMark(*place, version_of(config))
        self._kept[place] = KeptServer(mark, config, old.created_by, old.created_at, self._clock.now())
        return self._kept[place]

    async def delete(self, principal: Principal, name: str) -> None:
        await self.get(principal.tenant, name)
        del self._kept[principal.tenant, name]
        self._pins.forget(principal.tenant, name)


def mcp_in_memory(clock: Clock, secrets: Secrets) -> McpServers:
    """Servers that last as long as the test."""

    def around(toolset: Toolset) -> Toolset:
        return TimedToolset(ValidatedToolset(toolset, schemas.check), clock)

    pins = MemoryMcpPins(clock)
    return McpServers(MemoryMcpServers(clock, pins), pins, Surroundings(clock, secrets, around))
