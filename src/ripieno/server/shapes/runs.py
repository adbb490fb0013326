"""Runs as the API shows them."""

from collections.abc import Sequence
from datetime import datetime
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

from ripieno.domain import halts
from ripieno.domain.budgets import BudgetState
from ripieno.domain.halts import Halt
from ripieno.domain.interrupts import Interrupt, InterruptKind, Vote
from ripieno.domain.jsons import Json, JsonObject
from ripieno.domain.runs import TERMINAL, Evidence, ExitReason, Run, RunKind, RunResult, RunStatus
from ripieno.domain.usage import Usage
from ripieno.engine.core.projection import TaskDetail, TaskKind, TaskStatus
from ripieno.engine.core.projection_actions import Action
from ripieno.engine.core.projection_reading import ChatMessage, LogLine, Span, Used


class Shape(BaseModel):
    """Base of everything the API answers."""

    model_config = ConfigDict(frozen=True)


class UsageView(Shape):
    """What model calls used. `own` in a run's usage leaves out the runs below it."""

    tokens: int = 0
    input_tokens: int = 0
    output_tokens: int = 0
    cached_tokens: int = 0
    reasoning_tokens: int = 0
    cost_usd: float = 0.0
    calls: int = 0

    @classmethod
    def of(cls, usage: Usage) -> "UsageView":
        """Show it."""
        return cls(
            tokens=usage.tokens,
            input_tokens=usage.input_tokens,
            output_tokens=usage.output_tokens,
            cached_tokens=usage.cached_tokens,
            reasoning_tokens=usage.reasoning_tokens,
            cost_usd=usage.cost_usd,
            calls=usage.calls,
        )


class ErrorView(Shape):
    """Why a run failed."""

    code: str
    detail: str


class WaitingFor(Shape):
    """A person's decision that a run waits for. `run_id` is the run that asked: this one, or one below it."""

    kind: InterruptKind
    interrupt_id: str
    run_id: str
    request: JsonObject
    risk: str
    reasons: tuple[str, ...]
    expires_at: datetime | None
    assignees: tuple[str, ...]
    required_approvals: int
    votes: tuple[Vote, ...]

    @classmethod
    def of(cls, interrupt: Interrupt) -> "WaitingFor":
        """Show it."""
        return cls(
            kind=interrupt.kind,
            interrupt_id=interrupt.id,
            run_id=interrupt.run_id,
            request=interrupt.request,
            risk=interrupt.risk,
            reasons=interrupt.reasons,
            expires_at=interrupt.expires_at,
            assignees=interrupt.assignees,
            required_approvals=interrupt.terms.required,
            votes=interrupt.votes,
        )


class WaitingForHalt(Shape):
    """A halt that a run waits for: an administrator has stopped it, or the tool or model that it would call."""

    kind: Literal["halt"] = "halt"
    run_id: str
    scope: str
    reason: str
    by: str
    at: datetime

    @classmethod
    def all_of(cls, run: Run, halt: Halt | None) -> "list[WaitingForHalt]":
        """Those that the run met, and the one that it will meet."""
        waits = [*run.waits, *([halts.waiting_for(halt)] if halt and run.status not in TERMINAL else [])]
        found = {wait["scope"]: wait for wait in waits if wait.get("for") == halts.WAIT}
        return [
            cls(run_id=run.id, scope=scope, reason=wait["reason"], by=wait["by"], at=wait["at"])
            for scope, wait in found.items()
        ]


class WaitingForWorld(Shape):
    """What a run waits for without asking anybody: time, a signal about a topic, or a message."""

    kind: Literal["timer", "event", "message"]
    run_id: str
    topic: str | None = None
    until: datetime | None = None

    @classmethod
    def all_of(cls, run: Run) -> "list[WaitingForWorld]":
        """All that it waits for."""
        if run.status is not RunStatus.WAITING:
            return []
        return [
            cls(kind=wait["for"], run_id=run.id, topic=wait.get("topic"), until=wait.get("until"))
            for wait in run.waits
            if wait.get("for") in {"timer", "event", "message"}
        ]


class Links(Shape):
    """Where to go from a run."""

    self: str
    events: str
    stream: str
    tasks: str
    cancel: str
    session: str

    @classmethod
    def of(cls, run: Run) -> "Links":
        """The addresses that belong to a run."""
        here = f"/v1/runs/{run.id}"
        return cls(
            self=here,
            events=f"{here}/events",
            stream=f"{here}/stream",
            tasks=f"{here}/tasks",
            cancel=f"{here}/cancel",
            session=f"/v1/sessions/{run.session_id}",
        )


class TaskView(Shape):
    """A step of a run. `seq` is the last entry that it shows; `run_id` is the run that does a child task's work."""

    key: str
    kind: TaskKind
    name: str
    status: TaskStatus
    started_at: datetime
    ended_at: datetime | None
    ms: float | None
    summary: str
    seq: int
    run_id: str | None

    @classmethod
    def of(cls, task: TaskDetail) -> "TaskView":
        """Show it without its payloads."""
        return cls.model_construct(**_outline(task))


class TaskDetailView(TaskView):
    """A step with what went in and what came out."""

    input: Json
    output: Json

    @classmethod
    def of(cls, task: TaskDetail) -> "TaskDetailView":
        """Show it whole."""
        return cls.model_construct(**_outline(task), input=task.input, output=task.output)


def _outline(task: TaskDetail) -> JsonObject:
    return {name: getattr(task, name) for name in TaskView.model_fields}


class RunAnswer(Shape):
    """How a run stands: the answer to everything that starts or changes one.

    `target` is what it runs: the agent, which is also in `agent`, the tool that is called, or the run that is undone.
    """

    id: str
    run_id: str
    session_id: str
    kind: RunKind
    target: str
    agent: str | None
    status: RunStatus
    held: bool = Field(description="It was paused; while a call is under way, its status still says `running`.")
    exit_reason: ExitReason | None
    waiting_for: tuple[WaitingFor | WaitingForHalt | WaitingForWorld, ...]
    queued_behind: str | None = Field(description="The run of its session that must end before this one begins.")
    answer: str | None
    output: Json
    error: ErrorView | None
    links: Links

    @classmethod
    def of(cls, run: Run, waiting_for: Sequence[Interrupt] = (), halt: Halt | None = None) -> "RunAnswer":
        """Show it."""
        return cls.model_construct(**_standing(run, waiting_for, halt))


class RunSummary(RunAnswer):
    """A run in a list."""

    agent_version: str
    goal: str
    usage: UsageView
    parent_id: str | None
    root_id: str
    created_by: str
    created_at: datetime
    updated_at: datetime
    started_at: datetime | None
    ended_at: datetime | None
    lane: str
    priority: int
    dry_run: bool
    metadata: JsonObject

    @classmethod
    def of(cls, run: Run, waiting_for: Sequence[Interrupt] = (), halt: Halt | None = None) -> "RunSummary":
        """Show it; its usage is known once it has ended."""
        usage = UsageView.of(run.result.usage) if run.result else UsageView()
        return cls.model_construct(**_standing(run, waiting_for, halt), **_row(run), usage=usage)


class RunBudgetView(Shape):
    """What a run and the runs below it may spend together, have spent, and may yet use in calls under way.

    `limit` has what a person allowed on top.
    """

    limit: JsonObject
    spent: JsonObject
    reserved: JsonObject

    @classmethod
    def of(cls, state: BudgetState) -> "RunBudgetView":
        """Show it."""
        limit = (state.budget.caps + state.raised).shown()
        spent, reserved = state.spent.shown(), state.reserved.shown()
        return cls(
            limit=limit,
            spent={name: spent[name] for name in limit},
            reserved={name: reserved[name] for name in limit},
        )


class RunView(RunSummary):
    """A run with all its steps, but without their payloads. `steps` is another name of `tasks`."""

    context: JsonObject
    data: JsonObject | None
    constraints: JsonObject
    model: str | None
    deadline: datetime | None
    tasks: tuple[TaskView, ...]
    steps: tuple[TaskView, ...]
    own_usage: UsageView
    budget: RunBudgetView | None = None
    evidence: tuple[Evidence, ...]
    forked_from: str | None
    generation: int
    last_seq: int

    @classmethod
    def told(
        cls,
        run: Run,
        tasks: Sequence[TaskDetail],
        used: Used,
        waiting_for: Sequence[Interrupt] = (),
        forked_from: str | None = None,
        halt: Halt | None = None,
    ) -> "RunView":
        """Show it with what its journal tells."""
        steps = tuple(TaskView.of(task) for task in tasks)
        return cls.model_construct(
            **_standing(run, waiting_for, halt),
            **_row(run),
            usage=UsageView.of(run.result.usage if run.result else used.total),
            context=run.input.context,
            data=run.input.data,
            constraints=run.input.limits,
            model=run.input.model,
            deadline=run.deadline,
            tasks=steps,
            steps=steps,
            own_usage=UsageView.of(used.own),
            evidence=run.result.evidence if run.result else (),
            forked_from=forked_from,
            generation=run.generation,
            last_seq=run.last_seq,
        )


def output_of(result: RunResult | None) -> Json:
    """The structured answer where the agent has an output schema, else the answer's text."""
    if result is None:
        return None
    return result.value if result.value is not None else (result.answer or None)


OF_AGENTS = frozenset({RunKind.AGENT, RunKind.TEAM})


def _standing(run: Run, waiting_for: Sequence[Interrupt], halt: Halt | None) -> JsonObject:
    result = run.result
    error = result.error if result else None
    return {
        "id": run.id,
        "run_id": run.id,
        "session_id": run.session_id,
        "kind": run.kind,
        "target": run.target,
        "agent": run.target if run.kind in OF_AGENTS else None,
        "status": run.status,
        "held": run.hold,
        "exit_reason": run.exit_reason,
        "queued_behind": run.after_id,
        "waiting_for": (
            *map(WaitingFor.of, waiting_for),
            *WaitingForHalt.all_of(run, halt),
            *WaitingForWorld.all_of(run),
        ),
        "answer": result.answer if result else None,
        "output": output_of(result),
        "error": ErrorView(code=error.code, detail=error.detail) if error else None,
        "links": Links.of(run),
    }


def _row(run: Run) -> JsonObject:
    return {
        "agent_version": run.target_version,
        "goal": run.input.goal,
        "parent_id": run.parent_id,
        "root_id": run.root_id,
        "created_by": run.created_by,
        "created_at": run.created_at,
        "updated_at": run.updated_at,
        "started_at": run.started_at,
        "ended_at": run.ended_at,
        "lane": run.lane,
        "priority": run.priority,
        "dry_run": run.dry_run,
        "metadata": run.metadata,
    }


class EntryView(Shape):
    """A line of the journal as it is stored."""

    seq: int
    key: str
    type: str
    v: int
    body: JsonObject
    at: datetime
    epoch: int


class EventView(Shape):
    """A CloudEvent 1.0 about a run. `sequence` is the place in its journal."""

    specversion: str = "1.0"
    id: str
    source: str
    type: str
    subject: str
    time: datetime
    datacontenttype: str = "application/json"
    sequence: int
    data: JsonObject


class Tasks(Shape):
    """The steps of a run."""

    data: list[TaskView]


class Actions(Shape):
    """The tool calls of a run."""

    data: list[Action]


class Messages(Shape):
    """The conversation of a run."""

    data: list[ChatMessage]


class Timeline(Shape):
    """The spans of a run."""

    data: list[Span]


class Log(Shape):
    """The journal in words."""

    data: list[LogLine]


class RunPage(Shape):
    """A page of runs, newest first."""

    data: list[RunSummary]
    next_cursor: str | None = Field(default=None, description="Give it as `cursor` to get the next page.")


class EntryPage(Shape):
    """A page of journal lines, in order."""

    data: list[EntryView]
    next_cursor: str | None = None


class EventPage(Shape):
    """A page of events, in order."""

    data: list[EventView]
    next_cursor: str | None = None
