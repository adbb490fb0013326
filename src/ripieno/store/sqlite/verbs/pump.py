"""Pump: what time brings about. Timers, the end of a cancellation's grace, children left behind."""

from datetime import timedelta

from ripieno.domain.batches import Pumped
from ripieno.store.sqlite.rows import micros
from ripieno.store.sqlite.transaction import Transaction
from ripieno.store.sqlite.verbs import cancel, fenced, finish, send

GRACE = timedelta(seconds=5)
"""How long a leg may take to obey a cancellation."""

SLICE = 200
"""How many rows of each sort one transaction deals with, at most."""

DUE = """
SELECT id FROM runs WHERE wake_at IS NOT NULL AND NOT hold AND wake_at <= ?
  AND status IN ('waiting', 'awaiting_approval', 'awaiting_input')
ORDER BY wake_at LIMIT ?
"""

OVERDUE = "SELECT id FROM runs WHERE status = 'paused' AND deadline <= ? ORDER BY deadline LIMIT ?"

DISOBEDIENT = fenced.ROW.replace("id = ?", "status = 'running' AND cancel_at <= ? ORDER BY cancel_at LIMIT ?")

# Children of a parent that has ended, or that was cancelled just before a crash: nobody waits for them any more.
LEFT_BEHIND = """
SELECT child.tenant, child.id, coalesce(parent.cancel_by, 'system') AS cancel_by,
  coalesce(parent.cancel_reason, 'its parent has ended') AS cancel_reason
FROM runs AS child INDEXED BY runs_live_children JOIN runs AS parent ON parent.id = child.parent_id
WHERE child.parent_id IS NOT NULL AND child.ended_at IS NULL AND child.cancel_at IS NULL
  AND (parent.cancel_at IS NOT NULL OR parent.ended_at IS NOT NULL)
LIMIT ?
"""


def pump(tx: Transaction) -> Pumped:
    """Do one slice of all of it. Interrupts expire by a verb of their own."""
    return Pumped(woken=_wake(tx), fenced=_fence(tx) + _end(tx) + _collect(tx))


def _wake(tx: Transaction) -> int:
    rows = tx.all(DUE, (tx.micros, SLICE))
    for row in rows:
        send.queue(tx, row["id"])
    return len(rows)


def _fence(tx: Transaction) -> int:
    rows = tx.all(DISOBEDIENT, (micros(tx.now - GRACE), SLICE))
    for row in rows:
        finish.cancel(tx, row, row["cancel_by"], row["cancel_reason"])
    return len(rows)


def _end(tx: Transaction) -> int:
    """A paused run has no leg that would see to its deadline."""
    rows = tx.all(OVERDUE, (tx.micros, SLICE))
    for row in rows:
        finish.end_overdue(tx, tx.all(fenced.ROW, (row["id"],))[0])  # read anew: the end of one may change the next
    return len(rows)


def _collect(tx: Transaction) -> int:
    rows = tx.all(LEFT_BEHIND, (SLICE,))
    for row in rows:
        cancel.follow(tx, row["tenant"], row["id"], row["cancel_by"], row["cancel_reason"])
    return len(rows)
