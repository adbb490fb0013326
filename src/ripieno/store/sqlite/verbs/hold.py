"""Pause and resume."""

from ripieno.domain.errors import NotHeld
from ripieno.domain.hints import HintKind
from ripieno.domain.outbox import PAUSE_RUN, RESUME_RUN
from ripieno.domain.runs import Run, RunStatus
from ripieno.store.sqlite.transaction import Transaction
from ripieno.store.sqlite.verbs import fenced, send

# A leg under way keeps the run until it has nothing left to do; everything else stops here.
HOLD = """
UPDATE runs SET hold = 1, status = CASE WHEN status = 'running' THEN status ELSE 'paused' END, updated_at = ?
WHERE id = ?
"""

UNHOLD = "UPDATE runs SET hold = 0, updated_at = ? WHERE id = ?"


def pause(tx: Transaction, tenant: str, run_id: str, by: str) -> Run:
    """Hold a run. Raises `NotFound` and `RunEnded`."""
    row = fenced.alive(tx, tenant, run_id)
    if not row["hold"]:
        tx.run(HOLD, (tx.micros, run_id))
        tx.audit((tenant, by), PAUSE_RUN, run_id)
        tx.hint(run_id, HintKind.CONTROL if row["status"] == RunStatus.RUNNING else HintKind.STATUS)
    return fenced.whole(tx, tenant, run_id)


def resume(tx: Transaction, tenant: str, run_id: str, by: str) -> Run:
    """Let a held run go on. Raises `NotFound`, `RunEnded` and `NotHeld`."""
    row = fenced.alive(tx, tenant, run_id)
    if not row["hold"] and row["status"] != RunStatus.PAUSED:
        raise NotHeld(f"run {run_id} is not paused")
    tx.run(UNHOLD, (tx.micros, run_id))
    tx.audit((tenant, by), RESUME_RUN, run_id)
    if row["status"] == RunStatus.PAUSED:
        send.queue(tx, run_id)
    else:
        tx.hint(run_id, HintKind.CONTROL)
    return fenced.whole(tx, tenant, run_id)
