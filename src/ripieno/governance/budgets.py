"""What this process holds of budgets, and what it hands out of that before each act.

A budget is shared by many workers, so each leases chunks of it from the books and reserves out of them in memory: no
act waits for another process unless the chunk is used up. `booked` of a chunk is never less than what its reservations
in the journal add up to: it grows before they are written and shrinks after they are settled. So whatever is over it
may be given back at any time.

Chunks of a process that has gone are taken by the others (`SILENT_SECONDS`). One that was only slow must not go on with
what is no longer its own: it hands out nothing of a chunk that was not confirmed for half that time, and takes from
others only after it was heard itself for the whole of it, so that nobody is robbed after an outage of the database.
"""

import asyncio
import logging
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Protocol

from ripieno.domain import ids
from ripieno.domain.budgets import (
    NOTHING,
    Amount,
    Budget,
    BudgetState,
    Chunk,
    Raise,
    Reservation,
    RunBudget,
    Shortage,
    UsageGroup,
    UsageRow,
    Window,
    Wish,
)
from ripieno.domain.errors import StoreBusy
from ripieno.domain.runs import Run
from ripieno.ports import Clock

log = logging.getLogger(__name__)

TURN_SECONDS = 1.0
"""What somebody set in another process is known here after so long."""

IDLE_SECONDS = 2.0
SILENT_SECONDS = 30.0
PATIENCE_SECONDS = 30.0
"""How long an act waits for others to give back what they do not need."""

LOOK_SECONDS = 0.25


class Books(Protocol):
    """Budgets as they are kept. Workers lease chunks of them; what they do with a chunk the journal knows."""

    async def budgets(self) -> Sequence[Budget]:
        """Those that somebody set, of all tenants."""
        ...

    async def put(self, budget: Budget) -> Budget:
        """Set one, in place of what was set for its scope and window before."""
        ...

    async def remove(self, tenant: str, scope: str, window: Window, by: str) -> None:
        """Remove one. Raises `NotFound`."""
        ...

    async def states(self, budgets: Sequence[Budget]) -> Sequence[BudgetState]:
        """How these stand now, in their order."""
        ...

    async def raise_by(self, more: Raise) -> None:
        """Allow more in one window of a budget; nothing happens when this was done before."""
        ...

    async def reserved(self, tenant: str, run_id: str) -> Sequence[Reservation]:
        """The reservations of a run that are not settled."""
        ...

    async def usage(self, tenant: str, by: UsageGroup, since: datetime, until: datetime) -> Sequence[UsageRow]:
        """What runs used, under budgets or not, by group."""
        ...

    async def lease(self, wish: Wish, holder: str) -> Chunk | Shortage | None:
        """Take a part of a budget, or hear why there is too little; None when it limits nothing any more."""
        ...

    async def give_back(self, chunk_id: str) -> None:
        """Close a chunk of which nothing is reserved by this process any more."""
        ...

    async def shrink(self, chunk_id: str, keep: Amount) -> None:
        """Give back what of a chunk is over `keep`."""
        ...

    async def renew(self, chunk_ids: Sequence[str]) -> tuple[frozenset[str], frozenset[str]]:
        """Say that their holder lives: which of them it still has, and which of those others wait for."""
        ...

    async def reclaim(self, seconds: float) -> int:
        """Take the chunks that nobody has confirmed for so long; answers how many."""
        ...


@dataclass(slots=True)
class _Held:
    """A chunk. `size` is what of it is still held, `seen` when it was confirmed; acts `under_way` draw on it."""

    chunk: Chunk
    size: Amount
    seen: float
    drawn: float
    booked: Amount = NOTHING
    under_way: set[tuple[str, str]] = field(default_factory=set[tuple[str, str]])

    def has(self, need: Amount) -> bool:
        """Whether it holds so much more of what is limited."""
        after = self.booked + need
        return all(after.of(measure) <= self.size.of(measure) for measure in self.chunk.budget.caps.measures)

    def within(self, need: Amount) -> Amount:
        """What of a need it holds; all of what is not limited."""
        limited, rest = self.chunk.budget.caps.measures, self.size - self.booked
        return Amount.with_each(
            lambda measure: min(need.of(measure), rest.of(measure)) if measure in limited else need.of(measure)
        )


class LeasedBudgets:
    """The engine's `Budgets`. `defaults` come from the settings and hold for every tenant that has set nothing else."""

    def __init__(self, books: Books, clock: Clock, defaults: Sequence[Budget] = ()) -> None:
        self._books = books
        self._clock = clock
        self._defaults = tuple(defaults)
        self._kept: Mapping[str, Sequence[Budget]] = {}
        self._held: dict[str, _Held] = {}
        self._locks: dict[tuple[str, str, Window], asyncio.Lock] = {}
        self._holder = clock.new_id(ids.WORKER)
        self._heard_since = clock.monotonic()
        self._heard_at = clock.monotonic()

    # -- what is set ---------------------------------------------------------------------------------------------

    async def load(self) -> None:
        """Read what is set. Raises `StoreBusy`."""
        kept: dict[str, list[Budget]] = {}
        for budget in await self._books.budgets():
            kept.setdefault(budget.tenant, []).append(budget)
        self._kept = kept

    def of_tenant(self, tenant: str) -> tuple[Budget, ...]:
        """The budgets of a tenant, those of the settings among them."""
        own = self._kept.get(tenant, ())
        set_here = {(budget.scope, budget.window) for budget in own}
        given = (replace(one, tenant=tenant) for one in self._defaults if (one.scope, one.window) not in set_here)
        return (*own, *given)

    def applying(self, run: Run, family: Sequence[RunBudget]) -> tuple[Budget, ...]:
        return (*_of_family(run, family), *self._of_others(run, family))

    def _of_others(self, run: Run, family: Sequence[RunBudget]) -> Iterable[Budget]:
        if not self._defaults and run.tenant not in self._kept:
            return ()
        agents = {f"agent:{name}" for name in (run.target, *(above.agent for above in family))}
        scopes = {"tenant", f"user:{run.created_by}", f"session:{run.session_id}", *agents}
        return (budget for budget in self.of_tenant(run.tenant) if budget.scope in scopes)

    async def states(self, tenant: str) -> Sequence[BudgetState]:
        await self.load()
        return await self._books.states(self.of_tenant(tenant))

    async def state_of(self, budget: Budget) -> BudgetState:
        (state,) = await self._books.states([budget])
        return state

    async def put(self, budget: Budget) -> BudgetState:
        kept = await self._books.put(budget)
        await self.load()
        return await self.state_of(kept)

    async def remove(self, tenant: str, scope: str, window: Window, by: str) -> None:
        await self._books.remove(tenant, scope, window, by)
        await self.load()

    async def usage(self, tenant: str, by: UsageGroup, since: datetime, until: datetime) -> Sequence[UsageRow]:
        """What runs used, under budgets or not, by group."""
        return await self._books.usage(tenant, by, since, until)

    async def raise_by(self, more: Raise) -> None:
        await self._books.raise_by(more)
        log.warning("a budget was raised", extra={"scope": more.budget.scope, "by": more.by, "run_id": more.run_id})

    # -- reserving -----------------------------------------------------------------------------------------------

    async def reserve(
        self, budgets: Sequence[Budget], act: tuple[str, str], need: Amount, least: Amount
    ) -> Sequence[Reservation] | Shortage:
        taken: list[tuple[_Held, Amount]] = []
        try:
            found = await self._take(budgets, act, (need, least), taken)
        except BaseException:
            _untake(taken, act)
            raise
        if isinstance(found, Shortage):
            _untake(taken, act)
            return found
        for held, booked in taken:
            held.booked -= booked - found
        return [_reservation(held.chunk, act, found) for held, _ in taken]

    async def _take(
        self,
        budgets: Sequence[Budget],
        act: tuple[str, str],
        wanted: tuple[Amount, Amount],
        taken: list[tuple[_Held, Amount]],
    ) -> Amount | Shortage:
        """Book in a chunk of each budget; answers what all of them have."""
        need, least = wanted
        for budget in budgets:
            found = await self._chunk_for(budget, need, least)
            if isinstance(found, Shortage):
                return found
            if found is not None:
                need = found.within(need)
                found.booked += need
                found.under_way.add(act)
                found.drawn = self._clock.monotonic()
                taken.append((found, need))
        return need

    def settle(self, reservations: Sequence[Reservation], used: Amount) -> None:
        for one in reservations:
            if held := self._held.get(one.chunk_id):
                held.booked -= one.amount - used
                held.under_way.discard((one.run_id, one.key))

    def abandon(self, reservations: Sequence[Reservation]) -> None:
        for one in reservations:
            if held := self._held.get(one.chunk_id):
                held.under_way.discard((one.run_id, one.key))

    async def reserved(self, tenant: str, run_id: str) -> Sequence[Reservation]:
        return await self._books.reserved(tenant, run_id)

    async def _chunk_for(self, budget: Budget, need: Amount, least: Amount) -> _Held | Shortage | None:
        """A chunk that has what is needed, or all that is left of the budget; None when it limits nothing any more."""
        until = self._clock.monotonic() + PATIENCE_SECONDS
        lock = self._locks.setdefault(_place(budget), asyncio.Lock())
        while True:
            async with lock:
                patient = self._clock.monotonic() < until
                found = await self._look(budget, need, least, patient=patient)
            if not isinstance(found, Shortage) or found.hopeless or not patient:
                return found
            await self._clock.sleep(LOOK_SECONDS)

    async def _look(self, budget: Budget, need: Amount, least: Amount, *, patient: bool) -> _Held | Shortage | None:
        await self._confirm()
        if found := self._fitting(budget, need):
            return found
        found = await self._lease(budget, need, need)
        if isinstance(found, Shortage) and await self._return_unused(budget):
            found = await self._lease(budget, need, need)
        if isinstance(found, Shortage) and need != least and (found.hopeless or not patient):
            return await self._lease(budget, need, least)
        return found

    def _fitting(self, budget: Budget, need: Amount) -> _Held | None:
        now = self._clock.now()
        for held in self._of(budget):
            if (held.chunk.until is None or now < held.chunk.until) and held.has(need):
                return held
        return None

    async def _lease(self, budget: Budget, need: Amount, least: Amount) -> _Held | Shortage | None:
        at = self._clock.monotonic()
        done = [held.chunk.id for held in self._of(budget) if not held.under_way]
        for chunk_id in done:
            del self._held[chunk_id]
        wish = Wish(budget, self._clock.new_id(ids.CHUNK), need, least, tuple(done))
        got = await self._books.lease(wish, self._holder)
        if not isinstance(got, Chunk):
            return got
        held = _Held(got, got.granted, at, at)
        self._held[got.id] = held
        if got.warned:
            _warn(got)
        return held

    def _of(self, budget: Budget) -> list[_Held]:
        return [held for held in self._held.values() if _place(held.chunk.budget) == _place(budget)]

    # -- giving back ---------------------------------------------------------------------------------------------

    async def _return_unused(self, budget: Budget) -> bool:
        """Give back what is held of a budget and not booked: it may be too little in each of many places."""
        unused = [held for held in self._of(budget) if held.size != held.booked.at_most(held.size)]
        for held in unused:
            await self._shrink(held)
        return bool(unused)

    async def _shrink(self, held: _Held) -> None:
        held.size = held.booked.at_most(held.size)
        await self._books.shrink(held.chunk.id, held.size)

    async def _give_back(self, held: _Held) -> None:
        del self._held[held.chunk.id]
        await self._books.give_back(held.chunk.id)

    async def _confirm(self) -> None:
        """Ask before handing out of chunks that were not confirmed for long; they may be somebody else's now."""
        now = self._clock.monotonic()
        if any(now - held.seen >= SILENT_SECONDS / 2 for held in self._held.values()):
            await self._renew()

    async def _renew(self) -> frozenset[str]:
        """Tell the others that this process lives; answers the chunks that somebody waits for."""
        at, mine = self._clock.monotonic(), list(self._held.values())
        alive, called = await self._books.renew([held.chunk.id for held in mine])
        for held in mine:
            if held.chunk.id in alive:
                held.seen = at
            else:
                self._held.pop(held.chunk.id, None)
        return called

    # -- upkeep --------------------------------------------------------------------------------------------------

    async def run(self) -> None:
        """Keep it all true, for ever: one turn a second."""
        while True:
            await self._clock.sleep(TURN_SECONDS)
            try:
                await self.turn()
            except StoreBusy as error:
                log.warning("the books of budgets must wait", extra={"reason": error.detail})

    async def turn(self) -> None:
        """Confirm what is held, give back what is idle or asked for, take what the dead held. Raises `StoreBusy`."""
        now = self._clock.monotonic()
        await self.load()
        called = await self._renew() if self._held else frozenset[str]()
        for held in list(self._held.values()):
            idle = now - held.drawn >= IDLE_SECONDS
            if not held.under_way and (idle or held.chunk.id in called):
                await self._give_back(held)
            elif held.chunk.id in called:
                await self._shrink(held)
        if now - self._heard_at >= SILENT_SECONDS / 2:
            self._heard_since = now
        self._heard_at = now
        if now - self._heard_since >= SILENT_SECONDS:
            await self._books.reclaim(SILENT_SECONDS)

    async def reclaim_all(self) -> None:
        """At start of a store that one process has for itself: all that is held is held by the dead."""
        await self._books.reclaim(0.0)

    async def close(self) -> None:
        """Give everything back; what acts may still use is found by their reservations."""
        for held in list(self._held.values()):
            try:
                await self._give_back(held)
            except StoreBusy:
                log.warning("the other workers will find out by its silence what this one held of budgets")
                return


def _of_family(run: Run, family: Sequence[RunBudget]) -> Iterable[Budget]:
    return (above.budget(run.tenant) for above in family if above.limits_something)


def _place(budget: Budget) -> tuple[str, str, Window]:
    return budget.tenant, budget.scope, budget.window


def _untake(taken: Sequence[tuple[_Held, Amount]], act: tuple[str, str]) -> None:
    for held, booked in taken:
        held.booked -= booked
        held.under_way.discard(act)


def _reservation(chunk: Chunk, act: tuple[str, str], amount: Amount) -> Reservation:
    run_id, key = act
    return Reservation(run_id, key, chunk.budget.scope, chunk.budget.window, chunk.since, chunk.id, amount)


def _warn(chunk: Chunk) -> None:
    budget = chunk.budget
    facts = {"tenant": budget.tenant, "scope": budget.scope, "window": budget.window.value}
    spent = {"spent": chunk.spent.shown(), "limits": budget.caps.shown()}
    log.warning("a budget is nearly spent", extra={**facts, **spent})
