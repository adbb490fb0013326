"""Start: a new queued run, and its session where that is new."""

from ripieno.domain import jsons
from ripieno.domain.hints import HintKind
from ripieno.domain.runs import NewRun
from ripieno.store.bodies import dump
from ripieno.store.queue import FORMAT, lane_rank
from ripieno.store.sqlite.rows import micros_or_none
from ripieno.store.sqlite.transaction import Transaction

# A run starts with nothing written, nothing received, nobody owning it. An id that exists is left as it is.
INSERT_RUN = """
INSERT INTO runs (
  id, tenant, kind, target, target_version, session_id, root_id, parent_id, parent_key, status, input, created_by,
  created_at, updated_at, deadline, epoch, claimed_seq, deaths, last_seq, inbox_seq, generation, format, hold, waits,
  lane, lane_rank, priority, dry_run, metadata
) VALUES (
  :id, :tenant, :kind, :target, :target_version, :session_id, :root_id, :parent_id, :parent_key, 'queued', :input,
  :created_by, :now, :now, :deadline, 0, 0, 0, 0, 0, 1, :format, 0, '[]', :lane, :lane_rank, :priority, :dry_run,
  :metadata
) ON CONFLICT (id) DO NOTHING
"""

# The session is touched by every new run in it.
UPSERT_SESSION = """
INSERT INTO sessions (tenant, id, created_by, created_at, updated_at) VALUES (?1, ?2, ?3, ?4, ?4)
ON CONFLICT (tenant, id) DO UPDATE SET updated_at = excluded.updated_at
"""


def start(tx: Transaction, run: NewRun) -> bool:
    """Insert the run; False when its id exists."""
    if not tx.run(INSERT_RUN, _parameters(run, tx.micros)):
        return False
    tx.run(UPSERT_SESSION, (run.tenant, run.session_id, run.created_by, tx.micros))
    created = {
        "kind": run.kind,
        "target": run.target,
        "session_id": run.session_id,
        "parent_id": run.parent_id,
        "created_by": run.created_by,
    }
    tx.tell(run.tenant, "run.created", run.id, created)
    tx.hint(run.id, HintKind.WORK, HintKind.STATUS)
    return True


def _parameters(run: NewRun, now: int) -> dict[str, object]:
    return {
        "id": run.id,
        "tenant": run.tenant,
        "kind": run.kind,
        "target": run.target,
        "target_version": run.target_version,
        "session_id": run.session_id,
        "root_id": run.root_id or run.id,
        "parent_id": run.parent_id,
        "parent_key": run.parent_key,
        "input": dump(jsons.encode(run.input)),
        "created_by": run.created_by,
        "now": now,
        "deadline": micros_or_none(run.deadline),
        "format": FORMAT,
        "lane": run.lane,
        "lane_rank": lane_rank(run.lane),
        "priority": run.priority,
        "dry_run": run.dry_run,
        "metadata": dump(run.metadata),
    }
