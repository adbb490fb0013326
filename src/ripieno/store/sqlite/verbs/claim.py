"""Claim: make queued runs this worker's own, each under a new epoch."""

from datetime import datetime

from ripieno.domain.hints import HintKind
from ripieno.domain.runs import Run
from ripieno.store.columns import RUN_COLUMNS
from ripieno.store.queue import FORMAT, lane_rank
from ripieno.store.sqlite.rows import run_of
from ripieno.store.sqlite.transaction import Transaction

# The index runs_queue holds exactly these rows in exactly this order.
CLAIM = f"""
UPDATE runs SET status = 'running', owner = :owner, epoch = epoch + 1, claimed_seq = last_seq, waits = '[]',
  wake_at = NULL, started_at = coalesce(started_at, :now), updated_at = :now
WHERE id IN (
  SELECT id FROM runs INDEXED BY runs_queue WHERE status = 'queued' AND NOT hold AND format <= :format
  ORDER BY lane_rank, priority DESC, created_at, id LIMIT :slots
)
RETURNING {RUN_COLUMNS}
"""  # noqa: S608 - constants


def claim(tx: Transaction, worker_id: str, slots: int) -> list[Run]:
    """Take up to `slots` runs: by lane, priority, age."""
    rows = tx.all(CLAIM, {"owner": worker_id, "now": tx.micros, "format": FORMAT, "slots": slots})
    runs = sorted(map(run_of, rows), key=_turn)  # RETURNING keeps no order
    for run in runs:
        tx.hint(run.id, HintKind.STATUS)
    return runs


def _turn(run: Run) -> tuple[int, int, datetime, str]:
    return lane_rank(run.lane), -run.priority, run.created_at, run.id
