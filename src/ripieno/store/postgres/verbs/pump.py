"""Pump: what time brings about. Timers, the end of a cancellation's grace, children left behind.

Any number of processes may do this at once: whoever finds a row locked leaves it to the one who has it.
"""

from datetime import timedelta

from ripieno.domain.hints import HintKind
from ripieno.store.postgres.database import Transaction
from ripieno.store.postgres.verbs import fenced, finish
from ripieno.store.postgres.verbs.fenced import WAITING

GRACE = timedelta(seconds=5)
"""How long a leg may take to obey a cancellation."""

SLICE = 200
"""How many rows of each sort are dealt with at once, at most."""

# The clock is asked in a subquery: asked anew for each row, as it would be, it could not bound the look at the index.
WAKE = f"""
WITH due AS MATERIALIZED (
  SELECT id FROM runs
  WHERE wake_at IS NOT NULL AND NOT hold AND wake_at <= (SELECT coalesce($1::timestamptz, clock_timestamp()))
    AND status IN {WAITING}
  ORDER BY wake_at LIMIT {SLICE} FOR NO KEY UPDATE SKIP LOCKED
)
UPDATE runs SET status = 'queued', waits = '[]', wake_at = NULL,
  updated_at = coalesce($1::timestamptz, clock_timestamp())
FROM due WHERE runs.id = due.id RETURNING runs.id
"""  # noqa: S608 - constants

# A paused run has no leg that would see to its deadline.
OVERDUE = f"""
SELECT id FROM runs
WHERE status = 'paused' AND deadline <= (SELECT coalesce($1::timestamptz, clock_timestamp()))
ORDER BY deadline LIMIT {SLICE}
"""  # noqa: S608

STILL_OVERDUE = """
SELECT 1 FROM runs WHERE id = $2 AND status = 'paused' AND deadline <= coalesce($1::timestamptz, clock_timestamp())
"""

DISOBEDIENT = f"""
SELECT id, epoch FROM runs
WHERE status = 'running' AND cancel_at <= (SELECT coalesce($1::timestamptz, clock_timestamp()) - $2::interval)
ORDER BY cancel_at LIMIT {SLICE}
"""  # noqa: S608

# Children of a parent that has ended, or that was cancelled just before a crash: nobody waits for them any more. Each
# parent of living children is looked at by its id: joined, the planner reads every run that there is.
LEFT_BEHIND = f"""
WITH families AS MATERIALIZED (SELECT DISTINCT parent_id FROM runs WHERE parent_id IS NOT NULL AND ended_at IS NULL)
SELECT child.tenant, child.id, coalesce(parent.cancel_by, 'system') AS cancel_by,
  coalesce(parent.cancel_reason, 'its parent has ended') AS cancel_reason
FROM families CROSS JOIN LATERAL (
  SELECT cancel_by, cancel_reason FROM runs
  WHERE runs.id = families.parent_id AND (runs.cancel_at IS NOT NULL OR runs.ended_at IS NOT NULL) LIMIT 1
) AS parent CROSS JOIN LATERAL (
  SELECT tenant, id FROM runs
  WHERE runs.parent_id = families.parent_id AND runs.ended_at IS NULL AND runs.cancel_at IS NULL LIMIT {SLICE}
) AS child
LIMIT {SLICE}
"""  # noqa: S608


async def wake(tx: Transaction) -> int:
    """Queue a slice of what is due; answers how many."""
    rows = await tx.all(WAKE, tx.now)
    for row in rows:
        tx.hint(row["id"], HintKind.WORK, HintKind.STATUS)
    return len(rows)


async def fence(tx: Transaction, run_id: str, epoch: int) -> int:
    """End a run whose leg did not obey its cancellation; 0 when the leg is over."""
    run = await fenced.owned(tx, run_id, epoch)
    if run is None or run["cancel_at"] is None:
        return 0
    await finish.cancel(tx, run_id, run["cancel_by"], run["cancel_reason"])
    return 1


async def end(tx: Transaction, run_id: str) -> int:
    """End a paused run whose deadline has passed; 0 when somebody was faster."""
    await fenced.locked(tx, run_id)
    if await tx.one(STILL_OVERDUE, tx.now, run_id) is None:
        return 0
    await finish.end_overdue(tx, run_id)
    return 1
