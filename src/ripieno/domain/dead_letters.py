"""Dead letters: work that was accepted and came to nothing, kept until somebody deals with it.

What is one, and what is not, is said in the tables here; `docs/howto/dead-letters.md` says it to people.
"""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from ripieno.domain import jsons
from ripieno.domain.effects import LATE, OPEN, Effect, EffectState
from ripieno.domain.entries import InboxRow
from ripieno.domain.jsons import JsonObject
from ripieno.domain.runs import ExitReason, NewRun, Run, RunKind, RunResult, RunStatus

WORKER_DIED = "worker_died"
"""The error of a run that was with its worker too often when that died."""

DEAD_REASONS = frozenset({ExitReason.DEFECT, ExitReason.MODEL_ERROR, ExitReason.TOOL_ERROR})
"""Runs that failed for one of these were stopped by something that may be mended. A run that used up its limits, gave
no usable answer or was refused by policy did what it was asked to do, and a cancelled one what somebody wanted."""

TAKEN_UP = frozenset({"run", "effect"})
"""Kinds of dead letters of a run that its retry deals with: it does again what failed, and messages it never had."""

OWN_TOPICS = frozenset({"child.ended", "interrupt.decided", LATE})
"""Messages of the engine to itself: about these nobody was promised anything."""

NOBODY_SAW = "this call was begun, and nobody saw how it ended"
UNREAD = "the run ended before it read this message"


class DeadLetterKind(StrEnum):
    """What came to nothing."""

    RUN = "run"
    EFFECT = "effect"
    MESSAGE = "message"
    EVENT = "event"
    DELIVERY = "delivery"


class DeadLetterState(StrEnum):
    """Whether somebody has dealt with it."""

    OPEN = "open"
    REPLAYED = "replayed"
    DISCARDED = "discarded"


@dataclass(frozen=True, slots=True)
class DeadLetter:
    """One of them. `cause` is a stable code, `payload` all that is needed to try it again.

    `subject` says what of the run it is: the effect's key and attempt, the message's number. `outcome` is what came of
    the replay.
    """

    id: str
    tenant: str
    kind: DeadLetterKind
    run_id: str
    subject: str
    cause: str
    detail: str
    attempts: int
    payload: JsonObject
    created_at: datetime
    state: DeadLetterState = DeadLetterState.OPEN
    settled_at: datetime | None = None
    settled_by: str | None = None
    outcome: JsonObject | None = None


@dataclass(frozen=True, slots=True)
class DeadLetterFilter:
    """Which dead letters; None means any."""

    kind: DeadLetterKind | None = None
    state: DeadLetterState | None = None
    run_id: str | None = None


@dataclass(frozen=True, slots=True)
class Message:
    """A message for a run's inbox."""

    run_id: str
    topic: str
    body: JsonObject


@dataclass(frozen=True, slots=True)
class Replay:
    """What is done for a dead letter: a run is started, a message sent, or an effect was repeated with `result`.

    `through` is the run that repeated it.
    """

    by: str
    run: NewRun | None = None
    message: Message | None = None
    result: JsonObject | None = None
    through: str | None = None


@dataclass(frozen=True, slots=True)
class Recorded:
    """An effect of a run that ends, with what its journal tells: what it was called with, and what the tool said."""

    effect: Effect
    arguments: JsonObject
    said: str = ""


def identify(run_id: str, kind: DeadLetterKind, subject: str) -> str:
    """The id of a dead letter: the same however often its run ends. PostgreSQL's statement builds it too."""
    digest = hashlib.sha256(f"{run_id}/{kind.value}/{subject}".encode()).hexdigest()
    return f"dlq_{run_id[4:16]}{digest[:20]}"


def counts(run: Run, result: RunResult) -> bool:
    """Whether a run that ends like this is a dead letter.

    A run below another is its parent's affair, and who calls a tool is told, unless it killed its workers.
    """
    if result.status is not RunStatus.FAILED or result.exit_reason not in DEAD_REASONS:
        return False
    nobody_told = run.parent_id is None and run.kind is not RunKind.TOOL
    return nobody_told or (result.error is not None and result.error.code == WORKER_DIED)


def left_by(run: Run, result: RunResult, recorded: Sequence[Recorded], unread: Sequence[InboxRow]) -> list[DeadLetter]:
    """What a run leaves undone that ends with this result. `run` is its row from before, with the time of the end."""
    letters = [_run(run, result)] if counts(run, result) else []
    failed = result.status is RunStatus.FAILED and run.kind is not RunKind.TOOL
    letters += [_effect(run, one) for one in recorded if _undone(one.effect, recorded, failed=failed)]
    letters += [_message(run, row) for row in unread if row.topic not in OWN_TOPICS]
    return letters


def _undone(effect: Effect, recorded: Sequence[Recorded], *, failed: bool) -> bool:
    """Nobody knows whether it happened; or it failed, the run failed, and the same call did not work later either."""
    if effect.state in OPEN:
        return True
    if effect.state is not EffectState.FAILED or not failed:
        return False
    effects = [one.effect for one in recorded]
    later = effects[effects.index(effect) + 1 :]
    same = (effect.tool, effect.arguments_hash)
    worked = any(other.state is EffectState.DONE and (other.tool, other.arguments_hash) == same for other in effects)
    return not worked and all((other.tool, other.arguments_hash) != same for other in later)


def _run(run: Run, result: RunResult) -> DeadLetter:
    payload: JsonObject = {
        "agent": run.target,
        "agent_version": run.target_version,
        "session_id": run.session_id,
        "input": jsons.encode(run.input),
        "lane": run.lane,
        "priority": run.priority,
        "dry_run": run.dry_run,
        "metadata": run.metadata,
    }
    cause = result.error.code if result.error else result.exit_reason.value
    detail = result.error.detail if result.error else ""
    return _letter(run, DeadLetterKind.RUN, str(run.last_seq + 1), (cause, detail), payload, run.generation)


def _effect(run: Run, recorded: Recorded) -> DeadLetter:
    effect = recorded.effect
    payload: JsonObject = {
        "key": effect.key,
        "tool": effect.tool,
        "effect": effect.effect.value,
        "idempotency_key": effect.idempotency_key,
        "arguments": recorded.arguments,
    }
    failed = effect.state is EffectState.FAILED
    why = ("effect_failed", recorded.said) if failed else ("effect_unknown", NOBODY_SAW)
    return _letter(run, DeadLetterKind.EFFECT, f"{effect.key}/{effect.attempt}", why, payload, effect.attempt)


def _message(run: Run, row: InboxRow) -> DeadLetter:
    payload: JsonObject = {"topic": row.topic, "body": row.body, "dedupe": row.dedupe}
    return _letter(run, DeadLetterKind.MESSAGE, str(row.n), ("run_ended", UNREAD), payload)


def _letter(
    run: Run, kind: DeadLetterKind, subject: str, why: tuple[str, str], payload: JsonObject, attempts: int = 1
) -> DeadLetter:
    cause, detail = why
    return DeadLetter(
        id=identify(run.id, kind, subject),
        tenant=run.tenant,
        kind=kind,
        run_id=run.id,
        subject=subject,
        cause=cause,
        detail=detail,
        attempts=attempts,
        payload=payload,
        created_at=run.updated_at,
    )
