"""A run's journal as a conversation, as spans of time, as lines of a log, and as what it used."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Literal

from ripieno.domain.entries import ENDINGS, Entry, EntryType
from ripieno.domain.jsons import Json, JsonObject, decode
from ripieno.domain.usage import NOTHING_USED, Usage
from ripieno.engine.core.projection import Follower, Task, TaskStatus, brief, tasks


@dataclass(frozen=True, slots=True, kw_only=True)
class ChatMessage:
    """One line of the conversation. `data` is structured material that came with it."""

    seq: int
    at: datetime
    role: Literal["user", "assistant", "tool"]
    text: str
    data: Json = None
    tool_calls: tuple[JsonObject, ...] = ()
    call_id: str | None = None
    name: str | None = None
    evidence_id: str | None = None
    is_error: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Span:
    """A stretch of time, without payload. `parent` is the key of the span around it, None for the run itself."""

    key: str
    parent: str | None
    kind: str
    name: str
    status: str
    started_at: datetime
    ended_at: datetime | None
    ms: float | None
    run_id: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class LogLine:
    """An entry in words."""

    seq: int
    at: datetime
    level: Literal["info", "warning", "error"]
    message: str


@dataclass(frozen=True, slots=True)
class Used:
    """What a run's own model calls used, and what it used with all runs below it that have ended."""

    own: Usage
    total: Usage


def messages(entries: Iterable[Entry]) -> list[ChatMessage]:
    """The conversation of this run alone: the goal, what the model said, what tools answered."""
    return [message for entry in entries if (message := _message(entry))]


def _message(entry: Entry) -> ChatMessage | None:
    body = entry.body
    match entry.type:
        case EntryType.RUN_STARTED:
            return ChatMessage(seq=entry.seq, at=entry.at, role="user", text=body["goal"], data=body["data"])
        case EntryType.MODEL_REPLIED:
            reply = body["reply"]
            return ChatMessage(
                seq=entry.seq,
                at=entry.at,
                role="assistant",
                text=reply["text"],
                tool_calls=tuple(reply["tool_calls"]),
                name=reply["model"],
            )
        case EntryType.TOOL_RETURNED:
            call, result = body["call"], body["result"]
            return ChatMessage(
                seq=entry.seq,
                at=entry.at,
                role="tool",
                text=result["text"],
                data=result["data"],
                call_id=call["id"],
                name=call["name"],
                evidence_id=body["evidence_id"],
                is_error=result["status"] != "ok",
            )
        case _:
            return None


def timeline(entries: Sequence[Entry]) -> list[Span]:
    """The run and its tasks as spans: a tool call lies in its turn, a question in the call that it is about."""
    if not entries:
        return []
    first, last = entries[0], entries[-1]
    ended = last.at if last.type in ENDINGS else None
    status = last.type.value.removeprefix("run.") if ended else "running"
    ms = round((ended - first.at).total_seconds() * 1000, 3) if ended else None
    root = Span(
        key="run",
        parent=None,
        kind="run",
        name=next((entry.body["definition"]["name"] for entry in entries if entry.type is EntryType.RUN_STARTED), ""),
        status=status,
        started_at=first.at,
        ended_at=ended,
        ms=ms,
        run_id=first.run_id,
    )
    found = tasks(entries)
    keys = {task.key for task in found}
    return [root, *(_span(task, keys) for task in found)]


def _span(task: Task, keys: set[str]) -> Span:
    return Span(
        key=task.key,
        parent=_parent(task.key, keys),
        kind=task.kind.value,
        name=task.name,
        status=task.status.value,
        started_at=task.started_at,
        ended_at=task.ended_at,
        ms=task.ms,
        run_id=task.run_id,
    )


def _parent(key: str, keys: set[str]) -> str:
    """The nearest task around this key; `…/turn/3/call/0` lies in `…/turn/3/model`."""
    around = key
    while around:
        around = around.rpartition("/")[0]
        for candidate in (around, f"{around}/model"):
            if candidate in keys and candidate != key:
                return candidate
    return "run"


def log(entries: Iterable[Entry]) -> list[LogLine]:
    """The journal in words, one line for each entry."""
    follower = Follower()
    return [_log_line(entry, follower.see(entry)) for entry in entries]


def _log_line(entry: Entry, task: Task | None) -> LogLine:
    if task is None:
        return _ABOUT_THE_RUN.get(entry.type, _ending_line)(entry)
    level = "warning" if task.status in _TROUBLE else "info"
    who = f"{task.kind.value} {task.name}".strip()
    message = f"{who} {task.status.value}" + (f": {task.summary}" if task.summary else "")
    return LogLine(seq=entry.seq, at=entry.at, level=level, message=message)


_TROUBLE = {TaskStatus.FAILED, TaskStatus.DENIED, TaskStatus.CANCELLED}


def _start_line(entry: Entry) -> LogLine:
    message = f"{entry.body['definition']['name']} started: {brief(entry.body['goal'])}"
    return LogLine(seq=entry.seq, at=entry.at, level="info", message=message)


def _retry_line(entry: Entry) -> LogLine:
    body = entry.body
    place = f" from {body['from']}" if body["from"] is not None else ""
    why = f": {brief(body['reason'])}" if body["reason"] else ""
    message = f"retried by {body['by']}{place}, generation {body['generation']}{why}"
    return LogLine(seq=entry.seq, at=entry.at, level="info", message=message)


def _fork_line(entry: Entry) -> LogLine:
    body = entry.body
    message = f"forked by {body['by']} from {body['from']} of {body['source_id']}"
    return LogLine(seq=entry.seq, at=entry.at, level="info", message=message)


def _reconciled_line(entry: Entry) -> LogLine:
    body = entry.body
    what = "had happened" if body["happened"] else "had not happened"
    return LogLine(seq=entry.seq, at=entry.at, level="info", message=f"{body['tool']} was asked: the call {what}")


def _compensated_line(entry: Entry) -> LogLine:
    body = entry.body
    message = f"{body['tool']} ({body['undone_key']} of {body['undone_run']}) is undone"
    return LogLine(seq=entry.seq, at=entry.at, level="info", message=message)


def _ending_line(entry: Entry) -> LogLine:
    result = entry.body["result"]
    message = f"run {result['status']} ({result['exit_reason']})"
    if error := result.get("error"):
        message += f": {error['code']}: {brief(error['detail'])}"
    level = "error" if entry.type is EntryType.RUN_FAILED else "info"
    return LogLine(seq=entry.seq, at=entry.at, level=level, message=message)


def _compacted_line(entry: Entry) -> LogLine:
    body = entry.body
    how = "with a summary" if body["summarised"] else "without a summary"
    message = f"the conversation was made shorter {how}: {body['tokens_before']} tokens to {body['tokens_after']}"
    return LogLine(seq=entry.seq, at=entry.at, level="info", message=message)


_ABOUT_THE_RUN: dict[EntryType, Callable[[Entry], LogLine]] = {
    EntryType.RUN_STARTED: _start_line,
    EntryType.RUN_RETRIED: _retry_line,
    EntryType.RUN_FORKED: _fork_line,
    EntryType.CONTEXT_COMPACTED: _compacted_line,
    EntryType.EFFECT_RECONCILED: _reconciled_line,
    EntryType.EFFECT_COMPENSATED: _compensated_line,
}


def used(entries: Iterable[Entry]) -> Used:
    """Add up model replies, and the results of children that have ended."""
    own = children = NOTHING_USED
    for entry in entries:
        if entry.type is EntryType.MODEL_REPLIED:
            own += decode(Usage, entry.body["reply"]["usage"])
        elif entry.type is EntryType.CHILD_ENDED:
            children += decode(Usage, entry.body["result"]["usage"])
    return Used(own, own + children)
