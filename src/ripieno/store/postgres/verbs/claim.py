"""Claim: make queued runs this worker's own, each under a new epoch, so that no tenant waits for another's queue.

Tenants are served in turn. A cursor walks over those that have queued runs by one index probe each, however long their
queues are; each gets an equal share of the free slots, by lane, priority and age.

Where nothing is limited, any number of workers claim at once, and each passes over the rows that another has locked.
Where tenants or agents may only have so many runs under way, one claims after the other: what is running is counted in
a statement that begins after the lock. Counted in the same statement, two claims at once would both see the old number.
"""

from collections.abc import Sequence
from typing import NamedTuple

from ripieno.domain.hints import HintKind
from ripieno.domain.runs import Run
from ripieno.store.postgres.connections import Row
from ripieno.store.postgres.database import Transaction
from ripieno.store.postgres.rows import RUN_OF_RUNS, run_of
from ripieno.store.queue import FORMAT, READY, SUSPECT, lane_rank
from ripieno.store.rotation import TENANTS, Candidate, Load, Turn, Wish, choose, place, share

LOCK = 0x434C41494D
"""The letters of CLAIM."""


def _turn(rows: str) -> str:
    """The tenants that have such rows, in turn.

    A loose index scan: each step asks the index for the first tenant after the one before. The walk goes round.
    """
    return f"""
WITH RECURSIVE walk (tenant, step, wrapped) AS (
  (SELECT first.tenant, 1, first.wrapped FROM (
    (SELECT tenant, false AS wrapped FROM runs WHERE {rows} AND tenant > $1 ORDER BY tenant LIMIT 1)
    UNION ALL
    (SELECT tenant, true FROM runs WHERE {rows} ORDER BY tenant LIMIT 1)
  ) AS first ORDER BY first.wrapped LIMIT 1)
  UNION ALL
  SELECT next.tenant, walk.step + 1, next.wrapped
  FROM walk CROSS JOIN LATERAL (
    SELECT found.tenant, found.wrapped FROM (
      (SELECT tenant, walk.wrapped AS wrapped FROM runs WHERE {rows} AND tenant > walk.tenant ORDER BY tenant LIMIT 1)
      UNION ALL
      (SELECT tenant, true FROM runs WHERE {rows} AND NOT walk.wrapped ORDER BY tenant LIMIT 1)
    ) AS found ORDER BY found.wrapped LIMIT 1
  ) AS next
  WHERE walk.step < {TENANTS}
)
SELECT walk.tenant, min(walk.step) AS step, coalesce(tenants.max_running, $2::int) AS max_running
FROM walk LEFT JOIN tenants ON tenants.id = walk.tenant
WHERE NOT walk.wrapped OR walk.tenant <= $1
GROUP BY walk.tenant, tenants.max_running ORDER BY step
"""  # noqa: S608 - constants


def _candidates(rows: str) -> str:
    """The first such rows of each agent of these tenants: as many as a tenant may get, by tenant, in turn."""
    return f"""
WITH RECURSIVE turn AS MATERIALIZED (
  SELECT tenant, step FROM unnest($1::text[]) WITH ORDINALITY AS given (tenant, step)
),
pair (tenant, step, target) AS (
  SELECT turn.tenant, turn.step, (SELECT min(runs.target) FROM runs WHERE runs.tenant = turn.tenant AND {rows})
  FROM turn
  UNION ALL
  SELECT pair.tenant, pair.step, (
    SELECT min(runs.target) FROM runs WHERE runs.tenant = pair.tenant AND runs.target > pair.target AND {rows}
  )
  FROM pair WHERE pair.target IS NOT NULL
)
SELECT one.id, pair.tenant, pair.target FROM pair CROSS JOIN LATERAL (
  SELECT id, lane_rank, priority, created_at FROM runs
  WHERE runs.tenant = pair.tenant AND runs.target = pair.target AND {rows} AND lane_rank <= $2 AND format <= {FORMAT}
  ORDER BY lane_rank, priority DESC, created_at, id LIMIT $3
) AS one
ORDER BY pair.step, one.lane_rank, one.priority DESC, one.created_at, one.id
"""  # noqa: S608


LOADS = "SELECT tenant, target, count(*) AS many FROM runs WHERE status = 'running' GROUP BY tenant, target"

ONE_AT_A_TIME = "SELECT pg_advisory_xact_lock($1)"

# The worker must be alive, and its row must stay while it claims.
ALIVE = "SELECT id FROM workers WHERE id = $1 AND NOT dead FOR KEY SHARE"

OWN = f"""
stamp AS MATERIALIZED (SELECT coalesce($2::timestamptz, clock_timestamp()) AS now)
UPDATE runs SET status = 'running', owner = $1, epoch = epoch + 1, claimed_seq = last_seq, waits = '[]',
  wake_at = NULL, started_at = coalesce(started_at, stamp.now), updated_at = stamp.now
FROM picked, stamp WHERE runs.id = picked.id
RETURNING {RUN_OF_RUNS}
"""  # noqa: S608

TAKE = f"""
WITH me AS MATERIALIZED ({ALIVE}),
turn AS MATERIALIZED (SELECT tenant FROM unnest($3::text[]) AS given (tenant)),
picked AS MATERIALIZED (
  SELECT one.id FROM me CROSS JOIN turn CROSS JOIN LATERAL (
    SELECT id FROM runs
    WHERE runs.tenant = turn.tenant AND {READY} AND lane_rank <= $4 AND format <= {FORMAT}
    ORDER BY lane_rank, priority DESC, created_at, id LIMIT $5
    FOR NO KEY UPDATE SKIP LOCKED
  ) AS one
  LIMIT $6
),
{OWN}
"""  # noqa: S608

TAKE_THESE = f"""
WITH me AS MATERIALIZED ({ALIVE}),
picked AS MATERIALIZED (
  SELECT one.id FROM me CROSS JOIN LATERAL (
    SELECT id FROM runs WHERE id = ANY($3::text[]) AND status = 'queued' AND NOT hold AND after_id IS NULL
    ORDER BY id FOR NO KEY UPDATE SKIP LOCKED
  ) AS one
),
{OWN}
"""  # noqa: S608


class Queue(NamedTuple):
    """The statements over one sort of claimable runs."""

    turn: str
    candidates: str


USUAL, SUSPECTS = (Queue(_turn(rows), _candidates(rows)) for rows in (READY, SUSPECT))


async def turns(tx: Transaction, queue: Queue, wish: Wish, after: str) -> list[Turn]:
    """The next tenants that have queued runs, in turn, beginning after the tenant `after`."""
    rows = await tx.all(queue.turn, after, wish.terms.tenant_running)
    return [Turn(row["tenant"], row["max_running"]) for row in rows]


async def take(tx: Transaction, wish: Wish, served: Sequence[Turn]) -> list[Run]:
    """Take up to `slots` runs of these tenants; nothing is limited."""
    tenants, rank = [turn.tenant for turn in served], lane_rank(wish.terms.lane)
    each = share(wish.slots, len(served))
    return _claimed(tx, await tx.all(TAKE, wish.worker_id, tx.now, tenants, rank, each, wish.slots))


async def take_within_limits(tx: Transaction, queue: Queue, wish: Wish, served: Sequence[Turn]) -> list[Run]:
    """The same where there are limits."""
    await tx.one(ONE_AT_A_TIME, LOCK)
    loads = [Load(*row) for row in await tx.all(LOADS)]
    tenants, rank = [turn.tenant for turn in served], lane_rank(wish.terms.lane)
    rows = await tx.all(queue.candidates, tenants, rank, share(wish.slots, len(served)))
    chosen = choose(wish, served, [Candidate(*row) for row in rows], loads)
    return _claimed(tx, await tx.all(TAKE_THESE, wish.worker_id, tx.now, chosen)) if chosen else []


def _claimed(tx: Transaction, rows: Sequence[Row]) -> list[Run]:
    runs = sorted(map(run_of, rows), key=place)  # RETURNING keeps no order
    for run in runs:
        tx.hint(run.id, HintKind.STATUS)
    return runs
