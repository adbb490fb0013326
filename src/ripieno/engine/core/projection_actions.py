"""A run's tool calls with what the effect ledger knows about them."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime

from ripieno.domain.effects import Effect, EffectClass, EffectState
from ripieno.domain.entries import Entry, EntryType
from ripieno.domain.jsons import JsonObject
from ripieno.domain.tools import ToolStatus
from ripieno.engine.core import projection


@dataclass(frozen=True, slots=True, kw_only=True)
class Attempt:
    """One attempt of a call. All attempts carry the same idempotency key."""

    attempt: int
    state: EffectState
    intended_at: datetime | None
    closed_at: datetime | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Action:
    """A tool call. `state` is the ledger's word where the call is in it, else the outcome's.

    `idempotency_key` is None for reads, which are not in the ledger. `status` and `text` are None until the call has
    returned; `text` is the beginning of the result. `ledger` has every attempt: one that was repeated under the same
    key is `abandoned` there, one that is known not to have happened `failed`.
    """

    key: str
    tool: str
    arguments: JsonObject
    effect: EffectClass
    state: EffectState
    attempts: int
    idempotency_key: str | None = None
    arguments_hash: str | None = None
    ledger: tuple[Attempt, ...] = ()
    status: ToolStatus | None = None
    text: str | None = None
    evidence_id: str | None = None
    started_at: datetime
    ended_at: datetime | None = None
    ms: float | None = None


def actions(entries: Iterable[Entry], effects: Iterable[Effect] = ()) -> list[Action]:
    """Every tool call of a run, in the order in which they began."""
    entries = list(entries)
    ledger: dict[str, list[Effect]] = {}
    for effect in sorted(effects, key=lambda effect: effect.attempt):
        ledger.setdefault(effect.key, []).append(effect)
    began = {task.key: task for task in projection.tasks(entries) if task.kind is projection.TaskKind.TOOL}
    intents = {entry.key.rpartition("/intent/")[0]: entry for entry in entries if _is(entry, EntryType.EFFECT_INTENDED)}
    returns = {entry.key: entry for entry in entries if _is(entry, EntryType.TOOL_RETURNED)}
    return [_action(task, intents.get(key), returns.get(key), ledger.get(key, ())) for key, task in began.items()]


def _is(entry: Entry, kind: EntryType) -> bool:
    return entry.type is kind


def _action(
    task: projection.TaskDetail, intent: Entry | None, returned: Entry | None, made: Sequence[Effect]
) -> Action:
    last = returned or intent
    known: JsonObject = last.body if last else {}
    result: JsonObject = returned.body["result"] if returned else {}
    return Action(
        key=task.key,
        tool=task.name,
        arguments=task.input,
        effect=EffectClass(known["effect"]),
        state=made[-1].state if made else _state(task, result),
        attempts=known["attempt"],
        idempotency_key=intent.body["idempotency_key"] if intent else None,
        arguments_hash=made[-1].arguments_hash if made else None,
        ledger=tuple(_attempt(effect) for effect in made),
        status=ToolStatus(result["status"]) if returned else None,
        text=projection.brief(result["text"]) if returned else None,
        evidence_id=known.get("evidence_id"),
        started_at=task.started_at,
        ended_at=task.ended_at,
        ms=task.ms,
    )


def _attempt(effect: Effect) -> Attempt:
    return Attempt(
        attempt=effect.attempt, state=effect.state, intended_at=effect.intended_at, closed_at=effect.closed_at
    )


def _state(task: projection.TaskDetail, result: JsonObject) -> EffectState:
    """The state as the journal alone tells it."""
    if not result:
        return EffectState.UNKNOWN if task.ended_at else EffectState.INTENDED
    return EffectState.DONE if result["status"] == ToolStatus.OK else EffectState.FAILED
