"""Append: what a leg did, and all that belongs to it. The hot path."""

from ripieno.domain.batches import Append, EffectClose
from ripieno.domain.effects import Effect
from ripieno.domain.entries import Entry
from ripieno.domain.errors import IntentRefused, JournalMismatch
from ripieno.domain.hints import HintKind
from ripieno.domain.interrupts import NewInterrupt
from ripieno.domain.jsons import encode
from ripieno.store.bodies import dump
from ripieno.store.sqlite.rows import micros_or_none
from ripieno.store.sqlite.transaction import Transaction
from ripieno.store.sqlite.verbs import fenced, spend, start

# The fence: only the epoch's holder gets numbers. Reading first and writing then is faster than RETURNING.
STANDING = "SELECT last_seq, tenant, hold, cancel_at FROM runs WHERE id = ? AND epoch = ? AND status = 'running'"

ADVANCE = "UPDATE runs SET last_seq = ?, updated_at = ? WHERE id = ?"

INSERT_ENTRY = "INSERT INTO entries (run_id, seq, key, type, v, body, at, epoch) VALUES (?, ?, ?, ?, 1, ?, ?, ?)"

INSERT_EFFECT = """
INSERT INTO effects (
  run_id, key, attempt, seq, tool, effect, state, idempotency_key, arguments_hash, intended_at
) VALUES (?, ?, ?, ?, ?, ?, 'intended', ?, ?, ?)
"""

CLOSE_EFFECT = """
UPDATE effects SET state = ?, closed_at = ?
WHERE run_id = ? AND key = ? AND attempt = ? AND state IN ('intended', 'unknown')
"""

KNOWN_EFFECT = "SELECT 1 FROM effects WHERE run_id = ? AND key = ? AND attempt = ?"

INSERT_INTERRUPT = """
INSERT INTO interrupts (
  id, tenant, run_id, key, kind, status, subject_hash, request, risk, reasons, requested_by, created_at, expires_at,
  terms, assignees, decisions
) VALUES (?, ?, ?, ?, ?, 'pending', ?, ?, ?, ?, ?, ?, ?, ?, ?, '[]')
"""

# What is acknowledged does not go back to its box when the run ends.
ACKNOWLEDGE = "UPDATE mail SET acknowledged_at = ? WHERE id = ? AND taken_by = ?"

# A consumed row stays as a mark against doubles; the entry is its trace.
CONSUME = "UPDATE inbox SET state = 'consumed', body = '{}' WHERE run_id = ? AND n = ? AND state = 'unread'"


def append(tx: Transaction, batch: Append) -> list[Entry]:
    """Commit a batch.

    Raises:
        LegLost: Another epoch has begun.
        IntentRefused: It holds intents and the run is being cancelled or is held.
        JournalMismatch: A key is there already, or something is closed or consumed that is not open.
    """
    run_id, epoch = batch.run_id, batch.epoch
    standing = tx.one(STANDING, (run_id, epoch))
    if standing is None:
        raise fenced.lost(run_id, epoch)
    last_seq, tenant, hold, cancel_at = standing
    if batch.intents and (hold or cancel_at is not None):
        raise IntentRefused(f"{run_id} is being cancelled or is paused: no new effect begins")
    entries = [
        Entry(run_id, seq, new.key, new.type, new.body, tx.now, epoch)
        for seq, new in enumerate(batch.entries, start=last_seq + 1)
    ]
    for entry in entries:
        write(tx, entry)
    tx.run(ADVANCE, (last_seq + len(entries), tx.micros, run_id))
    for seq, intent in enumerate(batch.intents, start=last_seq + 1):
        _intend(tx, run_id, seq, intent.effect)
    for close in batch.closes:
        _close(tx, run_id, close)
    for n in batch.consumed:
        _consume(tx, run_id, n)
    for mail_id in batch.acknowledged:
        tx.run(ACKNOWLEDGE, (tx.micros, mail_id, run_id))
    spend.book(tx, tenant, batch)
    _reach_out(tx, tenant, batch)
    tx.hint(run_id, HintKind.PROGRESS)
    return entries


def write(tx: Transaction, entry: Entry) -> None:
    """Insert one entry."""
    row = (entry.run_id, entry.seq, entry.key, entry.type, dump(entry.body), tx.micros, entry.epoch)
    tx.connection.execute(INSERT_ENTRY, row)


def _intend(tx: Transaction, run_id: str, seq: int, effect: Effect) -> None:
    tx.run(
        INSERT_EFFECT,
        (
            run_id,
            effect.key,
            effect.attempt,
            seq,
            effect.tool,
            effect.effect,
            effect.idempotency_key,
            effect.arguments_hash,
            tx.micros,
        ),
    )


def _close(tx: Transaction, run_id: str, close: EffectClose) -> None:
    which = (run_id, close.key, close.attempt)
    if not tx.run(CLOSE_EFFECT, (close.state, tx.micros, *which)) and tx.one(KNOWN_EFFECT, which) is None:
        raise JournalMismatch(f"{run_id} has no effect {close.key} attempt {close.attempt}")


def _consume(tx: Transaction, run_id: str, n: int) -> None:
    if not tx.run(CONSUME, (run_id, n)):
        raise JournalMismatch(f"{run_id} has no unread message {n}")


def _reach_out(tx: Transaction, tenant: str, batch: Append) -> None:
    """Questions to people and work for other agents."""
    for interrupt in batch.interrupts:
        _open(tx, tenant, batch.run_id, interrupt)
    for child in batch.children:
        start.start(tx, child)


def _open(tx: Transaction, tenant: str, run_id: str, interrupt: NewInterrupt) -> None:
    tx.run(
        INSERT_INTERRUPT,
        (
            interrupt.id,
            tenant,
            run_id,
            interrupt.key,
            interrupt.kind,
            interrupt.subject_hash,
            dump(interrupt.request),
            interrupt.risk,
            dump(interrupt.reasons),
            interrupt.requested_by,
            tx.micros,
            micros_or_none(interrupt.expires_at),
            dump(encode(interrupt.terms)),
            dump(interrupt.terms.assignees),
        ),
    )
    tx.tell(tenant, "interrupt.opened", run_id, {"interrupt_id": interrupt.id, "kind": interrupt.kind})
