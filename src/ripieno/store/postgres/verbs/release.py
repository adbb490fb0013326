"""Release and park: how a leg lets go of a run that has not ended.

A run that is being cancelled ends here instead, because no leg is left that would obey.
"""

from ripieno.domain.batches import Park
from ripieno.domain.hints import HintKind
from ripieno.domain.runs import RunStatus
from ripieno.store.bodies import dump
from ripieno.store.postgres.database import Transaction
from ripieno.store.postgres.verbs import fenced, finish

# Compare and set: whoever sent something since the leg read its inbox has moved inbox_seq, and whoever resumed a run
# that its leg is about to park as paused has let go of the hold. A leg that comes to this has not killed its worker.
PARK = """
UPDATE runs SET status = CASE WHEN hold THEN 'paused' ELSE $4::text END, waits = $6, wake_at = $7, owner = NULL,
  deaths = 0, updated_at = coalesce($1::timestamptz, clock_timestamp())
WHERE id = $2 AND epoch = $3 AND status = 'running' AND inbox_seq = $5 AND cancel_at IS NULL
  AND (hold OR $4::text <> 'paused')
RETURNING id
"""

LET_GO = """
UPDATE runs SET status = CASE WHEN hold THEN 'paused' ELSE 'queued' END, owner = NULL,
  updated_at = coalesce($1::timestamptz, clock_timestamp())
WHERE id = $2 AND epoch = $3 AND status = 'running' AND cancel_at IS NULL
RETURNING status
"""


async def park(tx: Transaction, wish: Park) -> bool:
    """Let go of a waiting run; False when that must be looked at: see `park_or_not`."""
    row = await tx.one(
        PARK, tx.now, wish.run_id, wish.epoch, wish.status, wish.inbox_seq, dump(wish.waits), wish.wake_at
    )
    if row is None:
        return False
    tx.hint(wish.run_id, HintKind.STATUS)
    return True


async def park_or_not(tx: Transaction, wish: Park) -> bool | None:
    """Why a run was not parked: None when the leg is over, False when the inbox has grown.

    True when it was being cancelled and has ended now.
    """
    run = await fenced.owned(tx, wish.run_id, wish.epoch)
    if run is None:
        return None
    if run["cancel_at"] is None:
        return False
    await finish.cancel(tx, wish.run_id, run["cancel_by"], run["cancel_reason"])
    return True


async def release(tx: Transaction, run_id: str, epoch: int) -> bool:
    """Give a run back to the queue, or to its pause; False when that must be looked at: see `release_or_end`."""
    row = await tx.one(LET_GO, tx.now, run_id, epoch)
    if row is None:
        return False
    tx.hint(run_id, HintKind.STATUS)
    if row["status"] == RunStatus.QUEUED:
        tx.hint(run_id, HintKind.WORK)
    return True


async def release_or_end(tx: Transaction, run_id: str, epoch: int) -> bool:
    """The same for a run that may be being cancelled; False when the leg is over."""
    run = await fenced.owned(tx, run_id, epoch)
    if run is None:
        return False
    if run["cancel_at"] is None:
        return await release(tx, run_id, epoch)
    await finish.cancel(tx, run_id, run["cancel_by"], run["cancel_reason"])
    return True
