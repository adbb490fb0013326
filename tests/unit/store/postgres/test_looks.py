"""What is looked up each second, by each worker, reads the few rows that it is about, however many runs there are."""

import json
from collections.abc import Iterator
from typing import Any

import asyncpg
import pytest

from ripieno.store import mailboxes
from ripieno.store.postgres.connections import SERVER_SETTINGS
from ripieno.store.postgres.frames import statement
from ripieno.store.postgres.verbs import fenced, pump
from tests.servers import postgres, postgres_database

pytestmark = postgres.NEEDS

RUNS = """
INSERT INTO runs (
  id, tenant, kind, target, target_version, session_id, root_id, parent_id, status, input, created_by, created_at,
  updated_at, ended_at, epoch, claimed_seq, deaths, last_seq, inbox_seq, generation, format, hold, waits, wake_at, lane,
  lane_rank, priority, dry_run, metadata
)
SELECT md5(i::text), 't', 'agent', 'a', 'v', 's', 'r', CASE WHEN i <= 2000 THEN md5((i + 2000)::text) END,
  CASE WHEN i <= 4000 THEN 'waiting' ELSE 'completed' END, '{}', 'me', now(), now(), CASE WHEN i > 4000 THEN now() END,
  1, 0, 0, 1, 0, 1, 1, false, '[]', CASE WHEN i <= 4000 THEN now() + interval '1 day' END, 'default', 1, 0, false, '{}'
FROM generate_series(1, 20000) AS i
"""

WAITERS = """
INSERT INTO mail_waiters (run_id, key, box, tenant, since)
SELECT id, 'k', 'agent/a', 't', now() FROM runs WHERE parent_id IS NOT NULL
"""

LOOKS = {
    "timers": (pump.WAKE, (None,), 0),
    "deadlines of paused runs": (pump.OVERDUE, (None,), 0),
    "a run and those that its end changes": (
        fenced.LOCK,
        (["8f14e45fceea167a5a36dedd4bea2543"],),
        8,
    ),
    "children left behind": (pump.LEFT_BEHIND, (), 6000),
    "those who wait for nothing": (statement(mailboxes.FORGET_WAITERS)[0], (), 6000),
}


@pytest.mark.parametrize("look", LOOKS)
async def test_few_rows_are_read(look: str):
    sql, parameters, most = LOOKS[look]
    connection = await asyncpg.connect(await postgres_database.empty(), server_settings=SERVER_SETTINGS)
    try:
        for prepare in (RUNS, WAITERS, "ANALYZE"):
            await connection.execute(prepare)
        plan = await connection.fetchval(f"EXPLAIN (ANALYZE, FORMAT JSON) {sql}", *parameters)
    finally:
        await connection.close()
    assert sum(map(read, nodes(json.loads(plan)[0]["Plan"]))) <= most


def nodes(plan: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """A node of a plan, and all below it."""
    yield plan
    for below in plan.get("Plans", ()):
        yield from nodes(below)


def read(node: dict[str, Any]) -> int:
    """How many rows of a table were looked at."""
    if "Relation Name" not in node or "Scan" not in node["Node Type"]:
        return 0
    return (node["Actual Rows"] + node.get("Rows Removed by Filter", 0)) * node["Actual Loops"]
