"""MCP servers: as they are kept, what they offer, and what was accepted of that."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from functools import cached_property

from ripieno.domain import jsons
from ripieno.domain.jsons import Json, JsonObject
from ripieno.domain.principals import SYSTEM

EVERYBODY = ""
"""In the place of a tenant: servers that a file defines, which all tenants may use."""


@dataclass(frozen=True)
class OfferedTool:
    """A tool as its server describes it. `hints` are what the server says about its effects."""

    name: str
    description: str
    input_schema: JsonObject
    output_schema: JsonObject | None = None
    hints: JsonObject = field(default_factory=dict[str, Json])

    @cached_property
    def digest(self) -> str:
        """Another whenever anything else is."""
        return jsons.digest([self.name, self.description, self.input_schema, self.output_schema, self.hints])


@dataclass(frozen=True, slots=True)
class ToolPin:
    """What was accepted of a tool, and what its server offers instead. None in `accepted`: nobody accepted it."""

    tool: str
    accepted: OfferedTool | None
    offered: OfferedTool | None
    accepted_by: str
    accepted_at: datetime | None
    offered_at: datetime | None

    @property
    def quarantined(self) -> bool:
        """Whether somebody has to look at it."""
        return self.offered is not None

    def holds(self, tool: OfferedTool) -> bool:
        """Whether this is what was accepted."""
        return self.accepted is not None and self.accepted.digest == tool.digest

    def awaits(self, tool: OfferedTool) -> bool:
        """Whether this is what somebody has to look at."""
        return self.offered is not None and self.offered.digest == tool.digest


@dataclass(frozen=True, slots=True)
class ServerMark:
    """Which version of a server is kept: `version` is another whenever anything about it is."""

    tenant: str
    name: str
    version: str


@dataclass(frozen=True, slots=True)
class KeptServer:
    """A server as it is kept."""

    mark: ServerMark
    config: JsonObject
    created_by: str
    created_at: datetime
    updated_at: datetime


@dataclass(frozen=True, slots=True)
class Judged:
    """What is to be written down of a tool that a server offers. `action` is what the audit says of it."""

    tool: OfferedTool
    accepted: bool = False
    quarantined: bool = False
    action: str = ""

    def after(self, known: ToolPin | None, now: datetime) -> ToolPin:
        """The pin with what was seen."""
        if self.accepted:
            return ToolPin(self.tool.name, self.tool, None, SYSTEM.id, now, None)
        before = known or ToolPin(self.tool.name, None, None, "", None, None)
        offered, at = (self.tool, now) if self.quarantined else (None, None)
        return replace(before, offered=offered, offered_at=at)


def judged(known: Mapping[str, ToolPin], offered: Sequence[OfferedTool], *, allow_new: bool) -> list[Judged]:
    """What changes by seeing what a server offers.

    All that is offered the first time is accepted. After that a tool that is another than was accepted is put in
    quarantine, and one that nobody has seen is, unless new ones are allowed.
    """
    first = not known
    found: list[Judged] = []
    for tool in offered:
        pin = known.get(tool.name)
        if pin is None and (first or allow_new):
            found.append(Judged(tool, accepted=True, action="PIN_MCP_TOOL"))
        elif pin is None or not (pin.holds(tool) or pin.awaits(tool)):
            found.append(Judged(tool, quarantined=True, action="QUARANTINE_MCP_TOOL"))
        elif pin.holds(tool) and pin.offered is not None:
            found.append(Judged(tool))
    return found
