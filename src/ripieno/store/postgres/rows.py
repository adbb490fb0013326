"""Rows of PostgreSQL ↔ values of the domain: times as they are, JSON as text."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from ripieno.domain import jsons
from ripieno.domain.effects import Effect, EffectClass, EffectState
from ripieno.domain.entries import Entry, EntryType, InboxRow
from ripieno.domain.interrupts import Interrupt
from ripieno.domain.replies import StoredReply
from ripieno.domain.runs import ExitReason, Run, RunInput, RunKind, RunResult, RunStatus
from ripieno.domain.sessions import Session
from ripieno.store.bodies import load
from ripieno.store.columns import INTERRUPT_COLUMNS, RUN_COLUMNS
from ripieno.store.portable import interrupts
from ripieno.store.portable.frame import Record
from ripieno.store.postgres.connections import Row

RUN_OF_RUNS = ", ".join(f"runs.{name}" for name in RUN_COLUMNS.split(", "))
"""RUN_COLUMNS where the statement has other tables too."""

INTERRUPT_READ = f"""{INTERRUPT_COLUMNS}, (
  SELECT json_agg(body ORDER BY n) FROM votes WHERE interrupt_id = interrupts.id
) AS votes"""  # noqa: S608 - constants
"""What is read of an interrupt."""


def run_of(row: Row) -> Run:
    """A row of RUN_COLUMNS; columns beyond them are left out."""
    value: dict[str, Any] = {name: row[name] for name in _RUN_FIELDS}
    value["kind"] = RunKind(value["kind"])
    value["status"] = RunStatus(value["status"])
    value["exit_reason"] = ExitReason(value["exit_reason"]) if value["exit_reason"] else None
    value["input"] = jsons.decode(RunInput, load(value["input"]))
    value["result"] = jsons.decode(RunResult, load(value["result"])) if value["result"] else None
    value["waits"] = tuple(load(value["waits"]))
    value["metadata"] = load(value["metadata"])
    return Run(**value)


def entry_of(row: Row) -> Entry:
    """A row of ENTRY_COLUMNS."""
    run_id, seq, key, kind, body, at, epoch, v = row
    return Entry(run_id, seq, key, EntryType(kind), load(body), at, epoch, v)


def letter_of(row: Row) -> InboxRow:
    """A row of INBOX_COLUMNS."""
    return InboxRow(row["n"], row["topic"], load(row["body"]), row["dedupe"])


def effect_of(row: Row) -> Effect:
    """A row of EFFECT_COLUMNS."""
    value = dict(row)
    value["effect"] = EffectClass(value["effect"])
    value["state"] = EffectState(value["state"])
    return Effect(**value)


def record(row: Row) -> Record:
    """A row as portable verbs read it."""
    return Record(row, _as_it_is)


def interrupt_of(row: Row) -> Interrupt:
    """A row of INTERRUPT_READ."""
    return interrupts.interrupt_of(record(row), interrupts.votes_in(row["votes"]))


def session_of(row: Row) -> Session:
    """A row of the table sessions."""
    return Session(row["id"], row["tenant"], row["created_by"], row["created_at"], row["updated_at"])


def reply_of(row: Row) -> StoredReply:
    """A row of the table replies."""
    return StoredReply(row["body_hash"], row["resource_id"], row["status"], load(row["headers"]), row["body"])


def by_run(rows: Sequence[Row]) -> Mapping[str, list[Row]]:
    """Rows that begin with a run id, in their order, by that id."""
    found: dict[str, list[Row]] = {}
    for row in rows:
        found.setdefault(row["run_id"], []).append(row)
    return found


def _as_it_is(at: datetime) -> datetime:
    return at


_RUN_FIELDS = tuple(RUN_COLUMNS.split(", "))
