"""MCP servers: as they are kept, what they offer, and what was accepted of that."""

from dataclasses import dataclass, field
from datetime import datetime
from functools import cached_property

from ripieno.domain import jsons
from ripieno.domain.jsons import Json, JsonObject

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
