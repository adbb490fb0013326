"""The run's row as a verb needs it before it changes anything, and the statuses that the statements speak of."""

from sqlite3 import Row

from ripieno.domain.errors import LegLost, NotFound, RunEnded
from ripieno.domain.runs import TERMINAL, Run, RunStatus
from ripieno.store.columns import RUN_COLUMNS
from ripieno.store.sqlite.rows import run_of
from ripieno.store.sqlite.transaction import Transaction

WAITING = frozenset({RunStatus.AWAITING_APPROVAL, RunStatus.AWAITING_INPUT, RunStatus.WAITING})
"""Parked, and woken by whatever arrives."""

# What decides about a run: who owns it, how far it is, what was asked of it.
ROW = (
    "SELECT id, tenant, status, epoch, last_seq, claimed_seq, inbox_seq, generation, parent_id, hold, cancel_at, "
    "cancel_by, cancel_reason, after_id, next_id FROM runs WHERE id = ?"
)

WHOLE = f"SELECT {RUN_COLUMNS} FROM runs WHERE id = ? AND tenant = ?"  # noqa: S608 - constants


def of_tenant(tx: Transaction, tenant: str, run_id: str) -> Row:
    """A tenant's run. Raises `NotFound`."""
    row = tx.one(ROW, (run_id,))
    if row is None or row["tenant"] != tenant:
        raise NotFound("run", run_id)
    return row


def alive(tx: Transaction, tenant: str, run_id: str) -> Row:
    """A tenant's run that has not ended. Raises `NotFound` and `RunEnded`."""
    row = of_tenant(tx, tenant, run_id)
    if row["status"] in TERMINAL:
        raise RunEnded(run_id, row["status"])
    return row


def owned(tx: Transaction, run_id: str, epoch: int) -> Row:
    """The run of the leg with this epoch. Raises `LegLost`."""
    row = tx.one(ROW, (run_id,))
    if row is None or row["epoch"] != epoch or row["status"] != RunStatus.RUNNING:
        raise lost(run_id, epoch)
    return row


def lost(run_id: str, epoch: int) -> LegLost:
    """The error for a leg whose epoch is over."""
    return LegLost(f"epoch {epoch} of {run_id} is over")


def whole(tx: Transaction, tenant: str, run_id: str) -> Run:
    """The run as it now stands. Raises `NotFound`."""
    row = tx.one(WHOLE, (run_id, tenant))
    if row is None:
        raise NotFound("run", run_id)
    return run_of(row)
