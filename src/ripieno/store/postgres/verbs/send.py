"""Send: a message into a run's inbox, which wakes the run if it waits."""

from datetime import datetime
from typing import NamedTuple

from ripieno.domain.errors import NotFound, RunEnded, StoreBusy
from ripieno.domain.hints import HintKind
from ripieno.domain.jsons import JsonObject
from ripieno.domain.runs import TERMINAL, RunStatus
from ripieno.store.bodies import dump
from ripieno.store.postgres.database import Transaction
from ripieno.store.postgres.verbs.fenced import ENDED, WAITING

TRIES = 20

# The counter moves whatever the status: a leg that is about to park sees that something came. Where another message
# came between the statement's beginning and its lock, it does nothing and is sent again: that one may be a double.
DELIVER = f"""
WITH locked AS MATERIALIZED (SELECT id, tenant, status, inbox_seq, hold FROM runs WHERE id = $2 FOR NO KEY UPDATE),
stamp AS MATERIALIZED (
  SELECT coalesce($1::timestamptz, clock_timestamp()) AS now FROM (SELECT count(*) FROM locked) AS after_the_lock
),
known AS MATERIALIZED (SELECT n FROM inbox WHERE run_id = $2 AND dedupe = $5),
fit AS MATERIALIZED (
  SELECT locked.*, locked.inbox_seq + 1 AS n, locked.status IN {WAITING} AND NOT locked.hold AS wakes
  FROM locked JOIN runs AS seen ON seen.id = locked.id AND seen.inbox_seq = locked.inbox_seq
  WHERE locked.tenant = $3 AND locked.status NOT IN {ENDED} AND NOT EXISTS (SELECT FROM known)
),
letter AS (
  INSERT INTO inbox (run_id, n, topic, dedupe, body, state, at)
  SELECT fit.id, fit.n, $4, $5, $6::json, 'unread', stamp.now FROM fit, stamp
),
heard AS (
  UPDATE runs SET inbox_seq = fit.n, updated_at = stamp.now,
    status = CASE WHEN fit.wakes THEN 'queued' ELSE runs.status END,
    waits = CASE WHEN fit.wakes THEN '[]' ELSE runs.waits END,
    wake_at = CASE WHEN fit.wakes THEN NULL ELSE runs.wake_at END
  FROM fit, stamp WHERE runs.id = fit.id
)
SELECT locked.tenant, locked.status, fit.n, fit.wakes, (SELECT n FROM known) AS known, stamp.now
FROM locked CROSS JOIN stamp LEFT JOIN fit ON true
"""  # noqa: S608 - constants


class Delivered(NamedTuple):
    """The message's number, and when it was written."""

    n: int
    at: datetime


async def send(tx: Transaction, tenant: str, run_id: str, topic: str, body: JsonObject, dedupe: str) -> Delivered:
    """Deliver a message; a double gets the number of the first. Raises `NotFound` and `RunEnded`."""
    for _ in range(TRIES):
        row = await tx.one(DELIVER, tx.now, run_id, tenant, topic, dedupe, dump(body))
        if row is None or row["tenant"] != tenant:
            raise NotFound("run", run_id)
        if row["status"] in TERMINAL:
            raise RunEnded(run_id, row["status"])
        if row["known"] is not None:
            return Delivered(row["known"], row["now"])
        if row["n"] is not None:
            if row["wakes"]:
                tx.hint(run_id, HintKind.WORK, HintKind.STATUS)
            elif row["status"] == RunStatus.RUNNING:
                tx.hint(run_id, HintKind.CONTROL)
            return Delivered(row["n"], row["now"])
    raise StoreBusy(f"{run_id} receives too much at once")
