"""Cancel: at once where there is no leg, by request where there is one; children follow."""

from sqlite3 import Row

from ripieno.domain.errors import RunEnded
from ripieno.domain.hints import HintKind
from ripieno.domain.outbox import CANCEL_RUN
from ripieno.domain.runs import TERMINAL, Run, RunStatus
from ripieno.store.sqlite.transaction import Transaction
from ripieno.store.sqlite.verbs import fenced, finish

# The first request stands: its time starts the grace.
REQUEST = """
UPDATE runs SET cancel_at = :now, cancel_by = :by, cancel_reason = :reason, updated_at = :now
WHERE id = :id AND cancel_at IS NULL
"""

LIVE_CHILDREN = "SELECT id FROM runs WHERE parent_id = ? AND ended_at IS NULL"


def cancel(tx: Transaction, tenant: str, run_id: str, by: str, reason: str) -> tuple[Run, list[str]]:
    """Cancel a run; answers how it now stands and which children must follow. Raises `NotFound` and `RunEnded`."""
    row = fenced.of_tenant(tx, tenant, run_id)
    if row["status"] in TERMINAL and row["status"] != RunStatus.CANCELLED:
        raise RunEnded(run_id, row["status"])
    children = _stop(tx, row, by, reason)
    run = fenced.whole(tx, tenant, run_id)
    if row["cancel_at"] is None and run.cancel_at is not None:
        tx.audit((tenant, by), CANCEL_RUN, run_id, {"reason": reason} if reason else None)
    return run, children


def follow(tx: Transaction, tenant: str, run_id: str, by: str, reason: str) -> list[str]:
    """Cancel a child of a cancelled run, if it has not ended; answers its own children."""
    return _stop(tx, fenced.of_tenant(tx, tenant, run_id), by, reason)


def _stop(tx: Transaction, run: Row, by: str, reason: str) -> list[str]:
    if run["status"] not in TERMINAL:
        asked = tx.run(REQUEST, {"id": run["id"], "by": by, "reason": reason, "now": tx.micros})
        if run["status"] != RunStatus.RUNNING:
            finish.cancel(tx, run, by, reason)
        elif asked:
            tx.hint(run["id"], HintKind.CONTROL)
    return [child["id"] for child in tx.all(LIVE_CHILDREN, (run["id"],))]
