"""What was accepted of the tools of MCP servers, in the database."""

import difflib
from collections.abc import Mapping, Sequence
from datetime import datetime

from ripieno.domain import jsons
from ripieno.domain.errors import NotFound
from ripieno.domain.mcp_servers import OfferedTool, ToolPin, judged
from ripieno.domain.principals import DEFAULT_TENANT, SYSTEM, Principal
from ripieno.store.bodies import dump
from ripieno.store.portable.frame import Frame, Frames, Record, Work

PINS = "SELECT * FROM mcp_pins WHERE tenant = :tenant AND server = :server ORDER BY tool"

LAST = "SELECT MAX(accepted_at) AS accepted_at FROM mcp_pins"

PUT = """
INSERT INTO mcp_pins (tenant, server, tool, accepted, offered, accepted_by, accepted_at, offered_at)
VALUES (:tenant, :server, :tool, :accepted, :offered, :by, :accepted_at, :offered_at)
ON CONFLICT (tenant, server, tool) DO UPDATE SET accepted = excluded.accepted, offered = excluded.offered,
  accepted_by = excluded.accepted_by, accepted_at = excluded.accepted_at, offered_at = excluded.offered_at
"""


class StoredMcpPins:
    """Keeps them by tenant, server and tool; what is new or accepted is audited."""

    def __init__(self, frames: Frames) -> None:
        self._frames = frames

    async def sighted(
        self, tenant: str, server: str, offered: Sequence[OfferedTool], *, allow_new: bool
    ) -> Mapping[str, ToolPin]:
        """Write down what a server offers, and answer what is known of each tool after that."""
        known = await self._frames.read(_pins, tenant, server)
        if not judged(known, offered, allow_new=allow_new):
            return known
        return await self._frames.write(_sighted, tenant, server, tuple(offered), allow_new)

    async def pins(self, tenant: str, server: str) -> Mapping[str, ToolPin]:
        """What is known of a server's tools, by name."""
        return await self._frames.read(_pins, tenant, server)

    async def accept(self, principal: Principal, tenant: str, server: str, tool: str) -> ToolPin:
        """Accept what is offered now. Raises `NotFound` with near names."""
        return await self._frames.write(_accept, principal, tenant, server, tool)

    async def last_accepted(self) -> datetime | None:
        """When something was accepted last, by anybody."""
        return await self._frames.read(_last)


def _pins(frame: Frame, tenant: str, server: str) -> Work[dict[str, ToolPin]]:
    rows = yield from frame.all(PINS, tenant=tenant, server=server)
    return {row["tool"]: _pin(row) for row in rows}


def _last(frame: Frame) -> Work[datetime | None]:
    row = yield from frame.one(LAST)
    return row.time_or_none("accepted_at") if row else None


def _sighted(
    frame: Frame, tenant: str, server: str, offered: tuple[OfferedTool, ...], allow_new: bool
) -> Work[dict[str, ToolPin]]:
    yield from frame.guard(f"mcp:{tenant}:{server}")
    known = yield from _pins(frame, tenant, server)
    for one in judged(known, offered, allow_new=allow_new):
        pin = one.after(known.get(one.tool.name), frame.now)
        known[pin.tool] = pin
        yield from _put(frame, tenant, server, pin)
        if one.action:
            yield from _audit(frame, SYSTEM, tenant, one.action, f"{server}.{pin.tool}")
    return known


def _accept(frame: Frame, by: Principal, tenant: str, server: str, tool: str) -> Work[ToolPin]:
    yield from frame.guard(f"mcp:{tenant}:{server}")
    known = yield from _pins(frame, tenant, server)
    pin = known.get(tool)
    if pin is None:
        raise NotFound("tool", f"{server}.{tool}", difflib.get_close_matches(tool, known))
    if pin.offered is None:
        return pin
    accepted = ToolPin(tool, pin.offered, None, by.id, frame.now, None)
    yield from _put(frame, tenant, server, accepted)
    yield from _audit(frame, by, by.tenant, "ACCEPT_MCP_TOOL", f"{server}.{tool}")
    return accepted


def _put(frame: Frame, tenant: str, server: str, pin: ToolPin) -> Work[None]:
    yield from frame.all(
        PUT,
        tenant=tenant,
        server=server,
        tool=pin.tool,
        accepted=_dumped(pin.accepted),
        offered=_dumped(pin.offered),
        by=pin.accepted_by,
        accepted_at=pin.accepted_at,
        offered_at=pin.offered_at,
    )


def _audit(frame: Frame, by: Principal, tenant: str, action: str, target: str) -> Work[None]:
    """What a file defines for everybody is told to the platform's own tenant."""
    yield from frame.tell(tenant or DEFAULT_TENANT, "audit", "", {"action": action, "actor": by.id, "target": target})


def _dumped(tool: OfferedTool | None) -> str | None:
    return None if tool is None else dump(jsons.encode(tool))


def _pin(row: Record) -> ToolPin:
    return ToolPin(
        row["tool"],
        _tool(row, "accepted"),
        _tool(row, "offered"),
        row["accepted_by"],
        row.time_or_none("accepted_at"),
        row.time_or_none("offered_at"),
    )


def _tool(row: Record, name: str) -> OfferedTool | None:
    body = row.json(name)
    return None if body is None else jsons.decode(OfferedTool, body)
