"""Claim: make queued runs this worker's own, each under a new epoch, so that no tenant waits for another's queue."""

from collections.abc import Iterator, Sequence
from sqlite3 import Row
from typing import NamedTuple

from ripieno.domain.hints import HintKind
from ripieno.domain.runs import Run
from ripieno.store.columns import RUN_COLUMNS
from ripieno.store.queue import FORMAT, READY, SUSPECT, lane_rank
from ripieno.store.rotation import (
    TENANTS,
    Candidate,
    Load,
    Turn,
    Wish,
    choose,
    in_order,
    is_limited,
    last_served,
    place,
    share,
)
from ripieno.store.sqlite.rows import run_of
from ripieno.store.sqlite.transaction import Transaction

LOADS = "SELECT tenant, target, count(*) AS many FROM runs WHERE status = 'running' GROUP BY tenant, target"

LIMIT = "SELECT max_running FROM tenants WHERE id = ?"

TAKE = f"""
UPDATE runs SET status = 'running', owner = ?1, epoch = epoch + 1, claimed_seq = last_seq, waits = '[]',
  wake_at = NULL, started_at = coalesce(started_at, ?2), updated_at = ?2
WHERE id = ?3 RETURNING {RUN_COLUMNS}
"""  # noqa: S608 - constants


class Queue(NamedTuple):
    """The statements over one sort of claimable runs. The index of the sort has its rows in this order."""

    next_tenant: str
    next_agent: str
    first: str


def _queue(index: str, rows: str) -> Queue:
    """The queue that an index holds."""
    of = f"FROM runs INDEXED BY {index} WHERE {rows}"
    return Queue(
        f"SELECT tenant {of} AND tenant > ? ORDER BY tenant LIMIT 1",
        f"SELECT target {of} AND tenant = ? AND target > ? ORDER BY target LIMIT 1",
        f"SELECT id, tenant, target, lane_rank, priority, created_at {of} AND tenant = ? AND target = ? "
        f"AND lane_rank <= ? AND format <= {FORMAT} ORDER BY lane_rank, priority DESC, created_at, id LIMIT ?",
    )


USUAL, SUSPECTS = _queue("runs_agents", READY), _queue("runs_suspects", SUSPECT)


def claim(tx: Transaction, wish: Wish, after: str) -> tuple[list[Run], str]:
    """Take up to `slots` runs, beginning with the tenants after `after`; answers where the next claim begins."""
    for suspects, asked in in_order(wish):
        runs, after = _from(tx, SUSPECTS if suspects else USUAL, asked, after)
        if runs:
            return runs, after
    return [], after


def _from(tx: Transaction, queue: Queue, wish: Wish, after: str) -> tuple[list[Run], str]:
    """Go round the tenants until something can be taken or all were looked at."""
    seen: set[str] = set()
    while served := _turns(tx, queue, wish, after):
        loads = [Load(*row) for row in tx.all(LOADS)] if is_limited(wish, served) else []
        chosen = choose(wish, served, _candidates(tx, queue, wish, served), loads)
        if chosen:
            runs = [_take(tx, wish.worker_id, run_id) for run_id in chosen]
            return sorted(runs, key=place), last_served(served, (run.tenant for run in runs))
        after = served[-1].tenant
        if len(served) < TENANTS or seen.intersection(turn.tenant for turn in served):
            break
        seen.update(turn.tenant for turn in served)
    return [], after


def _turns(tx: Transaction, queue: Queue, wish: Wish, after: str) -> list[Turn]:
    """The next tenants that have queued runs; the walk goes round."""
    names: list[str] = []
    at, wrapped = after, False
    while len(names) < TENANTS:
        row = tx.one(queue.next_tenant, (at,))
        if row is not None and not (wrapped and row["tenant"] > after):
            names.append(at := row["tenant"])
        elif wrapped:
            break
        else:
            at, wrapped = "", True
    return [Turn(name, _limit(tx, name, wish)) for name in names]


def _limit(tx: Transaction, tenant: str, wish: Wish) -> int | None:
    row = tx.one(LIMIT, (tenant,))
    own: int | None = row["max_running"] if row else None
    return wish.terms.tenant_running if own is None else own


def _candidates(tx: Transaction, queue: Queue, wish: Wish, served: Sequence[Turn]) -> Iterator[Candidate]:
    """The first runs of each agent of each tenant, as one queue a tenant."""
    rank, many = lane_rank(wish.terms.lane), share(wish.slots, len(served))
    for turn in served:
        rows: list[Row] = []
        agent = tx.one(queue.next_agent, (turn.tenant, ""))
        while agent is not None:
            rows += tx.all(queue.first, (turn.tenant, agent["target"], rank, many))
            agent = tx.one(queue.next_agent, (turn.tenant, agent["target"]))
        rows.sort(key=_place)
        yield from (Candidate(row["id"], row["tenant"], row["target"]) for row in rows)


def _take(tx: Transaction, worker_id: str, run_id: str) -> Run:
    tx.hint(run_id, HintKind.STATUS)
    return run_of(tx.all(TAKE, (worker_id, tx.micros, run_id))[0])


def _place(row: Row) -> tuple[int, int, int, str]:
    return row["lane_rank"], -row["priority"], row["created_at"], row["id"]
