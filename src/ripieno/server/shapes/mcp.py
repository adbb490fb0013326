"""MCP servers as the API takes and shows them."""

import re
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Annotated, Any, Literal, cast

from pydantic import AfterValidator, BaseModel, ConfigDict, Field

from ripieno.domain.errors import Invalid, Problem
from ripieno.domain.jsons import Json, JsonObject
from ripieno.domain.mcp_servers import OfferedTool, ToolPin
from ripieno.domain.secrets import NAME as SECRET
from ripieno.domain.secrets import REFERENCE
from ripieno.server.shapes.runs import Shape
from ripieno.tools.mcp.config import said
from ripieno.tools.mcp.log_tail import LogLine
from ripieno.tools.mcp.servers import ShownServer

NAME = r"^[A-Za-z0-9_-]+$"
HIDDEN = "***"
_ONLY_A_REFERENCE = re.compile(f"([A-Za-z]+ )?{re.escape(REFERENCE)}{SECRET.pattern}")
_SECRET_FIELDS = ("token", "client_secret")


def _not_hidden(values: Mapping[str, str]) -> Mapping[str, str]:
    if hidden := [name for name, value in values.items() if value == HIDDEN]:
        msg = f"{hidden[0]} is shown as {HIDDEN}; give its value, or secret://NAME"
        raise ValueError(msg)
    return values


Values = Annotated[dict[str, str], AfterValidator(_not_hidden)]


class ServerRequest(BaseModel):
    """A server to add: its name, and what `mcp_servers.yaml` would say about it."""

    model_config = ConfigDict(extra="allow")

    name: str = Field(min_length=1, max_length=32, pattern=NAME)
    env: Values | None = None
    headers: Values | None = None

    def body(self) -> JsonObject:
        """What is said about it."""
        return self.model_dump(mode="json", exclude_unset=True, exclude={"name"})


class ServerChange(BaseModel):
    """What else is said about a server; what is left out stays, and null takes back."""

    model_config = ConfigDict(extra="allow")

    env: Values | None = None
    headers: Values | None = None

    def body(self) -> JsonObject:
        """What is said."""
        return self.model_dump(mode="json", exclude_unset=True)


class AcceptRequest(BaseModel):
    """What is accepted: with a `digest` only that very offer."""

    model_config = ConfigDict(extra="forbid")

    digest: str | None = None


class HealthView(Shape):
    """How this process stands with a server; `unused` is one that may not be used."""

    state: Literal["connecting", "ready", "down", "unused"]
    since: datetime | None = None
    error: str = ""
    protocol: str = ""
    server: str = ""
    connections: int = 0
    calls: int = 0
    failures: int = 0


class LogLineView(Shape):
    """A line of a server's last words."""

    at: datetime
    source: str
    level: str
    text: str

    @classmethod
    def of(cls, line: LogLine) -> "LogLineView":
        """Show it."""
        return cls(at=line.at, source=line.source, level=line.level, text=line.text)


class DifferenceView(Shape):
    """What a server offers now in place of what was accepted."""

    field: str
    accepted: Json
    offered: Json


class ToolPinView(Shape):
    """What was accepted of a tool; in quarantine no agent gets it until somebody accepts the `difference`."""

    tool: str
    quarantined: bool
    new: bool
    digest: str
    difference: list[DifferenceView]
    accepted_by: str
    accepted_at: datetime | None
    offered_at: datetime | None

    @classmethod
    def of(cls, pin: ToolPin) -> "ToolPinView":
        """Show it."""
        now = pin.offered or pin.accepted
        return cls(
            tool=pin.tool,
            quarantined=pin.quarantined,
            new=pin.accepted is None,
            digest=now.digest if now else "",
            difference=_difference(pin.accepted, pin.offered) if pin.offered else [],
            accepted_by=pin.accepted_by,
            accepted_at=pin.accepted_at,
            offered_at=pin.offered_at,
        )


class McpServerView(Shape):
    """An MCP server: how it is configured (secrets by reference), how it stands, and its tools."""

    name: str
    managed_by: Literal["file", "api"]
    transport: str
    config: dict[str, Any]
    health: HealthView
    tools: list[str]
    quarantined: list[str]
    problem: str
    created_by: str = ""
    created_at: datetime | None = None
    updated_at: datetime | None = None

    @classmethod
    def of(cls, shown: ShownServer) -> "McpServerView":
        """Show it."""
        kept, running = shown.kept, shown.running
        config = hidden(said(shown.config) if shown.config else kept.config if kept else {})
        specs = running.toolset.connection.specs if running else None
        return cls(
            name=shown.name,
            managed_by="api" if kept else "file",
            transport=str(config.get("transport", "stdio")),
            config=config,
            health=_health(shown),
            tools=[spec.name for spec in specs or ()],
            quarantined=[pin.tool for pin in shown.pins.values() if pin.quarantined],
            problem=shown.problem,
            created_by=kept.created_by if kept else "",
            created_at=kept.created_at if kept else None,
            updated_at=kept.updated_at if kept else None,
        )


class McpServerDetail(McpServerView):
    """A server with the state of each of its tools, and its last words."""

    pins: list[ToolPinView] = Field(default_factory=list[ToolPinView])
    log: list[LogLineView] = Field(default_factory=list[LogLineView])

    @classmethod
    def of(cls, shown: ShownServer) -> "McpServerDetail":
        """Show it."""
        lines: Sequence[LogLine] = shown.running.toolset.connection.tail.lines if shown.running else ()
        view = McpServerView.of(shown)
        return cls(
            **dict(view),
            pins=[ToolPinView.of(pin) for pin in shown.pins.values()],
            log=[LogLineView.of(line) for line in lines],
        )


class McpServerList(Shape):
    """All servers, by name."""

    data: list[McpServerView]
    next_cursor: None = None


def hidden(config: JsonObject) -> JsonObject:
    """A configuration without values that may be secret: references stay, all else in their places does not."""
    shown = dict(config)
    for place in ("env", "headers"):
        values = cast("dict[str, str]", shown.get(place) or {})
        if values:
            shown[place] = {name: _shown(value) for name, value in values.items()}
    auth: JsonObject = dict(cast("JsonObject", shown.get("auth") or {}))
    for name in _SECRET_FIELDS:
        if name in auth:
            auth[name] = _shown(str(auth[name]))
    if auth:
        shown["auth"] = auth
    if "?" in str(shown.get("url", "")):
        shown["url"] = f"{str(shown['url']).partition('?')[0]}?{HIDDEN}"
    return shown


def must_be(pin: ToolPin | None, digest: str | None) -> None:
    """Refuse to accept what is not what somebody looked at. Raises `Invalid`."""
    if digest is not None and (pin is None or pin.offered is None or pin.offered.digest != digest):
        detail = "the server offers something else by now; look again"
        raise Invalid(detail, [Problem("/digest", detail)])


def _shown(value: str) -> str:
    return value if _ONLY_A_REFERENCE.fullmatch(value) else HIDDEN


def _health(shown: ShownServer) -> HealthView:
    if shown.running is None:
        return HealthView(state="unused", error=shown.problem)
    health = shown.running.toolset.connection.health()
    return HealthView(
        state=health.state,
        since=health.since,
        error=health.error,
        protocol=health.revision,
        server=health.server,
        connections=health.connections,
        calls=health.calls,
        failures=health.failures,
    )


def _difference(accepted: OfferedTool | None, offered: OfferedTool) -> list[DifferenceView]:
    found: list[DifferenceView] = []
    for name in ("description", "input_schema", "output_schema", "hints"):
        before, now = getattr(accepted, name, None), getattr(offered, name)
        if before != now:
            found.append(DifferenceView(field=name, accepted=before, offered=now))
    return found
