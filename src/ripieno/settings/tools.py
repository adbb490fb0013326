"""Settings of tools."""

from pathlib import Path
from typing import Literal

from pydantic import Field

from ripieno.domain.tools import Risk
from ripieno.settings.section import Section


class EgressRule(Section):
    """Who may go where; see `EgressSettings`."""

    name: str
    action: Literal["allow", "deny"]
    domains: tuple[str, ...] = ("*",)
    tools: tuple[str, ...] = ("*",)
    tenants: tuple[str, ...] = ("*",)
    ports: frozenset[int] = frozenset()
    methods: frozenset[str] = frozenset()


class EgressSettings(Section):
    """Where tools may go. A name with a leading dot means the domain and all below it; no `allow_domains` means any.

    `allow_origins` opens exact origins (`http://127.0.0.1:9000`), private addresses included. `rules` go before these
    lists: the first that fits a request by `domains`, `tools` and `tenants` (both with `*`), `ports` and `methods`
    decides. What is denied is an event `egress.decided`; with `record_allowed` everything is.
    """

    allow_domains: tuple[str, ...] | None = None
    deny_domains: tuple[str, ...] = ()
    allow_origins: tuple[str, ...] = ()
    max_bytes: int = Field(default=5_000_000, ge=1024)
    rules: tuple[EgressRule, ...] = ()
    record_allowed: bool = False


class SandboxSettings(Section):
    """How code that nobody trusts is run. `driver` is `auto`, `bubblewrap` or `off`.

    All limits are for one call with everything it starts. `memory`, `disk` (the work folder) and `output` are bytes.
    `cgroup` is a control group of version 2 that was delegated to the server. `network` lets code reach, through a
    proxy, what `tools.egress` allows; then its calls count as irreversible and of high risk.
    """

    driver: Literal["auto", "bubblewrap", "off"] = "auto"
    network: bool = False
    memory: int = Field(default=256 << 20, ge=32 << 20)
    cpu_seconds: int = Field(default=30, ge=1)
    seconds: float = Field(default=30.0, gt=0)
    processes: int = Field(default=64, ge=1)
    output: int = Field(default=1_000_000, ge=1024)
    disk: int = Field(default=64 << 20, ge=1 << 20)
    open_files: int = Field(default=256, ge=32)
    cgroup: Path | None = None


class McpSettings(Section):
    """MCP servers.

    `new_tools` is what becomes of tools that a known server did not offer before. `stdio_over_api` lets administrators
    add servers over the API that are programs of this machine: whoever may do that may run anything here.
    """

    new_tools: Literal["allow", "quarantine"] = "allow"
    stdio_over_api: bool = False


class ToolSettings(Section):
    """Limits around every tool.

    `result_bytes` is how much of a result a model sees; calls with the risk `ask_from` or more need an approval.
    A model is shown at most `max_offered` tools, which cost about `max_offered_tokens` tokens in all; an agent that has
    more finds the others by `tool_search`.
    """

    result_bytes: int = Field(default=64_000, ge=256)
    ask_from: Risk = Risk.HIGH
    max_offered: int = Field(default=128, ge=8)
    max_offered_tokens: int = Field(default=40_000, ge=1000)
    egress: EgressSettings = EgressSettings()
    sandbox: SandboxSettings = SandboxSettings()
    mcp: McpSettings = McpSettings()
