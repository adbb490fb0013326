"""Which runs `MemoryJournal` gives to a claim."""

from collections import Counter
from collections.abc import Sequence

from ripieno.domain.runs import Run, RunStatus
from ripieno.store.queue import lane_rank
from ripieno.store.rotation import TENANTS, Candidate, Load, Turn, Wish, choose, in_order, last_served, place
from ripieno.testing.memory_state import Draft, Memory


def choose_runs(draft: Draft, wish: Wish, memory: Memory) -> list[Run]:
    """The runs to take, in the queue's order. Whom the next claim serves first is kept in the memory."""
    for suspects, asked in in_order(wish):
        if runs := _from(draft, asked, memory, suspects=suspects):
            return runs
    return []


def _from(draft: Draft, wish: Wish, memory: Memory, *, suspects: bool) -> list[Run]:
    ready = [state.run for state in draft.runs.values() if _claimable(state.run, suspects=suspects)]
    left = _in_turn({run.tenant for run in ready}, memory.served)
    busy = (state.run for state in draft.runs.values() if state.run.status is RunStatus.RUNNING)
    loads = [Load(*key, many) for key, many in Counter((run.tenant, run.target) for run in busy).items()]
    while left:
        served = [Turn(tenant, memory.max_running.get(tenant, wish.terms.tenant_running)) for tenant in left[:TENANTS]]
        chosen = set(choose(wish, served, _candidates(ready, served, wish), loads))
        memory.served = last_served(served, (run.tenant for run in ready if run.id in chosen))
        if chosen:
            return sorted((run for run in ready if run.id in chosen), key=place)
        left = left[TENANTS:]
    return []


def _claimable(run: Run, *, suspects: bool) -> bool:
    return run.status is RunStatus.QUEUED and run.after_id is None and (run.deaths > 0) is suspects


def _in_turn(tenants: set[str], after: str) -> list[str]:
    return sorted(tenants, key=lambda tenant: (tenant <= after, tenant))


def _candidates(ready: Sequence[Run], served: Sequence[Turn], wish: Wish) -> list[Candidate]:
    last = lane_rank(wish.terms.lane)
    return [
        Candidate(run.id, run.tenant, run.target)
        for turn in served
        for run in sorted((run for run in ready if run.tenant == turn.tenant), key=place)
        if lane_rank(run.lane) <= last
    ]
