"""Release and park: how a leg lets go of a run that has not ended.

A run that is being cancelled ends here instead, because no leg is left that would obey.
"""

from sqlite3 import Row

from ripieno.domain.batches import Park
from ripieno.domain.hints import HintKind
from ripieno.domain.runs import RunStatus
from ripieno.store.bodies import dump
from ripieno.store.sqlite.rows import micros_or_none
from ripieno.store.sqlite.transaction import Transaction
from ripieno.store.sqlite.verbs import fenced, finish

# Compare and set: whoever sent something since the leg read its inbox has moved inbox_seq, and whoever resumed a run
# that its leg is about to park as paused has let go of the hold. A leg that comes to this has not killed its worker.
PARK = """
UPDATE runs SET status = CASE WHEN hold THEN 'paused' ELSE :status END, waits = :waits, wake_at = :wake_at,
  owner = NULL, deaths = 0, updated_at = :now
WHERE id = :id AND epoch = :epoch AND status = 'running' AND inbox_seq = :inbox_seq AND cancel_at IS NULL
  AND (hold OR :status <> 'paused')
"""

LET_GO = "UPDATE runs SET status = :status, owner = NULL, epoch = :epoch, updated_at = :now WHERE id = :id"


def park(tx: Transaction, wish: Park) -> bool:
    """Let go of a waiting run; False, and nothing done, when its inbox has grown meanwhile. Raises `LegLost`."""
    values = {
        "id": wish.run_id,
        "epoch": wish.epoch,
        "status": wish.status,
        "inbox_seq": wish.inbox_seq,
        "waits": dump(wish.waits),
        "wake_at": micros_or_none(wish.wake_at),
        "now": tx.micros,
    }
    if not tx.run(PARK, values):
        run = fenced.owned(tx, wish.run_id, wish.epoch)
        if run["cancel_at"] is None:
            return False
        finish.cancel(tx, run, run["cancel_by"], run["cancel_reason"])
        return True
    tx.hint(wish.run_id, HintKind.STATUS)
    return True


def release(tx: Transaction, run_id: str, epoch: int) -> None:
    """Give a run back to the queue unfinished. Raises `LegLost`."""
    let_go(tx, fenced.owned(tx, run_id, epoch), epoch)


def let_go(tx: Transaction, run: Row, epoch: int) -> None:
    """Take a running run from its leg: to the queue, to its pause, or to its end. It has `epoch` from now on."""
    run_id: str = run["id"]
    if run["cancel_at"] is not None:
        finish.cancel(tx, run, run["cancel_by"], run["cancel_reason"])
        return
    status = RunStatus.PAUSED if run["hold"] else RunStatus.QUEUED
    tx.run(LET_GO, {"id": run_id, "status": status, "epoch": epoch, "now": tx.micros})
    tx.hint(run_id, HintKind.STATUS)
    if status is RunStatus.QUEUED:
        tx.hint(run_id, HintKind.WORK)
