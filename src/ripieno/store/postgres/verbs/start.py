"""Start: a new queued run, and its session where that is new."""

from collections.abc import Sequence

from ripieno.domain import jsons
from ripieno.domain.hints import HintKind
from ripieno.domain.runs import NewRun
from ripieno.store.bodies import dump
from ripieno.store.postgres.database import Transaction
from ripieno.store.queue import FORMAT, lane_rank

NEW_RUN = (
    "id text, tenant text, kind text, target text, target_version text, session_id text, root_id text, parent_id text, "
    "parent_key text, input json, created_by text, deadline timestamptz, lane text, lane_rank int, priority int, "
    "dry_run bool, metadata json"
)
"""A run as `parameters` describes it, with types."""

NEW_RUN_NAMES = ", ".join(column.split()[0] for column in NEW_RUN.split(", "))

# A run starts with nothing written, nothing received, nobody owning it. An id that exists is left as it is. Sessions
# come after runs and in order, so that two transactions never wait for each other.
INSERT = f"""
inserted AS (
  INSERT INTO runs (
    {NEW_RUN_NAMES}, status, created_at, updated_at, epoch, claimed_seq, deaths, last_seq, inbox_seq, generation,
    format, hold, waits
  )
  SELECT {NEW_RUN_NAMES}, 'queued', now, now, 0, 0, 0, 0, 0, 1, {FORMAT}, false, '[]' FROM new, stamp ORDER BY id
  ON CONFLICT (id) DO NOTHING
  RETURNING id, tenant, session_id, kind, target, parent_id, created_by
), touched AS (
  INSERT INTO sessions (tenant, id, created_by, created_at, updated_at)
  SELECT DISTINCT ON (tenant, session_id) tenant, session_id, created_by, now, now
  FROM inserted, stamp ORDER BY tenant, session_id
  ON CONFLICT (tenant, id) DO UPDATE SET updated_at = excluded.updated_at
), told AS (
  INSERT INTO outbox (tenant, type, run_id, body, at)
  SELECT tenant, 'run.created', id, json_build_object(
    'kind', kind, 'target', target, 'session_id', session_id, 'parent_id', parent_id, 'created_by', created_by
  ), now
  FROM inserted, stamp
)
"""  # noqa: S608 - constants
"""The run, its session and the news of it; `new` and `stamp` come before."""

_ARRAYS = ", ".join(f"${number}::{column.split()[1]}[]" for number, column in enumerate(NEW_RUN.split(", "), start=2))

START = f"""
WITH stamp AS MATERIALIZED (SELECT coalesce($1::timestamptz, clock_timestamp()) AS now),
new ({NEW_RUN_NAMES}) AS (SELECT * FROM unnest({_ARRAYS})),
{INSERT}
SELECT id FROM inserted
"""  # noqa: S608


async def start(tx: Transaction, run: NewRun) -> bool:
    """Insert the run; False when its id exists."""
    (new,) = await start_all(tx, [run])
    return new


async def start_all(tx: Transaction, runs: Sequence[NewRun]) -> list[bool]:
    """Insert runs; False for each whose id exists, or came before it."""
    columns = zip(*map(parameters, runs), strict=True)
    left = {row["id"] for row in await tx.all(START, tx.now, *columns)}
    started: list[bool] = []
    for run in runs:
        started.append(run.id in left)
        if run.id in left:
            left.remove(run.id)
            tx.hint(run.id, HintKind.WORK, HintKind.STATUS)
    return started


def parameters(run: NewRun) -> tuple[object, ...]:
    """The columns of NEW_RUN. Raises `Invalid`."""
    return (
        run.id,
        run.tenant,
        run.kind,
        run.target,
        run.target_version,
        run.session_id,
        run.root_id or run.id,
        run.parent_id,
        run.parent_key,
        dump(jsons.encode(run.input)),
        run.created_by,
        run.deadline,
        run.lane,
        lane_rank(run.lane),
        run.priority,
        run.dry_run,
        dump(run.metadata),
    )
