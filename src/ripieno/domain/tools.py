"""Tools: what can be called, a call, and what came of it."""

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from pathlib import Path
from typing import Annotated

from pydantic import Field

from ripieno.domain.artifacts import ArtifactRef, Blob
from ripieno.domain.effects import EffectClass
from ripieno.domain.jsons import Json, JsonObject


class Risk(StrEnum):
    """How much harm a wrong call can do, as its author declares it."""

    LOW = "low"
    MEDIUM = "medium"
    HIGH = "high"


@dataclass(frozen=True, slots=True)
class Compensation:
    """The call that undoes a call: a tool, and its arguments by what the first call was given and brought.

    In `arguments`, `${{ arguments.NAME }}`, `${{ result.NAME }}` and `${{ key }}` stand for parts of the first call;
    `key` is its idempotency key. None: the same arguments.
    """

    tool: str
    arguments: JsonObject | None = None


@dataclass(frozen=True, slots=True)
class Reconciliation:
    """The call, of a tool that only reads, which tells whether a call of which nobody knows has happened.

    Its arguments are made as those of a `Compensation`, without `result`. `happened` and `result` are the members of
    its answer that say so and that hold what the first call would have answered.
    """

    tool: str
    arguments: JsonObject | None = None
    happened: str = "happened"
    result: str = "result"


@dataclass(frozen=True, slots=True)
class ToolSpec:
    """A tool as agents, people and the gate see it.

    `name` is `toolset.tool`; on the wire to models the dot becomes two underscores. `timeout` is in seconds.
    `keywords` are words by which a goal may mean this tool; they help matching and are not sent to models.
    """

    name: str
    description: str
    input_schema: JsonObject
    output_schema: JsonObject | None = None
    effect: EffectClass = EffectClass.IRREVERSIBLE
    risk: Risk = Risk.LOW
    source: str = "python"
    timeout: float = 60.0
    keywords: tuple[str, ...] = ()
    compensate: Compensation | None = None
    reconcile: Reconciliation | None = None

    @property
    def wire_name(self) -> str:
        """The name in the alphabet that model providers accept."""
        return self.name.replace(".", "__")


@dataclass(frozen=True, slots=True)
class ToolCall:
    """A model's wish to call a tool. `malformed` holds the raw text where the arguments were no JSON object."""

    id: str
    name: str
    arguments: JsonObject = field(default_factory=dict[str, Json])
    malformed: str | None = None


class ToolStatus(StrEnum):
    """How a call ended. Everything but `OK` is told to the model as an error; the run goes on.

    `OVER_BUDGET` was not made, because a budget is spent, and ends the run. After `TIMEOUT` and `LOST` nobody knows
    whether the call took effect. `INPUT_REQUIRED` did not do its work: `data` holds what a person must be asked before
    it is called again. `RATE_LIMITED` was not made, as too many others were: `data` holds `retry_after`, in seconds.
    """

    OK = "ok"
    ERROR = "error"
    INVALID_ARGUMENTS = "invalid_arguments"
    INVALID_RESULT = "invalid_result"
    UNKNOWN_TOOL = "unknown_tool"
    TIMEOUT = "timeout"
    LOST = "lost"
    UNAVAILABLE = "unavailable"
    DENIED = "denied"
    NOT_SENT = "not_sent"
    OVER_BUDGET = "over_budget"
    INPUT_REQUIRED = "input_required"
    RATE_LIMITED = "rate_limited"


UNMADE = frozenset({ToolStatus.NOT_SENT, ToolStatus.RATE_LIMITED})
"""Outcomes of calls that never left."""

UNSEEN = frozenset({ToolStatus.TIMEOUT, ToolStatus.LOST})
"""Outcomes after which the effect of a call is unknown."""


@dataclass(frozen=True, slots=True)
class ToolResult:
    """The outcome of one call.

    `text` is what a model reads. `data` is the structured value, where the tool has one. `total_bytes` is the
    size before trimming, and `truncated` says that `text` is only a part. `hint` tells a person or a model what
    to do about an error ("apt-get install traceroute"). `content` are files that came with it: a ring keeps them, and
    what is kept is among `artifacts`; no journal ever has their bytes.
    """

    status: ToolStatus
    text: str
    data: Json = None
    hint: str | None = None
    truncated: bool = False
    total_bytes: int = 0
    artifacts: Annotated[tuple[ArtifactRef, ...], Field(exclude_if=lambda some: not some)] = ()
    content: Annotated[tuple[Blob, ...], Field(exclude=True)] = field(default=(), repr=False)

    @property
    def ok(self) -> bool:
        """Whether the tool did what it was asked."""
        return self.status is ToolStatus.OK


def _always() -> bool:
    return True


@dataclass(frozen=True, slots=True)
class ToolContext:
    """On whose behalf a tool is listed or called.

    `key` is the call's place in the run, `idempotency_key` is the same for every attempt of it; `attempt` counts
    from 1. `workspace` is the only folder that file tools may touch; the runs of one team share it. `may_begin` is
    asked right before anything leaves: where it says no, the call is not made and its result is `NOT_SENT`. `answers`
    are what people said to the questions of earlier attempts, by the digest of the question.
    """

    tenant: str
    workspace: Path
    run_id: str = ""
    agent: str = ""
    key: str = ""
    idempotency_key: str = ""
    attempt: int = 1
    dry_run: bool = False
    deadline: datetime | None = None
    may_begin: Callable[[], bool] = _always
    answers: JsonObject = field(default_factory=dict[str, Json])
