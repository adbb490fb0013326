"""Who is next: the part of a claim that is the same in every store.

A store lists the tenants that have queued runs, in turn, and for each of them the runs that come first; `Choice` takes
what limits allow. It must be told of every run under way, and nobody else may claim meanwhile.
"""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import NamedTuple

from ripieno.domain.batches import ClaimTerms
from ripieno.domain.runs import Run
from ripieno.store.queue import lane_rank

TENANTS = 16
"""How many tenants one claim serves."""


class Turn(NamedTuple):
    """A tenant that has queued runs, and how many may be under way; None for any number."""

    tenant: str
    max_running: int | None


class Load(NamedTuple):
    """How many runs of an agent are under way for a tenant."""

    tenant: str
    target: str
    many: int


class Candidate(NamedTuple):
    """A run that may be claimed next."""

    id: str
    tenant: str
    target: str


@dataclass(frozen=True, slots=True)
class Wish:
    """Who claims, how many runs at most, on which terms."""

    worker_id: str
    slots: int
    terms: ClaimTerms


def in_order(wish: Wish) -> list[tuple[bool, Wish]]:
    """What to look through, one after the other: the usual runs, and one suspect; True for the latter."""
    looks = [(False, wish), (True, replace(wish, slots=min(wish.slots, 1)))]
    return looks[::-1] if wish.terms.suspects_first else looks


def share(slots: int, tenants: int) -> int:
    """How many of the slots each tenant may fill."""
    return -(-slots // tenants)


def is_limited(wish: Wish, served: Sequence[Turn]) -> bool:
    """Whether anything is limited that such a claim may take."""
    terms = wish.terms
    agents = terms.each_agent is not None or bool(terms.agent_running)
    return agents or any(turn.max_running is not None for turn in served)


def choose(wish: Wish, served: Sequence[Turn], candidates: Iterable[Candidate], loads: Iterable[Load]) -> list[str]:
    """The ids of the runs to take. Candidates come by tenant, in turn, and within a tenant in the queue's order."""
    rooms = _Rooms(wish, served, loads)
    return [candidate.id for candidate in candidates if rooms.take(candidate)]


def place(run: Run) -> tuple[int, int, datetime, str]:
    """The place of a run in its tenant's queue."""
    return lane_rank(run.lane), -run.priority, run.created_at, run.id


def last_served(served: Sequence[Turn], tenants: Iterable[str]) -> str:
    """The tenant after which the next claim begins: the last in turn that was given anything; else the last of all."""
    given = set(tenants)
    return next((turn.tenant for turn in reversed(served) if turn.tenant in given), served[-1].tenant)


class _Rooms:
    """What is left for each while runs are taken."""

    def __init__(self, wish: Wish, served: Sequence[Turn], loads: Iterable[Load]) -> None:
        tenants, agents = Counter[str](), Counter[str]()
        for load in loads:
            tenants[load.tenant] += load.many
            agents[load.target] += load.many
        each = share(wish.slots, len(served))
        self._slots = wish.slots
        self._tenants = {turn.tenant: _least(each, _left(turn.max_running, tenants[turn.tenant])) for turn in served}
        self._agents: dict[str, int | None] = {}
        self._running: Mapping[str, int] = agents
        self._terms = wish.terms

    def take(self, run: Candidate) -> bool:
        """Whether there is room for a run; it is then taken."""
        agent = self._agent(run.target)
        if self._slots <= 0 or self._tenants[run.tenant] <= 0 or (agent is not None and agent <= 0):
            return False
        self._slots -= 1
        self._tenants[run.tenant] -= 1
        self._agents[run.target] = None if agent is None else agent - 1
        return True

    def _agent(self, target: str) -> int | None:
        if target not in self._agents:
            limit = self._terms.agent_running.get(target, self._terms.each_agent)
            self._agents[target] = _left(limit, self._running[target])
        return self._agents[target]


def _left(limit: int | None, running: int) -> int | None:
    return None if limit is None else limit - running


def _least(one: int, other: int | None) -> int:
    return one if other is None else min(one, other)
