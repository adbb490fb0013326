"""The run's row under its lock, as a verb needs it before it changes anything."""

from collections.abc import Sequence

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

FAMILY = "SELECT id, parent_id, after_id, next_id FROM runs WHERE id = ANY($1::text[])"
"""Runs, and those that their ends change: their parents, and their neighbours in sessions."""

LOCK = f"""
SELECT {COLUMNS}, after_id, next_id FROM runs WHERE id = ANY($1::text[]) ORDER BY id FOR NO KEY UPDATE
"""  # noqa: S608 - constants

NOW = "SELECT coalesce($1::timestamptz, clock_timestamp()) AS now"

WHOLE = f"SELECT {RUN_COLUMNS} FROM runs WHERE id = $1 AND tenant = $2"  # noqa: S608


async def lock(tx: Transaction, run_ids: Sequence[str]) -> list[Row]:
    """Lock runs that may end here, and all that their ends change, in order of their ids; answers the runs.

    Neighbours may change until their run is locked. Then all is let go, by way of a savepoint, and locked anew: the
    new neighbour alone would be locked out of order.
    """
    wanted = _families(await tx.all(FAMILY, run_ids), run_ids)
    while True:
        savepoint = tx.connection.transaction()
        await savepoint.start()
        rows = [row for row in await tx.all(LOCK, sorted(wanted)) if row["id"] in run_ids]
        families = _families(rows, run_ids)
        if families <= wanted:
            await savepoint.commit()
            return rows
        await savepoint.rollback()
        wanted = families


def _families(rows: Sequence[Row], run_ids: Sequence[str]) -> set[str]:
    near = {row[name] for row in rows for name in ("parent_id", "after_id", "next_id")}
    return {*run_ids, *(run_id for run_id in near if run_id is not None)}


async def locked(tx: Transaction, run_id: str) -> Row | None:
    """The run, locked together with all that its end changes; None where it does not exist."""
    return next(iter(await lock(tx, [run_id])), None)


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
