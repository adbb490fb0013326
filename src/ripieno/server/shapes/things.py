"""Interrupts, agents, tools, sessions and health as the API shows them."""

from collections.abc import Sequence
from datetime import datetime
from typing import Literal

from ripieno.domain.agents import AgentDefinition, AgentLimits, AgentMemory, DefinitionProblem, Mode, Pattern
from ripieno.domain.approvals import ApprovalEntry
from ripieno.domain.interrupts import Decision, Interrupt, InterruptKind, InterruptStatus, OnExpiry, Vote
from ripieno.domain.jsons import Json, JsonObject
from ripieno.domain.runs import RunStatus
from ripieno.domain.schedules import ScheduleSpec
from ripieno.domain.tools import ToolResult, ToolStatus
from ripieno.domain.workers import WorkerLoad
from ripieno.server.shapes.runs import RunAnswer, RunSummary, Shape, TaskView, UsageView


class InterruptView(Shape):
    """A question to people: how it may be decided, who approved so far, and its decision.

    `assignees` may decide it, nobody named means everybody. `required_approvals` is how many must approve.
    """

    id: str
    run_id: str
    key: str
    kind: InterruptKind
    status: InterruptStatus
    request: JsonObject
    risk: str
    reasons: tuple[str, ...]
    requested_by: str
    created_at: datetime
    expires_at: datetime | None
    on_expiry: OnExpiry
    assignees: tuple[str, ...]
    escalate_to: tuple[str, ...]
    escalated_at: datetime | None
    required_approvals: int
    exclude_requester: bool
    votes: tuple[Vote, ...]
    decisions: tuple[Decision, ...]

    @classmethod
    def of(cls, interrupt: Interrupt) -> "InterruptView":
        """Show it."""
        terms = interrupt.terms
        agreed: JsonObject = {
            "required_approvals": terms.required,
            "exclude_requester": terms.exclude_requester,
            "on_expiry": terms.on_expiry,
            "escalate_to": terms.escalate_to,
        }
        own: JsonObject = {name: getattr(interrupt, name) for name in cls.model_fields if name not in agreed}
        return cls.model_construct(**own, **agreed)


class InterruptPage(Shape):
    """A page of interrupts, newest first."""

    data: list[InterruptView]
    next_cursor: str | None = None


class RunDecided(RunAnswer):
    """A run after a decision, and the decision."""

    interrupt: InterruptView


class AgentView(Shape):
    """An agent or team."""

    name: str
    version: str
    description: str
    role: str
    mode: Mode
    pattern: Pattern | None
    model: str | None
    tools: tuple[str, ...]
    approvals: tuple[ApprovalEntry, ...]
    capabilities: tuple[str, ...]
    members: tuple[str, ...]
    tags: tuple[str, ...]
    limits: AgentLimits
    managed_by: Literal["file"] = "file"

    @classmethod
    def of(cls, agent: AgentDefinition) -> "AgentView":
        """Show it."""
        return cls.model_construct(**_same(cls, agent), managed_by="file")


class AgentDetail(AgentView):
    """An agent with everything its definition says."""

    instructions: str
    temperature: float | None
    max_tokens: int | None
    output_schema: JsonObject | None
    max_reworks: int
    examples: tuple[str, ...]
    metadata: JsonObject
    memory: AgentMemory
    schedule: ScheduleSpec | None

    @classmethod
    def of(cls, agent: AgentDefinition) -> "AgentDetail":
        """Show it."""
        return cls.model_construct(**_same(cls, agent), managed_by="file")


def _same(kind: type[Shape], agent: AgentDefinition) -> JsonObject:
    return {name: getattr(agent, name) for name in kind.model_fields if name != "managed_by"}


class AgentList(Shape):
    """The agents, by name, and the definition files that could not be used."""

    data: list[AgentView]
    next_cursor: str | None = None
    problems: Sequence[DefinitionProblem]


class ToolAnswer(Shape):
    """What came of a tool call. `result` is the structured value where the tool has one, else the text."""

    tool: str
    ok: bool
    status: ToolStatus
    text: str
    data: Json
    result: Json
    hint: str | None
    truncated: bool
    total_bytes: int
    run_id: str | None

    @classmethod
    def of(cls, tool: str, result: ToolResult, run_id: str | None = None) -> "ToolAnswer":
        """Show it."""
        return cls.model_construct(
            tool=tool,
            ok=result.ok,
            status=result.status,
            text=result.text,
            data=result.data,
            result=result.data if result.data is not None else result.text,
            hint=result.hint,
            truncated=result.truncated,
            total_bytes=result.total_bytes,
            run_id=run_id,
        )


class SessionTask(TaskView):
    """A step of one of a session's runs."""

    of_run: str


class SessionSummary(Shape):
    """A session in figures. `last_answer` is that of its newest completed run."""

    runs: int
    by_status: dict[RunStatus, int]
    usage: UsageView
    last_answer: str | None


class SessionView(Shape):
    """A session with its newest runs and their steps."""

    id: str
    session_id: str
    created_by: str
    created_at: datetime
    updated_at: datetime
    runs: list[RunSummary]
    tasks: list[SessionTask]
    summary: SessionSummary


class Orchestrated(RunAnswer):
    """The run that was started for a goal. `status` is `started` while it is queued or works."""

    status: str  # pyright: ignore[reportIncompatibleVariableOverride] - `started` is this door's own word
    sessionId: str  # noqa: N815 - the name that older clients read


class Part(Shape):
    """How one part of the server is."""

    status: Literal["healthy", "degraded", "unhealthy"]
    detail: str = ""


class AgentsPart(Part):
    """How the agents are."""

    count: int


class QueuePart(Part):
    """How full the queue is, and whether somebody works on it."""

    queued: int
    running: int
    parked: int


class WorkerView(Shape):
    """How much a worker has to do. `load` is 1 when all its slots are taken; a draining one takes no more runs."""

    id: str
    slots: int
    busy: int
    load: float
    draining: bool

    @classmethod
    def of(cls, worker: WorkerLoad) -> "WorkerView":
        """Show it."""
        load = round(worker.busy / worker.slots, 3) if worker.slots else 0.0
        return cls(id=worker.worker_id, slots=worker.slots, busy=worker.busy, load=load, draining=worker.draining)


class HealthView(Shape):
    """How the server is."""

    status: Literal["healthy", "degraded", "unhealthy"]
    version: str
    agents: AgentsPart
    database: Part
    llm: Part
    queue: QueuePart
    workers: list[WorkerView]


class AliveView(Shape):
    """The process answers."""

    status: Literal["healthy"] = "healthy"
    version: str
