"""Cancel: at once where there is no leg, by request where there is one; children follow."""

from ripieno.domain.errors import RunEnded
from ripieno.domain.hints import HintKind
from ripieno.domain.outbox import CANCEL_RUN
from ripieno.domain.runs import TERMINAL, Run, RunStatus
from ripieno.store.postgres.connections import Row
from ripieno.store.postgres.database import Transaction
from ripieno.store.postgres.verbs import fenced, finish

# The first request stands: its time starts the grace.
REQUEST = """
UPDATE runs SET cancel_at = stamp.now, cancel_by = $3, cancel_reason = $4, updated_at = stamp.now
FROM (SELECT coalesce($1::timestamptz, clock_timestamp()) AS now) AS stamp
WHERE id = $2 AND cancel_at IS NULL RETURNING id
"""

LIVE_CHILDREN = "SELECT id FROM runs WHERE parent_id = $1 AND ended_at IS NULL"


async def cancel(tx: Transaction, tenant: str, run_id: str, by: str, reason: str) -> tuple[Run, list[str]]:
    """Cancel a run; answers how it now stands and which children must follow. Raises `NotFound` and `RunEnded`."""
    row = await fenced.of_tenant(tx, tenant, run_id)
    if row["status"] in TERMINAL and row["status"] != RunStatus.CANCELLED:
        raise RunEnded(run_id, row["status"])
    children = await _stop(tx, row, by, reason)
    run = await fenced.whole(tx, tenant, run_id)
    if row["cancel_at"] is None and run.cancel_at is not None:
        await tx.audit((tenant, by), CANCEL_RUN, run_id, run.cancel_at, {"reason": reason} if reason else None)
    return run, children


async def follow(tx: Transaction, tenant: str, run_id: str, by: str, reason: str) -> list[str]:
    """Cancel a child of a cancelled run, if it has not ended; answers its own children."""
    return await _stop(tx, await fenced.of_tenant(tx, tenant, run_id), by, reason)


async def _stop(tx: Transaction, run: Row, by: str, reason: str) -> list[str]:
    run_id: str = run["id"]
    if run["status"] not in TERMINAL:
        asked = await tx.one(REQUEST, tx.now, run_id, by, reason)
        if run["status"] != RunStatus.RUNNING:
            await finish.cancel(tx, run_id, by, reason)
        elif asked is not None:
            tx.hint(run_id, HintKind.CONTROL)
    return [child["id"] for child in await tx.all(LIVE_CHILDREN, run_id)]
