"""Settings of tools."""

from pydantic import Field

from ripieno.domain.tools import Risk
from ripieno.settings.section import Section


class EgressSettings(Section):
    """Where tools may go. A name with a leading dot means the domain and all below it; no `allow_domains` means any.

    `allow_origins` opens exact origins (`http://127.0.0.1:9000`), private addresses included.
    """

    allow_domains: tuple[str, ...] | None = None
    deny_domains: tuple[str, ...] = ()
    allow_origins: tuple[str, ...] = ()
    max_bytes: int = Field(default=5_000_000, ge=1024)


class ToolSettings(Section):
    """Limits around every tool.

    `result_bytes` is how much of a result a model sees; calls with the risk `ask_from` or more need an approval.
    """

    result_bytes: int = Field(default=64_000, ge=256)
    ask_from: Risk = Risk.HIGH
    egress: EgressSettings = EgressSettings()
