"""Many workers spend from one budget at once, each on a store of its own: together they never go over its limit."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from pathlib import Path

import pytest

from ripieno.clock import SystemClock
from ripieno.domain import ids
from ripieno.domain.batches import Append
from ripieno.domain.budgets import NOTHING, Amount, Budget, Caps, Settlement, Shortage, Window
from ripieno.domain.entries import EntryType, NewEntry
from ripieno.domain.runs import NewRun, Run, RunInput, RunKind
from ripieno.governance.budgets import LeasedBudgets
from ripieno.ports import Journal
from ripieno.store.budgets import StoredBooks
from ripieno.store.dispatch_local import LocalDispatch
from ripieno.store.embedded import open_store
from ripieno.store.postgres.opening import open_postgres
from tests.contracts.bed import TENANT
from tests.servers import postgres, postgres_database

WORKERS = 4
ACTS = 20
NEED, USED = Amount(tokens=50), Amount(tokens=30)
WHOLE = Budget(TENANT, "tenant", Window.DAY, Caps(tokens=1000))
"""Enough for 33 acts of the 80; while they are under way each takes the place of nearly two."""

KINDS = [pytest.param("sqlite"), pytest.param("postgres", marks=postgres.NEEDS)]


class Spender:
    """One worker: a store, what it holds of budgets, a run that acts."""

    def __init__(self, journal: Journal, books: StoredBooks) -> None:
        self.clock = SystemClock()
        self.journal = journal
        self.books = books
        self.budgets = LeasedBudgets(books, self.clock)

    async def begin(self) -> None:
        run_id = self.clock.new_id(ids.RUN)
        new = NewRun(run_id, TENANT, RunKind.AGENT, "clerk", "v1", "ses_1", RunInput("go"), "alice")
        await self.journal.start(new)
        (claimed,) = await self.journal.claim(self.clock.new_id(ids.WORKER), 1)
        self.run: Run = claimed.run

    async def act(self, number: int) -> int:
        """Reserve, write it down, act, settle: how many tokens were used."""
        key = f"act/{number}"
        got = await self.budgets.reserve([WHOLE], (self.run.id, key), NEED, NEED)
        if isinstance(got, Shortage):
            return 0
        await self.journal.append(Append(self.run.id, self.run.epoch, (), reserves=tuple(got)))
        await asyncio.sleep(0)
        line = NewEntry(key, EntryType.MODEL_REPLIED, {})
        await self.journal.append(Append(self.run.id, self.run.epoch, (line,), settles=(Settlement(key, USED),)))
        self.budgets.settle(got, USED)
        return USED.tokens


@pytest.fixture(params=KINDS)
async def spenders(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[list[Spender]]:
    async with AsyncExitStack() as stack:
        found: list[Spender] = []
        if request.param == "sqlite":
            embedded = await open_store(tmp_path / "data", SystemClock(), LocalDispatch())
            stack.push_async_callback(embedded.close)
            found = [Spender(embedded.journal, StoredBooks(embedded.frames)) for _ in range(WORKERS)]
        else:
            url = await postgres_database.empty()
            for _ in range(WORKERS):
                store = await open_postgres(url, SystemClock())
                stack.push_async_callback(store.close)
                found.append(Spender(store.journal, StoredBooks(store.frames)))
        for spender in found:
            await spender.begin()
        yield found


async def test_together_they_never_spend_more_than_there_is(spenders: list[Spender]):
    most = 0

    async def look() -> None:
        nonlocal most
        while True:
            (state,) = await spenders[0].books.states([WHOLE])
            most = max(most, state.spent.tokens + state.reserved.tokens, state.leased.tokens)
            await asyncio.sleep(0.01)

    async with asyncio.TaskGroup() as group:
        beside = [group.create_task(spender.budgets.run()) for spender in spenders]
        beside.append(group.create_task(look()))
        acts = [spender.act(number) for number in range(ACTS) for spender in spenders]
        used = await asyncio.gather(*acts)
        for task in beside:
            task.cancel()
    for spender in spenders:
        await spender.budgets.close()
    (state,) = await spenders[0].books.states([WHOLE])
    assert (state.spent.tokens, state.reserved, state.leased) == (sum(used), NOTHING, NOTHING)
    assert most <= 1000
    assert 1000 - NEED.tokens < sum(used) <= 1000, "nor is anything left that would do for one more act"
