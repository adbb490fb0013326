"""Rows of SQLite ↔ values of the domain: times as microseconds, JSON as text."""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from sqlite3 import Row
from typing import Any

from ripieno.domain import jsons
from ripieno.domain.effects import Effect, EffectClass, EffectState
from ripieno.domain.entries import Entry, EntryType, InboxRow
from ripieno.domain.interrupts import Interrupt
from ripieno.domain.replies import StoredReply
from ripieno.domain.runs import ExitReason, Run, RunInput, RunKind, RunResult, RunStatus
from ripieno.domain.sessions import Session
from ripieno.store.bodies import load
from ripieno.store.columns import INTERRUPT_COLUMNS
from ripieno.store.portable import interrupts
from ripieno.store.portable.frame import Record

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
MICROSECOND = timedelta(microseconds=1)

INTERRUPT_READ = f"""{INTERRUPT_COLUMNS}, (
  SELECT json_group_array(json(body)) FROM (SELECT body FROM votes WHERE interrupt_id = interrupts.id ORDER BY n)
) AS votes"""  # noqa: S608 - constants
"""What is read of an interrupt."""


def micros(at: datetime) -> int:
    """A time as the tables keep it."""
    return (at - EPOCH) // MICROSECOND


def micros_or_none(at: datetime | None) -> int | None:
    """The same for a time that may be missing."""
    return None if at is None else (at - EPOCH) // MICROSECOND


def moment(value: int) -> datetime:
    """A time of the tables."""
    return EPOCH + timedelta(microseconds=value)


def moment_or_none(value: int | None) -> datetime | None:
    """The same for a time that may be missing."""
    return None if value is None else EPOCH + timedelta(microseconds=value)


def run_of(row: Row) -> Run:
    """A row of RUN_COLUMNS."""
    value: dict[str, Any] = dict(row)
    for name in ("created_at", "updated_at"):
        value[name] = moment(value[name])
    for name in ("started_at", "ended_at", "deadline", "cancel_at", "wake_at"):
        value[name] = moment_or_none(value[name])
    value["kind"] = RunKind(value["kind"])
    value["status"] = RunStatus(value["status"])
    value["exit_reason"] = ExitReason(value["exit_reason"]) if value["exit_reason"] else None
    value["input"] = jsons.decode(RunInput, load(value["input"]))
    value["result"] = jsons.decode(RunResult, load(value["result"])) if value["result"] else None
    value["hold"] = bool(value["hold"])
    value["dry_run"] = bool(value["dry_run"])
    value["waits"] = tuple(load(value["waits"]))
    value["metadata"] = load(value["metadata"])
    return Run(**value)


def entry_of(row: Row) -> Entry:
    """A row of ENTRY_COLUMNS."""
    run_id, seq, key, kind, body, at, epoch, v = row
    return Entry(run_id, seq, key, EntryType(kind), load(body), moment(at), epoch, v)


def entries_of(rows: Sequence[Row]) -> tuple[Entry, ...]:
    """Rows of ENTRY_COLUMNS."""
    return tuple(map(entry_of, rows))


def inbox_of(rows: Sequence[Row]) -> tuple[InboxRow, ...]:
    """Rows of INBOX_COLUMNS."""
    return tuple(InboxRow(n, topic, load(body), dedupe) for n, topic, body, dedupe in rows)


def effect_of(row: Row) -> Effect:
    """A row of EFFECT_COLUMNS."""
    run_id, key, attempt, tool, effect, state, idempotency_key, arguments_hash, intended_at, closed_at = row
    return Effect(
        run_id=run_id,
        key=key,
        attempt=attempt,
        tool=tool,
        effect=EffectClass(effect),
        state=EffectState(state),
        idempotency_key=idempotency_key,
        arguments_hash=arguments_hash,
        intended_at=moment(intended_at),
        closed_at=moment_or_none(closed_at),
    )


def interrupt_of(row: Row) -> Interrupt:
    """A row of INTERRUPT_READ."""
    return interrupts.interrupt_of(Record(row, moment), interrupts.votes_in(row["votes"]))


def session_of(row: Row) -> Session:
    """A row of the table sessions."""
    return Session(row["id"], row["tenant"], row["created_by"], moment(row["created_at"]), moment(row["updated_at"]))


def reply_of(row: Row) -> StoredReply:
    """A row of the table replies."""
    return StoredReply(row["body_hash"], row["resource_id"], row["status"], load(row["headers"]), row["body"])
