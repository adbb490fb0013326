"""Runs: one execution of an agent or team, how it stands and how it ended."""

from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Annotated

from pydantic import Field

from ripieno.domain.artifacts import ArtifactRef
from ripieno.domain.budgets import OnExceeded, RunBudget
from ripieno.domain.jsons import Json, JsonObject
from ripieno.domain.usage import NOTHING_USED, Usage


class RunStatus(StrEnum):
    """Where a run stands. The transitions are the table in `engine.core.machine`."""

    QUEUED = "queued"
    RUNNING = "running"
    AWAITING_APPROVAL = "awaiting_approval"
    AWAITING_INPUT = "awaiting_input"
    WAITING = "waiting"
    PAUSED = "paused"
    COMPLETED = "completed"
    FAILED = "failed"
    CANCELLED = "cancelled"


TERMINAL = frozenset({RunStatus.COMPLETED, RunStatus.FAILED, RunStatus.CANCELLED})
ALIVE = tuple(status for status in RunStatus if status not in TERMINAL)
PARKED = frozenset({RunStatus.AWAITING_APPROVAL, RunStatus.AWAITING_INPUT, RunStatus.WAITING, RunStatus.PAUSED})


class ExitReason(StrEnum):
    """Why a run ended."""

    COMPLETED = "completed"
    MAX_TURNS = "max_turns"
    BUDGET_EXCEEDED = "budget_exceeded"
    DEADLINE = "deadline"
    POLICY_DENIED = "policy_denied"
    TOOL_ERROR = "tool_error"
    MODEL_ERROR = "model_error"
    INVALID_OUTPUT = "invalid_output"
    LOOP_DETECTED = "loop_detected"
    OPERATOR = "operator"
    DEFECT = "defect"


class RunKind(StrEnum):
    """What a run executes: an agent, a team, one tool call, or the undoing of what another run did."""

    AGENT = "agent"
    TEAM = "team"
    TOOL = "tool"
    ROLLBACK = "rollback"


class Lane(StrEnum):
    """How urgent a run is, in the order in which lanes are served."""

    INTERACTIVE = "interactive"
    DEFAULT = "default"
    BATCH = "batch"


class Multitask(StrEnum):
    """What becomes of a new run of a session in which another has not ended yet."""

    ENQUEUE = "enqueue"
    """It begins when those before it have ended."""
    REJECT = "reject"
    """It is refused."""
    INTERRUPT = "interrupt"
    """Those before it are cancelled; the session remembers what they were asked and had done."""
    ROLLBACK = "rollback"
    """Those before it are cancelled, and left out of the session's history."""


@dataclass(frozen=True, slots=True)
class Limits:
    """What a run may use. `seconds` is wall time, waiting for people not counted by the loop but by the deadline.

    `on_exceeded` is about usd, tokens and effects: the run stops, or asks a person for more.
    """

    max_turns: int = 20
    seconds: float = 600.0
    usd: float | None = None
    tokens: int | None = None
    effects: int | None = None
    on_exceeded: OnExceeded = OnExceeded.STOP


@dataclass(frozen=True, slots=True)
class RunInput:
    """What a run is asked.

    `data` is structured material, `purpose` what the work is for (see `ModelRequest`); `output_schema` is the form of
    the answer, in place of the agent's own. `above` are the budgets of the runs above it, on which it draws too.
    `attachments` are files that are shown with the goal.
    """

    goal: str
    data: JsonObject | None = None
    purpose: str = "act"
    context: JsonObject = field(default_factory=dict[str, Json])
    model: str | None = None
    limits: JsonObject = field(default_factory=dict[str, Json])
    output_schema: JsonObject | None = None
    above: tuple[RunBudget, ...] = ()
    attachments: Annotated[tuple[ArtifactRef, ...], Field(exclude_if=lambda some: not some)] = ()


@dataclass(frozen=True, slots=True)
class NewRun:
    """A run as its starter describes it. `parent_key` is the command of the parent that this run answers.

    Without `multitask` it runs beside whatever its session does.
    """

    id: str
    tenant: str
    kind: RunKind
    target: str
    target_version: str
    session_id: str
    input: RunInput
    created_by: str
    root_id: str = ""
    parent_id: str | None = None
    parent_key: str | None = None
    lane: str = "default"
    priority: int = 0
    deadline: datetime | None = None
    dry_run: bool = False
    metadata: JsonObject = field(default_factory=dict[str, Json])
    multitask: Multitask | None = None


@dataclass(frozen=True, slots=True)
class Evidence:
    """One tool result that a claim can cite by `id`. `excerpt` is at most 2,000 characters."""

    id: str
    tool: str
    arguments: JsonObject
    excerpt: str
    ok: bool = True


@dataclass(frozen=True, slots=True)
class RunError:
    """Why a run failed: a stable code and a sentence."""

    code: str
    detail: str


@dataclass(frozen=True, slots=True)
class RunResult:
    """How a run ended and what it found.

    `value` is the structured answer, where the agent has an output schema. `effects` counts the calls that could change
    the world, `busy_ms` the working time: both as the run's limits count them.
    """

    status: RunStatus
    exit_reason: ExitReason
    answer: str = ""
    value: Json = None
    evidence: tuple[Evidence, ...] = ()
    usage: Usage = NOTHING_USED
    error: RunError | None = None
    effects: int = 0
    busy_ms: float = 0.0


OVERDUE = RunResult(RunStatus.FAILED, ExitReason.DEADLINE, error=RunError("deadline", "the run's deadline has passed"))
"""What becomes of a run whose deadline has passed."""


@dataclass(frozen=True, slots=True)
class Run:
    """A run as its row says."""

    id: str
    tenant: str
    kind: RunKind
    target: str
    target_version: str
    session_id: str
    root_id: str
    parent_id: str | None
    parent_key: str | None
    status: RunStatus
    exit_reason: ExitReason | None
    input: RunInput
    result: RunResult | None
    created_by: str
    created_at: datetime
    updated_at: datetime
    started_at: datetime | None
    ended_at: datetime | None
    deadline: datetime | None
    epoch: int
    last_seq: int
    inbox_seq: int
    generation: int
    hold: bool
    cancel_at: datetime | None
    waits: tuple[JsonObject, ...]
    wake_at: datetime | None
    lane: str
    priority: int
    dry_run: bool
    metadata: JsonObject
    deaths: int
    """How many workers died in a row on it without a step forward."""
    after_id: str | None
    """The run of its session that must end before it begins."""


def queued(new: NewRun, now: datetime) -> Run:
    """The row of a run that was just started."""
    return Run(
        id=new.id,
        tenant=new.tenant,
        kind=new.kind,
        target=new.target,
        target_version=new.target_version,
        session_id=new.session_id,
        root_id=new.root_id or new.id,
        parent_id=new.parent_id,
        parent_key=new.parent_key,
        status=RunStatus.QUEUED,
        exit_reason=None,
        input=new.input,
        result=None,
        created_by=new.created_by,
        created_at=now,
        updated_at=now,
        started_at=None,
        ended_at=None,
        deadline=new.deadline,
        epoch=0,
        last_seq=0,
        inbox_seq=0,
        generation=1,
        hold=False,
        cancel_at=None,
        waits=(),
        wake_at=None,
        lane=new.lane,
        priority=new.priority,
        dry_run=new.dry_run,
        metadata=new.metadata,
        deaths=0,
        after_id=None,
    )
