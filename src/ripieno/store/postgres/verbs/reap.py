"""Reap: take the runs of workers that fell silent.

First the silent workers are declared dead, and that is committed: from then on none of them can beat or claim. Then
their runs are taken, slice by slice. A worker that was declared dead while a claim of it was under way keeps no run by
that: it stays dead, and its runs are looked for each time.
"""

from datetime import timedelta

from ripieno.domain.hints import HintKind
from ripieno.store.postgres.database import Transaction
from ripieno.store.postgres.verbs import fenced, finish

SLICE = 200

DECLARE = """
WITH silent AS MATERIALIZED (
  SELECT id FROM workers WHERE NOT dead AND seen_at < clock_timestamp() - $1::interval
  ORDER BY id FOR NO KEY UPDATE SKIP LOCKED
)
UPDATE workers SET dead = true FROM silent WHERE workers.id = silent.id RETURNING workers.id
"""

# Worker names are never used again, so who is dead here stays dead while their runs are taken.
BEREFT = """
WITH RECURSIVE owners (owner) AS (
  (SELECT owner FROM runs WHERE status = 'running' AND owner IS NOT NULL ORDER BY owner LIMIT 1)
  UNION ALL
  SELECT (
    SELECT runs.owner FROM runs WHERE status = 'running' AND runs.owner > owners.owner ORDER BY runs.owner LIMIT 1
  )
  FROM owners WHERE owners.owner IS NOT NULL
)
SELECT owner FROM owners
WHERE owner IS NOT NULL AND NOT EXISTS (SELECT FROM workers WHERE workers.id = owners.owner AND NOT workers.dead)
"""

# A leg that took no step forward may be what killed its worker; one that did ends the row of deaths. An intent is no
# step: the act is what kills.
TAKE = f"""
WITH bereft AS MATERIALIZED (
  SELECT id FROM runs WHERE status = 'running' AND owner = ANY($2::text[]) AND cancel_at IS NULL
  ORDER BY id LIMIT {SLICE} FOR NO KEY UPDATE SKIP LOCKED
)
UPDATE runs SET status = CASE WHEN hold THEN 'paused' ELSE 'queued' END, owner = NULL, epoch = epoch + 1,
  deaths = CASE WHEN EXISTS (
    SELECT FROM entries WHERE entries.run_id = runs.id AND seq > claimed_seq AND type <> 'effect.intended'
  ) THEN 0 ELSE deaths + 1 END,
  updated_at = coalesce($1::timestamptz, clock_timestamp())
FROM bereft WHERE runs.id = bereft.id RETURNING runs.id, runs.hold
"""  # noqa: S608 - constants

STOPPING = f"""
SELECT id, epoch FROM runs
WHERE status = 'running' AND owner = ANY($1::text[]) AND cancel_at IS NOT NULL ORDER BY id LIMIT {SLICE}
"""  # noqa: S608

# What an alive worker owns and has no leg for: the answer to its claim was lost.
FORGOTTEN = "SELECT id, epoch FROM runs WHERE status = 'running' AND owner = $1 AND id <> ALL($2::text[])"

BURY = """
DELETE FROM workers
WHERE dead AND seen_at < clock_timestamp() - interval '1 hour'
  AND NOT EXISTS (SELECT FROM runs WHERE runs.status = 'running' AND runs.owner = workers.id)
"""


async def declare(tx: Transaction, lease: timedelta) -> list[str]:
    """Declare dead whoever was silent for a lease; answers their names."""
    return [row["id"] for row in await tx.all(DECLARE, lease)]


async def bereft(tx: Transaction) -> list[str]:
    """The owners of running runs that are not alive."""
    return [row["owner"] for row in await tx.all(BEREFT)]


async def take(tx: Transaction, owners: list[str]) -> int:
    """Give a slice of the runs of dead owners back to the queue under new epochs; answers how many."""
    rows = await tx.all(TAKE, tx.now, owners)
    for row in rows:
        tx.hint(row["id"], HintKind.STATUS)
        if not row["hold"]:
            tx.hint(row["id"], HintKind.WORK)
    return len(rows)


async def end(tx: Transaction, run_id: str, epoch: int) -> int:
    """End a run that was being cancelled when its worker died; 0 when somebody else did."""
    run = await fenced.owned(tx, run_id, epoch)
    if run is None:
        return 0
    await finish.cancel(tx, run_id, run["cancel_by"], run["cancel_reason"])
    return 1
