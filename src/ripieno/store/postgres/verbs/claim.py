"""Claim: make queued runs this worker's own, each under a new epoch, so that no tenant waits for another's queue.

Tenants are served in turn. A cursor walks over those that have queued runs by one index probe each, however long their
queues are; each gets an equal share of the free slots, by lane, priority and age.

Where a tenant may only have so many runs under way, its row is locked first and its running ones are counted in a
statement that begins after the lock: counted in the same statement, two claims at once would both see the old number.
"""

from collections.abc import Sequence
from datetime import datetime
from typing import NamedTuple

from ripieno.domain.hints import HintKind
from ripieno.domain.runs import Run
from ripieno.store.postgres.connections import Row
from ripieno.store.postgres.database import Transaction
from ripieno.store.postgres.rows import RUN_OF_RUNS, run_of
from ripieno.store.queue import FORMAT, lane_rank

TENANTS = 16
"""How many tenants one claim serves."""

# A loose index scan: each step asks the index for the first tenant after the one before. The walk goes round.
TURN = f"""
WITH RECURSIVE walk (tenant, step, wrapped) AS (
  (SELECT first.tenant, 1, first.wrapped FROM (
    (SELECT tenant, false AS wrapped FROM runs
     WHERE status = 'queued' AND NOT hold AND tenant > $1 ORDER BY tenant LIMIT 1)
    UNION ALL
    (SELECT tenant, true FROM runs WHERE status = 'queued' AND NOT hold ORDER BY tenant LIMIT 1)
  ) AS first ORDER BY first.wrapped LIMIT 1)
  UNION ALL
  SELECT next.tenant, walk.step + 1, next.wrapped
  FROM walk CROSS JOIN LATERAL (
    SELECT found.tenant, found.wrapped FROM (
      (SELECT tenant, walk.wrapped AS wrapped FROM runs
       WHERE status = 'queued' AND NOT hold AND tenant > walk.tenant ORDER BY tenant LIMIT 1)
      UNION ALL
      (SELECT tenant, true FROM runs
       WHERE status = 'queued' AND NOT hold AND NOT walk.wrapped ORDER BY tenant LIMIT 1)
    ) AS found ORDER BY found.wrapped LIMIT 1
  ) AS next
  WHERE walk.step < {TENANTS}
)
SELECT walk.tenant, min(walk.step) AS step, tenants.max_running
FROM walk LEFT JOIN tenants ON tenants.id = walk.tenant
WHERE NOT walk.wrapped OR walk.tenant <= $1
GROUP BY walk.tenant, tenants.max_running ORDER BY step
"""  # noqa: S608 - constants

# The worker must be alive, and its row must stay while it claims.
ALIVE = "SELECT id FROM workers WHERE id = $1 AND NOT dead FOR KEY SHARE"

LIMITED = "SELECT id FROM tenants WHERE id = ANY($1::text[]) ORDER BY id FOR UPDATE SKIP LOCKED"

TAKE = f"""
WITH me AS MATERIALIZED ({ALIVE}),
turn AS MATERIALIZED (SELECT * FROM unnest($3::text[], $4::int[], $5::int[]) AS given (tenant, share, max_running)),
picked AS MATERIALIZED (
  SELECT one.id FROM me CROSS JOIN turn CROSS JOIN LATERAL (
    SELECT id FROM runs
    WHERE runs.tenant = turn.tenant AND status = 'queued' AND NOT hold AND format <= {FORMAT}
    ORDER BY lane_rank, priority DESC, created_at, id
    LIMIT greatest(0, least(turn.share, turn.max_running - (
      SELECT count(*) FROM runs AS busy WHERE busy.tenant = turn.tenant AND busy.status = 'running'
    )))
    FOR NO KEY UPDATE SKIP LOCKED
  ) AS one
  LIMIT $6
),
stamp AS MATERIALIZED (SELECT coalesce($2::timestamptz, clock_timestamp()) AS now)
UPDATE runs SET status = 'running', owner = $1, epoch = epoch + 1, claimed_seq = last_seq, waits = '[]',
  wake_at = NULL, started_at = coalesce(started_at, stamp.now), updated_at = stamp.now
FROM picked, stamp WHERE runs.id = picked.id
RETURNING {RUN_OF_RUNS}
"""  # noqa: S608


class Turn(NamedTuple):
    """A tenant that has queued runs, and how many may be under way; None for any number."""

    tenant: str
    max_running: int | None


class Claim(NamedTuple):
    """Who claims, and how many runs at most."""

    worker_id: str
    slots: int


async def turns(tx: Transaction, after: str) -> list[Turn]:
    """The next tenants that have queued runs, in turn, beginning after the tenant `after`."""
    return [Turn(row["tenant"], row["max_running"]) for row in await tx.all(TURN, after)]


async def take(tx: Transaction, claim: Claim, served: Sequence[Turn]) -> list[Run]:
    """Take up to `slots` runs of these tenants, none of whom has a limit or all of whom are locked."""
    share = -(-claim.slots // len(served))
    tenants, limits = [turn.tenant for turn in served], [turn.max_running for turn in served]
    shares = [share] * len(served)
    rows = await tx.all(TAKE, claim.worker_id, tx.now, tenants, shares, limits, claim.slots)
    return _claimed(tx, rows)


async def take_within_limits(tx: Transaction, claim: Claim, served: Sequence[Turn]) -> list[Run] | None:
    """The same where some tenants have limits; None when others are just claiming for all of them."""
    limited = [turn.tenant for turn in served if turn.max_running is not None]
    held = {row["id"] for row in await tx.all(LIMITED, limited)}
    served = [turn for turn in served if turn.max_running is None or turn.tenant in held]
    return await take(tx, claim, served) if served else None


def _claimed(tx: Transaction, rows: Sequence[Row]) -> list[Run]:
    runs = sorted(map(run_of, rows), key=_place)  # RETURNING keeps no order
    for run in runs:
        tx.hint(run.id, HintKind.STATUS)
    return runs


def _place(run: Run) -> tuple[int, int, datetime, str]:
    return lane_rank(run.lane), -run.priority, run.created_at, run.id
