"""Finish: the last entry of a run, and all that its end means to others, in one statement.

The statement reads rows that others insert under the run's lock (messages, questions, intents). Had one of them
committed after the statement began and before it had the lock, it would miss their rows: then it does nothing, says so,
and is sent again.
"""

from ripieno.domain import dead_letters, jsons, mail
from ripieno.domain.entries import Entry, EntryType, NewEntry, ending_key
from ripieno.domain.hints import HintKind
from ripieno.domain.runs import OVERDUE, ExitReason, RunError, RunResult, RunStatus
from ripieno.store.bodies import dump
from ripieno.store.postgres.connections import Row
from ripieno.store.postgres.database import Transaction
from ripieno.store.postgres.verbs.bury import BURY
from ripieno.store.postgres.verbs.fenced import ENDED, WAITING
from ripieno.store.postgres.verbs.give_back import GIVE_BACK
from ripieno.store.postgres.verbs.spend import SETTLE_REST

CHILD_ENDED = "child.ended"

TRIES = 20

GENERATION = "SELECT generation FROM runs WHERE id = $1"

# $3 is the epoch of the leg that ends its run; without it the run has no leg, or loses it, and gets a new epoch.
END = f"""
WITH locked AS MATERIALIZED (
  SELECT id, tenant, status, epoch, last_seq, inbox_seq, parent_id, hold, updated_at, after_id, next_id FROM runs
  WHERE id = ANY((SELECT ARRAY[id, parent_id, after_id, next_id] FROM runs WHERE id = $2)::text[])
  ORDER BY id FOR NO KEY UPDATE
),
stamp AS MATERIALIZED (
  SELECT coalesce($1::timestamptz, clock_timestamp()) AS now FROM (SELECT count(*) FROM locked) AS after_the_locks
),
mine AS MATERIALIZED (
  SELECT * FROM locked
  WHERE id = $2 AND status NOT IN {ENDED} AND ($3::int IS NULL OR (epoch = $3 AND status = 'running'))
),
fit AS MATERIALIZED (
  SELECT mine.* FROM mine JOIN runs AS seen ON seen.id = mine.id
    AND (seen.epoch, seen.last_seq, seen.inbox_seq, seen.updated_at)
      = (mine.epoch, mine.last_seq, mine.inbox_seq, mine.updated_at)
    AND (seen.after_id, seen.next_id) IS NOT DISTINCT FROM (mine.after_id, mine.next_id)
),
ended AS (
  UPDATE runs SET status = $6, exit_reason = $7, result = $8, last_seq = fit.last_seq + 1,
    epoch = coalesce($3, fit.epoch + 1), owner = NULL, deaths = 0, waits = '[]', wake_at = NULL, ended_at = stamp.now,
    updated_at = stamp.now, after_id = NULL, next_id = NULL
  FROM fit, stamp WHERE runs.id = fit.id
  RETURNING runs.id, runs.tenant, runs.last_seq, runs.epoch, runs.parent_id
),
next AS (  -- of its session: what waited for it waits for what it waited for itself
  UPDATE runs SET after_id = fit.after_id, updated_at = stamp.now FROM fit, stamp WHERE runs.id = fit.next_id
  RETURNING runs.id, runs.after_id IS NULL AND runs.status = 'queued' AS begins
),
before AS (
  UPDATE runs SET next_id = fit.next_id, updated_at = stamp.now FROM fit, stamp WHERE runs.id = fit.after_id
),
written AS (
  INSERT INTO entries (run_id, seq, key, type, v, body, at, epoch)
  SELECT ended.id, ended.last_seq, $4, $5, 1, $9::json, stamp.now, ended.epoch FROM ended, stamp
),
void AS (
  UPDATE interrupts SET status = 'void' FROM fit WHERE interrupts.run_id = fit.id AND interrupts.status = 'pending'
),
dropped AS (
  UPDATE inbox SET state = 'undelivered' FROM fit WHERE inbox.run_id = fit.id AND inbox.state = 'unread'
),
lost AS (  -- nobody is left who could say whether these happened
  UPDATE effects SET state = 'unknown' FROM fit WHERE effects.run_id = fit.id AND effects.state = 'intended'
),
{BURY},
{GIVE_BACK},
{SETTLE_REST},
told AS (
  INSERT INTO outbox (tenant, type, run_id, body, at)
  SELECT ended.tenant, 'run.ended', ended.id, json_build_object('status', $6::text, 'exit_reason', $7::text), stamp.now
  FROM ended, stamp
),
parent AS MATERIALIZED (
  SELECT locked.id, locked.status, locked.inbox_seq + 1 AS n, locked.status IN {WAITING} AND NOT locked.hold AS wakes
  FROM fit JOIN locked ON locked.id = fit.parent_id
  WHERE locked.status NOT IN {ENDED}
    AND NOT EXISTS (SELECT FROM inbox WHERE inbox.run_id = locked.id AND inbox.dedupe = fit.id)
),
letter AS (
  INSERT INTO inbox (run_id, n, topic, dedupe, body, state, at)
  SELECT parent.id, parent.n, '{CHILD_ENDED}', $2, $10::json, 'unread', stamp.now FROM parent, stamp
),
heard AS (
  UPDATE runs SET inbox_seq = parent.n, updated_at = stamp.now,
    status = CASE WHEN parent.wakes THEN 'queued' ELSE runs.status END,
    waits = CASE WHEN parent.wakes THEN '[]' ELSE runs.waits END,
    wake_at = CASE WHEN parent.wakes THEN NULL ELSE runs.wake_at END
  FROM parent, stamp WHERE runs.id = parent.id
)
SELECT mine.id, ended.last_seq, ended.epoch, stamp.now, parent.id AS parent_id, parent.status AS parent_was,
  parent.wakes, next.id AS next_id, next.begins, mine.tenant, (SELECT array_agg(box) FROM boxes) AS boxes
FROM mine CROSS JOIN stamp LEFT JOIN ended ON true LEFT JOIN parent ON true LEFT JOIN next ON true
"""  # noqa: S608 - constants


async def finish(tx: Transaction, run_id: str, epoch: int | None, ending: NewEntry, result: RunResult) -> Entry | None:
    """End a run: its leg's with an `epoch`, else whoever has it. None when the epoch is over or the run has ended."""
    outcome = jsons.encode(result)
    body = {"run_id": run_id, "result": outcome}
    for _ in range(TRIES):
        row = await tx.one(
            END,
            tx.now,
            run_id,
            epoch,
            ending.key,
            ending.type,
            result.status,
            result.exit_reason,
            dump(outcome),
            dump(ending.body),
            dump(body),
            result.exit_reason in dead_letters.DEAD_REASONS,
            *_why(result),
        )
        if row is None:
            return None
        if row["last_seq"] is not None:
            tx.hint(run_id, HintKind.PROGRESS, HintKind.STATUS)
            _hint_others(tx, row)
            return Entry(run_id, row["last_seq"], ending.key, ending.type, ending.body, row["now"], row["epoch"])
    return None


async def cancel(tx: Transaction, run_id: str, by: str, reason: str) -> Entry | None:
    """End a run that has no leg, or whose leg is cut off: under a new epoch, as cancelled."""
    said = f"cancelled by {by}" + (f": {reason}" if reason else "")
    result = RunResult(RunStatus.CANCELLED, ExitReason.OPERATOR, error=RunError("cancelled", said))
    return await _end(tx, run_id, EntryType.RUN_CANCELLED, result)


async def end_overdue(tx: Transaction, run_id: str) -> Entry | None:
    """End a run that has no leg, because its deadline has passed."""
    return await _end(tx, run_id, EntryType.RUN_FAILED, OVERDUE)


async def _end(tx: Transaction, run_id: str, kind: EntryType, result: RunResult) -> Entry | None:
    row = await tx.one(GENERATION, run_id)
    key = ending_key(row["generation"] if row else 1)
    return await finish(tx, run_id, None, NewEntry(key, kind, {"result": jsons.encode(result)}), result)


def _why(result: RunResult) -> tuple[str, str]:
    return (result.error.code, result.error.detail) if result.error else (result.exit_reason.value, "")


def _hint_others(tx: Transaction, row: Row) -> None:
    for box in row["boxes"] or ():
        tx.hint(mail.bell(row["tenant"], box), HintKind.PROGRESS)
    if row["begins"]:
        tx.hint(row["next_id"], HintKind.WORK, HintKind.STATUS)
    if row["wakes"]:
        tx.hint(row["parent_id"], HintKind.WORK, HintKind.STATUS)
    elif row["parent_was"] == RunStatus.RUNNING:
        tx.hint(row["parent_id"], HintKind.CONTROL)
