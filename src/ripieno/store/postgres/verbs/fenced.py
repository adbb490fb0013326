"""The run's row under its lock, as a verb needs it before it changes anything."""

from ripieno.domain.errors import NotFound, RunEnded
from ripieno.domain.runs import TERMINAL, Run, RunStatus
from ripieno.store.columns import RUN_COLUMNS
from ripieno.store.postgres.connections import Row
from ripieno.store.postgres.database import Transaction
from ripieno.store.postgres.rows import run_of

WAITING = "('waiting', 'awaiting_approval', 'awaiting_input')"
"""Parked, and woken by whatever arrives."""

ENDED = "('completed', 'failed', 'cancelled')"

COLUMNS = (
    "id, tenant, status, epoch, last_seq, claimed_seq, inbox_seq, parent_id, hold, cancel_at, cancel_by, cancel_reason"
)
"""What decides about a run: who owns it, how far it is, what was asked of it."""

# Runs are locked first, in order of their ids, and a run's end changes its parent and its neighbours in a session too.
WITH_PARENT = f"""
SELECT {COLUMNS} FROM runs
WHERE id = ANY((SELECT ARRAY[id, parent_id, after_id, next_id] FROM runs WHERE id = $1)::text[])
ORDER BY id FOR NO KEY UPDATE
"""  # noqa: S608 - constants

NOW = "SELECT coalesce($1::timestamptz, clock_timestamp()) AS now"

WHOLE = f"SELECT {RUN_COLUMNS} FROM runs WHERE id = $1 AND tenant = $2"  # noqa: S608


async def locked(tx: Transaction, run_id: str) -> Row | None:
    """The run, locked together with its parent; None where it does not exist."""
    rows = await tx.all(WITH_PARENT, run_id)
    return next((row for row in rows if row["id"] == run_id), None)


async def of_tenant(tx: Transaction, tenant: str, run_id: str) -> Row:
    """A tenant's run, locked. Raises `NotFound`."""
    row = await locked(tx, run_id)
    if row is None or row["tenant"] != tenant:
        raise NotFound("run", run_id)
    return row


async def alive(tx: Transaction, tenant: str, run_id: str) -> Row:
    """A tenant's run that has not ended, locked. Raises `NotFound` and `RunEnded`."""
    row = await of_tenant(tx, tenant, run_id)
    if row["status"] in TERMINAL:
        raise RunEnded(run_id, row["status"])
    return row


async def owned(tx: Transaction, run_id: str, epoch: int) -> Row | None:
    """The run of the leg with this epoch, locked; None when the epoch is over."""
    row = await locked(tx, run_id)
    return row if row is not None and row["epoch"] == epoch and row["status"] == RunStatus.RUNNING else None


async def whole(tx: Transaction, tenant: str, run_id: str) -> Run:
    """The run as it now stands. Raises `NotFound`."""
    row = await tx.one(WHOLE, run_id, tenant)
    if row is None:
        raise NotFound("run", run_id)
    return run_of(row)
