"""The boundaries at which a process can die: each commit of its journal, by a name that is the same in every life."""

import os
import signal
from collections import Counter
from collections.abc import Awaitable, Callable, Sequence
from typing import Any, TypeVar

from ripieno.domain.batches import ANY_RUN, Append, Claimed, ClaimTerms, Park, Pumped
from ripieno.domain.entries import Entry, NewEntry
from ripieno.domain.interrupts import Decision, Interrupt
from ripieno.domain.runs import NewRun, Run, RunResult
from ripieno.ports import Journal
from ripieno.testing.crashtest.plans import Fault, When
from ripieno.testing.crashtest.witness import Witness

T = TypeVar("T")


class Places:
    """Names runs by where they stand in their family, because their ids say nothing to a reader.

    The first run has no name, the second and later ones are `run2` and so on; a child has its parent's name and the key
    under which it was started: `g1/child/plan`.
    """

    def __init__(self, roots: Sequence[str]) -> None:
        self._names = {root: f"run{number}" if number > 1 else "" for number, root in enumerate(roots, 1)}

    def learn(self, run: Run | NewRun) -> None:
        """Remember where a run stands."""
        if run.parent_id is not None and run.parent_key is not None:
            self._names.setdefault(run.id, self.of(run.parent_id, run.parent_key))

    def of(self, run_id: str, key: str) -> str:
        """The name of a key of a run."""
        name = self._names.get(run_id, run_id)
        return f"{name}/{key}" if name else key


class FatalJournal:
    """A ring around a journal that tells the witness of each commit, and dies at its fault.

    A boundary is named for what is committed: the key of the first entry of an append, `end`, `start`, `park/1` for the
    first time that a run is let go, `claim/1` for the first time that it is taken, `pump/1` for the first turn of the
    pump that changed something, `KEY/decided` for a decision, `KEY/reserved` for what was set aside in a budget. All
    other methods pass through.
    """

    def __init__(self, inner: Journal, witness: Witness, places: Places, fault: Fault | None) -> None:
        self._inner = inner
        self._witness = witness
        self._places = places
        self._fault = fault
        self._parks: Counter[str] = Counter()
        self._claims: Counter[str] = Counter()
        self._pumps = 0
        self._questions: dict[str, str] = {}

    def __getattr__(self, name: str) -> Any:
        return getattr(self._inner, name)

    async def start(self, run: NewRun) -> bool:
        """See `ports.Journal`."""
        return await self._commit(self._places.of(run.id, "start"), lambda: self._inner.start(run))

    async def claim(self, worker_id: str, slots: int, terms: ClaimTerms = ANY_RUN) -> Sequence[Claimed]:
        """See `ports.Journal`."""
        claimed = await self._inner.claim(worker_id, slots, terms)
        for one in claimed:
            self._places.learn(one.run)
            self._claims[one.run.id] += 1
            self._passed(self._places.of(one.run.id, f"claim/{self._claims[one.run.id]}"))
        return claimed

    async def pump(self) -> Pumped:
        """See `ports.Journal`."""
        done = await self._inner.pump()
        if done != Pumped():
            self._pumps += 1
            self._passed(f"pump/{self._pumps}")
        return done

    async def append(self, batch: Append) -> Sequence[Entry]:
        """See `ports.Journal`."""
        for child in batch.children:
            self._places.learn(child)
        for question in batch.interrupts:
            self._questions[question.id] = self._places.of(batch.run_id, question.key)
        place = self._places.of(batch.run_id, _place(batch))
        facts = _facts(batch.run_id, batch.entries)
        return await self._commit(place, lambda: self._inner.append(batch), **facts)

    async def park(self, park: Park) -> bool:
        """See `ports.Journal`."""
        place = self._places.of(park.run_id, f"park/{self._parks[park.run_id] + 1}")
        parked = await self._commit(place, lambda: self._inner.park(park))
        self._parks[park.run_id] += parked
        return parked

    async def finish(self, run_id: str, epoch: int, ending: NewEntry, result: RunResult) -> Entry:
        """See `ports.Journal`."""
        place, facts = self._places.of(run_id, ending.key), _facts(run_id, (ending,))
        return await self._commit(place, lambda: self._inner.finish(run_id, epoch, ending, result), **facts)

    async def decide(self, tenant: str, interrupt_id: str, decision: Decision, roles: Sequence[str] = ()) -> Interrupt:
        """See `ports.Journal`."""
        place = f"{self._questions.get(interrupt_id, interrupt_id)}/decided"
        return await self._commit(place, lambda: self._inner.decide(tenant, interrupt_id, decision, roles))

    async def _commit(self, place: str, work: Callable[[], Awaitable[T]], **facts: Any) -> T:
        self._die_if(When.BEFORE, place)
        done = await work()
        if not _refused(done):
            self._passed(place, **facts)
        return done

    def _passed(self, place: str, **facts: Any) -> None:
        self._witness.tell("committed", place=place, **facts)
        self._die_if(When.AFTER, place)

    def _die_if(self, when: When, place: str) -> None:
        if self._fault == Fault(when, place):
            os.kill(os.getpid(), signal.SIGKILL)


def sides(place: str) -> tuple[When, ...]:
    """On which sides of a boundary a process can die. Before a claim or a pump it is after the commit before."""
    return (When.AFTER,) if place.rpartition("/")[0].endswith(("claim", "pump")) else tuple(When)


def _place(batch: Append) -> str:
    return batch.entries[0].key if batch.entries else f"{batch.reserves[0].key}/reserved"


def _refused(done: object) -> bool:
    """Whether nothing was committed: a run that exists already, a park that came too late."""
    return done is False


def _facts(run_id: str, entries: Sequence[NewEntry]) -> dict[str, Any]:
    told = [[entry.key, entry.type.value, entry.body.get("fingerprint")] for entry in entries]
    return {"run": run_id, "entries": told}
