"""A run's journal as people read it: its entries folded into tasks.

A task is a step of the run: a model's turn, a tool call, a child run, a question to a person, a plan, a review. Its key
is the key of the command that it shows, so a task keeps its identity while entries come in.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from enum import StrEnum

from ripieno.domain.entries import ENDINGS, Entry, EntryType
from ripieno.domain.interrupts import DecisionKind
from ripieno.domain.jsons import Json
from ripieno.domain.runs import RunStatus
from ripieno.domain.tools import ToolStatus

SUMMARY_CHARS = 200


class TaskKind(StrEnum):
    """What a task is; the kinds of interrupts are among them."""

    MODEL = "model"
    TOOL = "tool"
    CHILD = "child"
    HANDOFF = "handoff"
    WAIT = "wait"
    PLAN = "plan"
    REVIEW = "review"
    APPROVAL = "approval"
    QUESTION = "question"
    BUDGET = "budget"
    UNKNOWN_EFFECT = "unknown_effect"


class TaskStatus(StrEnum):
    """Where a task stands. `UNKNOWN`: it had begun when the run ended, and nobody saw how it went on."""

    RUNNING = "running"
    WAITING = "waiting"
    COMPLETED = "completed"
    FAILED = "failed"
    DENIED = "denied"
    CANCELLED = "cancelled"
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True, kw_only=True)
class Task:
    """A step of a run. `seq` is the last entry that it shows, `run_id` the run that did the work of a child task."""

    key: str
    kind: TaskKind
    name: str
    status: TaskStatus
    started_at: datetime
    ended_at: datetime | None = None
    ms: float | None = None
    summary: str = ""
    seq: int
    run_id: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class TaskDetail(Task):
    """A task with what went in and what came out."""

    input: Json = None
    output: Json = None


def tasks(entries: Iterable[Entry]) -> list[TaskDetail]:
    """Fold a run's entries, in order, into its tasks, in the order in which they began."""
    found: dict[str, TaskDetail] = {}
    for entry in entries:
        if fold := _FOLDS.get(entry.type):
            task = fold(found, entry)
            found[task.key] = task
        elif entry.type in ENDINGS:
            found = {key: _left(task, entry) for key, task in found.items()}
    return list(found.values())


class Follower:
    """Takes a run's entries one by one and says which task each is about. Remembers only what is still open."""

    def __init__(self) -> None:
        self._openings: dict[str, Entry] = {}

    def see(self, entry: Entry) -> TaskDetail | None:
        """The task as it is after this entry; None for entries about the run itself."""
        closed = next((entry.key.removesuffix(end) for end in _CLOSINGS if entry.key.endswith(end)), entry.key)
        opening = self._openings.pop(closed, None)
        if entry.type in _OPENINGS:
            self._openings[entry.key] = entry
        found = tasks([opening, entry] if opening else [entry])
        return found[0] if found else None


_CLOSINGS = ("/decision", "/withdrawn", "/end")
_OPENINGS = frozenset({EntryType.INTERRUPT_OPENED, EntryType.CHILD_STARTED, EntryType.WAIT_BEGAN})


def brief(text: str) -> str:
    """The first words of a text, on one line."""
    line = " ".join(text[: 2 * SUMMARY_CHARS].split())
    return line if len(line) <= SUMMARY_CHARS and len(text) <= 2 * SUMMARY_CHARS else f"{line[: SUMMARY_CHARS - 1]}…"


# -- one fold for each type of entry ---------------------------------------------------------------------------------

_Found = dict[str, TaskDetail]


def _replied(_: _Found, entry: Entry) -> TaskDetail:
    reply = entry.body["reply"]
    wishes = ", ".join(call["name"] for call in reply["tool_calls"])
    return TaskDetail(
        key=entry.key,
        kind=TaskKind.MODEL,
        name=reply["model"],
        status=TaskStatus.COMPLETED,
        started_at=_before(entry, entry.body["ms"]),
        ended_at=entry.at,
        ms=entry.body["ms"],
        summary=f"calls {wishes}" if wishes else brief(reply["text"]),
        seq=entry.seq,
        output=reply,
    )


def _model_failed(_: _Found, entry: Entry) -> TaskDetail:
    return TaskDetail(
        key=entry.key,
        kind=TaskKind.MODEL,
        name="",
        status=TaskStatus.FAILED,
        started_at=entry.at,
        ended_at=entry.at,
        summary=f"{entry.body['code']}: {brief(entry.body['detail'])}",
        seq=entry.seq,
        output=entry.body,
    )


def _intended(found: _Found, entry: Entry) -> TaskDetail:
    key = entry.key.rpartition("/intent/")[0]
    before = found.get(key)
    return TaskDetail(
        key=key,
        kind=TaskKind.TOOL,
        name=entry.body["tool"],
        status=TaskStatus.RUNNING,
        started_at=before.started_at if before else entry.at,
        summary=f"attempt {entry.body['attempt']}" if entry.body["attempt"] > 1 else "",
        seq=entry.seq,
        input=entry.body["arguments"],
    )


def _returned(found: _Found, entry: Entry) -> TaskDetail:
    call, result, ms = entry.body["call"], entry.body["result"], entry.body["ms"]
    before = found.get(entry.key)
    return TaskDetail(
        key=entry.key,
        kind=TaskKind.TOOL,
        name=call["name"],
        status=_TOOL_STATUS.get(result["status"], TaskStatus.FAILED),
        started_at=before.started_at if before else _before(entry, ms),
        ended_at=entry.at,
        ms=ms,
        summary=brief(result["text"]),
        seq=entry.seq,
        input=call["arguments"],
        output=result,
    )


_TOOL_STATUS = {ToolStatus.OK.value: TaskStatus.COMPLETED, ToolStatus.DENIED.value: TaskStatus.DENIED}


def _opened(_: _Found, entry: Entry) -> TaskDetail:
    body = entry.body
    return TaskDetail(
        key=entry.key,
        kind=TaskKind(body["kind"]),
        name=body["request"].get("tool", body["kind"]),
        status=TaskStatus.WAITING,
        started_at=entry.at,
        summary=brief("; ".join(body["reasons"])),
        seq=entry.seq,
        input=body,
    )


def _decided(found: _Found, entry: Entry) -> TaskDetail:
    asked = found[entry.key.removesuffix("/decision")]
    decision = entry.body["decision"]
    reason = f": {decision['reason']}" if decision.get("reason") else ""
    return replace(
        asked,
        status=TaskStatus.DENIED if decision["kind"] == DecisionKind.DENY else TaskStatus.COMPLETED,
        ended_at=entry.at,
        ms=_between(asked.started_at, entry.at),
        summary=f"{decision['kind']} by {decision['decided_by']}{brief(reason)}",
        seq=entry.seq,
        output=decision,
    )


def _withdrawn(found: _Found, entry: Entry) -> TaskDetail:
    asked = found[entry.key.removesuffix("/withdrawn")]
    ms = _between(asked.started_at, entry.at)
    summary = "taken back: it need not be decided any more"
    return replace(asked, status=TaskStatus.CANCELLED, ended_at=entry.at, ms=ms, summary=summary, seq=entry.seq)


def _child_started(_: _Found, entry: Entry) -> TaskDetail:
    return TaskDetail(
        key=entry.key,
        kind=TaskKind.HANDOFF if entry.body.get("handoff") else TaskKind.CHILD,
        name=entry.body["agent"],
        status=TaskStatus.RUNNING,
        started_at=entry.at,
        summary=brief(entry.body["goal"]),
        seq=entry.seq,
        run_id=entry.body["run_id"],
        input={"goal": entry.body["goal"], "purpose": entry.body["purpose"]},
    )


def _child_ended(found: _Found, entry: Entry) -> TaskDetail:
    started = found[entry.key.removesuffix("/end")]
    result = entry.body["result"]
    error = result.get("error")
    return replace(
        started,
        status=_CHILD_STATUS[result["status"]],
        ended_at=entry.at,
        ms=_between(started.started_at, entry.at),
        summary=f"{error['code']}: {brief(error['detail'])}" if error else brief(result["answer"]),
        seq=entry.seq,
        output=result,
    )


_CHILD_STATUS: dict[str, TaskStatus] = {
    RunStatus.COMPLETED.value: TaskStatus.COMPLETED,
    RunStatus.FAILED.value: TaskStatus.FAILED,
    RunStatus.CANCELLED.value: TaskStatus.CANCELLED,
}


def _wait_began(_: _Found, entry: Entry) -> TaskDetail:
    body = entry.body
    until = f"until {body['until']}" if body["until"] else ""
    return TaskDetail(
        key=entry.key,
        kind=TaskKind.WAIT,
        name=body.get("topic", body["for"]),
        status=TaskStatus.WAITING,
        started_at=entry.at,
        summary=until,
        seq=entry.seq,
        input=body,
    )


def _wait_ended(found: _Found, entry: Entry) -> TaskDetail:
    began = found[entry.key.removesuffix("/end")]
    return replace(
        began,
        status=TaskStatus.COMPLETED,
        ended_at=entry.at,
        ms=_between(began.started_at, entry.at),
        summary=f"{entry.body['came'] or 'nothing'} came",
        seq=entry.seq,
        output=entry.body,
    )


def _planned(_: _Found, entry: Entry) -> TaskDetail:
    plan = entry.body["plan"]
    steps = ", ".join(f"{step['id']} ({step['agent']})" for step in plan["steps"])
    return _noted(entry, TaskKind.PLAN, "plan", brief(steps), plan)


def _reviewed(_: _Found, entry: Entry) -> TaskDetail:
    review = entry.body["review"]
    issues = f": {'; '.join(review['issues'])}" if review["issues"] else ""
    return _noted(entry, TaskKind.REVIEW, f"review {entry.body['round']}", brief(review["verdict"] + issues), review)


def _noted(entry: Entry, kind: TaskKind, name: str, summary: str, output: Json) -> TaskDetail:
    return TaskDetail(
        key=entry.key,
        kind=kind,
        name=name,
        status=TaskStatus.COMPLETED,
        started_at=entry.at,
        ended_at=entry.at,
        ms=0.0,
        summary=summary,
        seq=entry.seq,
        output=output,
    )


_FOLDS: dict[EntryType, Callable[[_Found, Entry], TaskDetail]] = {
    EntryType.MODEL_REPLIED: _replied,
    EntryType.MODEL_FAILED: _model_failed,
    EntryType.EFFECT_INTENDED: _intended,
    EntryType.TOOL_RETURNED: _returned,
    EntryType.INTERRUPT_OPENED: _opened,
    EntryType.INTERRUPT_DECIDED: _decided,
    EntryType.INTERRUPT_WITHDRAWN: _withdrawn,
    EntryType.CHILD_STARTED: _child_started,
    EntryType.CHILD_ENDED: _child_ended,
    EntryType.WAIT_BEGAN: _wait_began,
    EntryType.WAIT_ENDED: _wait_ended,
    EntryType.TEAM_PLANNED: _planned,
    EntryType.TEAM_REVIEWED: _reviewed,
}


def _left(task: TaskDetail, ending: Entry) -> TaskDetail:
    """What becomes of a task that was open when its run ended."""
    if task.ended_at is not None:
        return task
    status = TaskStatus.UNKNOWN if task.kind is TaskKind.TOOL else TaskStatus.CANCELLED
    return replace(task, status=status, ended_at=ending.at, ms=_between(task.started_at, ending.at))


def _before(entry: Entry, ms: float) -> datetime:
    return entry.at - timedelta(milliseconds=ms)


def _between(start: datetime, end: datetime) -> float:
    return round((end - start).total_seconds() * 1000, 3)
