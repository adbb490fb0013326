"""A run's tool calls with what the effect ledger knows about them."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime

from ripieno.domain.effects import Effect, EffectClass, EffectState
from ripieno.domain.entries import Entry, EntryType
from ripieno.domain.jsons import JsonObject
from ripieno.domain.tools import ToolStatus
from ripieno.engine.core import projection


@dataclass(frozen=True, slots=True, kw_only=True)
class Action:
    """A tool call. `state` is the ledger's word where the call is in it, else the outcome's.

    `idempotency_key` is None for reads, which are not in the ledger. `status` and `text` are None until the call has
    returned; `text` is the beginning of the result.
    """

    key: str
    tool: str
    arguments: JsonObject
    effect: EffectClass
    state: EffectState
    attempts: int
    idempotency_key: str | None = None
    status: ToolStatus | None = None
    text: str | None = None
    evidence_id: str | None = None
    started_at: datetime
    ended_at: datetime | None = None
    ms: float | None = None


def actions(entries: Iterable[Entry], effects: Iterable[Effect] = ()) -> list[Action]:
    """Every tool call of a run, in the order in which they began."""
    entries = list(entries)
    ledger = {effect.key: effect for effect in sorted(effects, key=lambda effect: effect.attempt)}
    began = {task.key: task for task in projection.tasks(entries) if task.kind is projection.TaskKind.TOOL}
    intents = {entry.key.rpartition("/intent/")[0]: entry for entry in entries if _is(entry, EntryType.EFFECT_INTENDED)}
    returns = {entry.key: entry for entry in entries if _is(entry, EntryType.TOOL_RETURNED)}
    return [_action(task, intents.get(key), returns.get(key), ledger.get(key)) for key, task in began.items()]


def _is(entry: Entry, kind: EntryType) -> bool:
    return entry.type is kind


def _action(task: projection.TaskDetail, intent: Entry | None, returned: Entry | None, effect: Effect | None) -> Action:
    last = returned or intent
    known: JsonObject = last.body if last else {}
    result: JsonObject = returned.body["result"] if returned else {}
    return Action(
        key=task.key,
        tool=task.name,
        arguments=task.input,
        effect=EffectClass(known["effect"]),
        state=effect.state if effect else _state(task, result),
        attempts=known["attempt"],
        idempotency_key=intent.body["idempotency_key"] if intent else None,
        status=ToolStatus(result["status"]) if returned else None,
        text=projection.brief(result["text"]) if returned else None,
        evidence_id=known.get("evidence_id"),
        started_at=task.started_at,
        ended_at=task.ended_at,
        ms=task.ms,
    )


def _state(task: projection.TaskDetail, result: JsonObject) -> EffectState:
    """The state as the journal alone tells it."""
    if not result:
        return EffectState.UNKNOWN if task.ended_at else EffectState.INTENDED
    return EffectState.DONE if result["status"] == ToolStatus.OK else EffectState.FAILED
