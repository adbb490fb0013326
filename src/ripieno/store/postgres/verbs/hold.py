"""Pause and resume."""

from ripieno.domain.errors import NotHeld
from ripieno.domain.hints import HintKind
from ripieno.domain.outbox import PAUSE_RUN, RESUME_RUN
from ripieno.domain.runs import Run, RunStatus
from ripieno.store.postgres.database import Transaction
from ripieno.store.postgres.verbs import fenced

# A leg under way keeps the run until it has nothing left to do; everything else stops here.
HOLD = """
UPDATE runs SET hold = true, status = CASE WHEN status = 'running' THEN status ELSE 'paused' END,
  updated_at = coalesce($1::timestamptz, clock_timestamp())
WHERE id = $2 RETURNING updated_at
"""

UNHOLD = """
UPDATE runs SET hold = false, status = CASE WHEN status = 'paused' THEN 'queued' ELSE status END,
  waits = CASE WHEN status = 'paused' THEN '[]' ELSE waits END,
  wake_at = CASE WHEN status = 'paused' THEN NULL ELSE wake_at END,
  updated_at = coalesce($1::timestamptz, clock_timestamp())
WHERE id = $2 RETURNING updated_at
"""


async def pause(tx: Transaction, tenant: str, run_id: str, by: str) -> Run:
    """Hold a run. Raises `NotFound` and `RunEnded`."""
    row = await fenced.alive(tx, tenant, run_id)
    if not row["hold"]:
        (held,) = await tx.all(HOLD, tx.now, run_id)
        await tx.audit((tenant, by), PAUSE_RUN, run_id, held["updated_at"])
        tx.hint(run_id, HintKind.CONTROL if row["status"] == RunStatus.RUNNING else HintKind.STATUS)
    return await fenced.whole(tx, tenant, run_id)


async def resume(tx: Transaction, tenant: str, run_id: str, by: str) -> Run:
    """Let a held run go on. Raises `NotFound`, `RunEnded` and `NotHeld`."""
    row = await fenced.alive(tx, tenant, run_id)
    if not row["hold"] and row["status"] != RunStatus.PAUSED:
        raise NotHeld(f"run {run_id} is not paused")
    (let_go,) = await tx.all(UNHOLD, tx.now, run_id)
    await tx.audit((tenant, by), RESUME_RUN, run_id, let_go["updated_at"])
    if row["status"] == RunStatus.PAUSED:
        tx.hint(run_id, HintKind.WORK, HintKind.STATUS)
    else:
        tx.hint(run_id, HintKind.CONTROL)
    return await fenced.whole(tx, tenant, run_id)
