"""What the gate is asked, and what it says."""

from dataclasses import dataclass
from enum import StrEnum

from ripieno.domain.jsons import JsonObject
from ripieno.domain.tools import ToolSpec


class Ruling(StrEnum):
    """Let it pass, refuse it, or ask a person."""

    ALLOW = "allow"
    DENY = "deny"
    ASK = "ask"


@dataclass(frozen=True, slots=True)
class Action:
    """A tool call about to happen. `approvals` are the agent's own patterns of tools that a person must approve."""

    tenant: str
    agent: str
    tool: ToolSpec
    arguments: JsonObject
    approvals: tuple[str, ...] = ()
    requested_by: str = ""


@dataclass(frozen=True, slots=True)
class Verdict:
    """A ruling with its reasons. `policy_version` names the rules that ruled: an approval under others is none."""

    ruling: Ruling
    reasons: tuple[str, ...] = ()
    rule_ids: tuple[str, ...] = ()
    risk: str = "low"
    policy_version: str = ""
