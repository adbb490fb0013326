"""What a process holds of budgets: handed out in memory, given back in time, never more than there is."""

import asyncio
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import pytest

from ripieno.domain import ids
from ripieno.domain.batches import Append
from ripieno.domain.budgets import (
    NOTHING,
    Amount,
    Budget,
    BudgetState,
    Caps,
    Measure,
    Raise,
    Reservation,
    RunBudget,
    Settlement,
    Shortage,
    Window,
)
from ripieno.domain.entries import EntryType, NewEntry
from ripieno.domain.errors import StoreBusy
from ripieno.domain.runs import NewRun, Run, RunInput, RunKind, queued
from ripieno.governance.budgets import LeasedBudgets
from ripieno.store.dispatch_local import LocalDispatch
from ripieno.testing.fake_clock import FakeClock
from ripieno.testing.memory_books import MemoryBooks
from ripieno.testing.memory_journal import MemoryStore

TENANT = "acme"
WHOLE = Budget(TENANT, "tenant", Window.TOTAL, Caps(tokens=1000))
DAILY = Budget(TENANT, "agent:clerk", Window.DAY, Caps(tokens=300))
SOME = Amount(tokens=100)
TEN = Amount(tokens=10)


class Frail:
    """A ring around the books: away when told, and counts what it is asked."""

    def __init__(self, inner: MemoryBooks) -> None:
        self._inner = inner
        self.away = False
        self.asked: list[str] = []

    def __getattr__(self, name: str) -> Any:
        async def ask(*given: Any) -> Any:
            if self.away:
                raise StoreBusy("the database is away")
            self.asked.append(name)
            return await getattr(self._inner, name)(*given)

        return ask


class Office:
    """Processes on one store, whose clock stands still."""

    def __init__(self) -> None:
        self.clock = FakeClock()
        self.store = MemoryStore(self.clock, LocalDispatch())
        self.books: Any = Frail(self.store.books)
        self.run = self.of_run("run_1")

    def process(self, *defaults: Budget) -> LeasedBudgets:
        return LeasedBudgets(self.books, self.clock, defaults)

    def of_run(self, name: str, **fields: Any) -> Run:
        usual: dict[str, Any] = {"tenant": TENANT, "target": "clerk", "session_id": "ses_1", "created_by": "alice"}
        given = {**usual, **fields}
        new = NewRun(name, kind=RunKind.AGENT, target_version="v1", input=RunInput("go"), **given)
        return queued(new, self.clock.now())

    async def begun(self) -> Run:
        run_id = self.clock.new_id(ids.RUN)
        new = NewRun(run_id, TENANT, RunKind.AGENT, "clerk", "v1", "ses_1", RunInput("go"), "alice")
        await self.store.journal.start(new)
        (claimed,) = await self.store.journal.claim("w1", 10)
        return claimed.run

    async def write(self, run: Run, reservations: Sequence[Reservation]) -> None:
        line = NewEntry(reservations[0].key, EntryType.EFFECT_INTENDED, {})
        await self.store.journal.append(Append(run.id, run.epoch, (line,), reserves=tuple(reservations)))

    async def state(self, budget: Budget = WHOLE) -> BudgetState:
        (found,) = await self.store.books.states([budget])
        return found


@pytest.fixture
def office() -> Office:
    return Office()


async def reserve(
    process: LeasedBudgets, need: Amount = SOME, *, key: str = "a", least: Amount | None = None, of: Any = (WHOLE,)
) -> Sequence[Reservation] | Shortage:
    return await process.reserve(of, ("run_1", key), need, least or need)


async def got(process: LeasedBudgets, need: Amount = SOME, **fields: Any) -> Sequence[Reservation]:
    found = await reserve(process, need, **fields)
    assert not isinstance(found, Shortage)
    return found


# -- which apply -----------------------------------------------------------------------------------------------------


async def test_which_budgets_apply(office: Office):
    names = ["tenant", "user:alice", "user:bob", "session:ses_1", "agent:clerk", "agent:boss", "agent:other"]
    for name in names:
        await office.store.books.put(replace(WHOLE, scope=name))
    await office.store.books.put(replace(WHOLE, tenant="other"))
    process = office.process()
    assert process.applying(office.run, ()) == ()
    await process.load()
    family = (RunBudget("run_0", "boss", tokens=5), RunBudget("run_1", "clerk"))
    applying = process.applying(office.run, family)
    found = [budget.scope for budget in applying]
    assert found == ["run:run_0", "agent:boss", "agent:clerk", "session:ses_1", "tenant", "user:alice"]
    assert {budget.tenant for budget in applying} == {TENANT}


async def test_a_tenants_own_goes_before_that_of_the_settings(office: Office):
    given = Budget("", "tenant", Window.DAY, Caps(tokens=7), set_by="settings")
    process = office.process(given)
    assert process.applying(office.run, ()) == (replace(given, tenant=TENANT),)
    own = await process.put(replace(given, tenant=TENANT, caps=Caps(tokens=9), set_by="alice"))
    assert process.applying(office.run, ()) == (own.budget,)
    assert process.applying(office.of_run("run_2", tenant="other"), ()) == (replace(given, tenant="other"),)
    assert [state.budget.caps.tokens for state in await process.states(TENANT)] == [9]
    await process.remove(TENANT, "tenant", Window.DAY, "alice")
    assert [state.budget.caps.tokens for state in await process.states(TENANT)] == [7]


# -- out of memory ---------------------------------------------------------------------------------------------------


async def test_a_chunk_serves_many_acts(office: Office):
    process = office.process()
    first = await got(process, TEN, key="a")
    second = await got(process, TEN, key="b")
    assert first[0].chunk_id == second[0].chunk_id
    assert office.books.asked == ["lease"]
    assert (first[0].run_id, first[0].key, first[0].scope, first[0].amount) == ("run_1", "a", "tenant", TEN)


async def test_what_was_not_used_serves_again(office: Office):
    process = office.process()
    for number in range(20):
        reservations = await got(process, SOME, key=str(number))
        process.settle(reservations, Amount(tokens=1))
    assert office.books.asked == ["lease"]


async def test_a_used_chunk_is_given_back_with_the_next_lease(office: Office):
    process, run = office.process(), await office.begun()
    first = await process.reserve([WHOLE], (run.id, "a"), Amount(tokens=900), Amount(tokens=900))
    assert not isinstance(first, Shortage)
    await office.write(run, first)
    await office.store.journal.append(_settled(run, "a", Amount(tokens=50)))
    process.settle(first, Amount(tokens=50))
    await got(process, Amount(tokens=940), key="b")
    assert (await office.state()).spent == Amount(tokens=50)


def _settled(run: Run, key: str, used: Amount) -> Append:

    line = NewEntry(f"{key}/end", EntryType.MODEL_REPLIED, {})
    return Append(run.id, run.epoch, (line,), settles=(Settlement(key, used),))


async def test_too_little_is_a_shortage_at_once_when_it_is_hopeless(office: Office):
    short = await reserve(office.process(), Amount(tokens=1001))
    assert isinstance(short, Shortage)
    assert (short.measure, short.limit, short.needed) == (Measure.TOKENS, 1000, 1001)


async def test_the_least_will_do_when_the_need_is_hopeless(office: Office):
    (one,) = await got(office.process(), Amount(usd=9, tokens=5000), least=TEN)
    assert one.amount == Amount(usd=9, tokens=1000), "dollars are not limited"


async def test_the_same_is_set_aside_in_every_budget(office: Office):
    process = office.process()
    wide, narrow = await got(process, Amount(tokens=500), least=TEN, of=(WHOLE, DAILY))
    assert (wide.amount.tokens, narrow.amount.tokens) == (300, 300)
    tiny = replace(DAILY, scope="user:alice", caps=Caps(tokens=9))
    short = await reserve(process, TEN, key="b", of=(WHOLE, tiny))
    assert isinstance(short, Shortage)
    assert short.budget == tiny
    process.settle([wide, narrow], NOTHING)
    await got(process, Amount(tokens=1000), key="c")


async def test_a_budget_that_was_removed_limits_nothing(office: Office):
    process = office.process()
    assert await got(process, of=(replace(WHOLE, kept=True),)) == []


async def test_what_fails_sets_nothing_aside(office: Office):
    process = office.process()
    await got(process, TEN, key="a")
    office.books.away = True
    with pytest.raises(StoreBusy):
        await reserve(process, TEN, key="b", of=(WHOLE, DAILY))
    office.books.away = False
    await got(process, Amount(tokens=990), key="c")


async def test_many_at_once_never_have_more_than_there_is(office: Office):
    one, two = office.process(), office.process()

    async def act(process: LeasedBudgets, number: int) -> int:
        found = await reserve(process, Amount(tokens=70), key=str(number))
        return 0 if isinstance(found, Shortage) else 70

    async with asyncio.TaskGroup() as group:
        tasks = [group.create_task(act(process, number)) for number in range(15) for process in (one, two)]
        while not all(task.done() for task in tasks):
            await asyncio.sleep(0)
            office.clock.advance(0.1)
    total = sum(task.result() for task in tasks)
    assert 1000 - 2 * 70 < total <= 1000


# -- patience --------------------------------------------------------------------------------------------------------


async def test_it_waits_for_what_others_give_back(office: Office):
    one, two = office.process(), office.process()
    held = await got(one, Amount(tokens=600))
    waiting = asyncio.create_task(got(two, Amount(tokens=700)))
    await office.clock.sleepers(1)
    one.settle(held, TEN)
    await one.turn()
    office.clock.advance(0.25)
    (reserved,) = await waiting
    assert reserved.amount.tokens == 700


async def test_one_process_gives_way_to_another_in_the_middle_of_an_act(office: Office):
    one, two = office.process(), office.process()
    await got(one, SOME)
    waiting = asyncio.create_task(got(two, Amount(tokens=800)))
    await office.clock.sleepers(1)
    assert (await office.state()).leased.tokens > SOME.tokens
    await one.turn()
    assert (await office.state()).leased == SOME
    office.clock.advance(0.25)
    await waiting


async def test_its_own_unused_parts_are_put_together_first(office: Office):
    process = office.process()
    for number in range(2):
        await got(process, Amount(tokens=100), key=str(number), of=(replace(WHOLE, caps=Caps(tokens=1000)),))
        await got(process, Amount(tokens=190), key=f"more {number}")
    await got(process, Amount(tokens=420), key="rest")


async def test_patience_ends(office: Office):
    one, two = office.process(), office.process()
    await got(one, Amount(tokens=600))
    waiting = asyncio.create_task(reserve(two, Amount(tokens=700)))
    while not waiting.done():
        await office.clock.sleepers(1)
        office.clock.advance(5)
        await asyncio.sleep(0)
    short = waiting.result()
    assert isinstance(short, Shortage)
    assert not short.hopeless
    assert short.leased == 700


async def test_when_patience_ends_the_least_will_do(office: Office):
    one, two = office.process(), office.process()
    await got(one, Amount(tokens=600))
    waiting = asyncio.create_task(got(two, Amount(tokens=700), least=TEN))
    while not waiting.done():
        office.clock.advance(5)
        await asyncio.sleep(0)
    assert waiting.result()[0].amount.tokens == 300


# -- upkeep ----------------------------------------------------------------------------------------------------------


async def test_idle_chunks_go_back(office: Office):
    process = office.process()
    held = await got(process, SOME)
    office.clock.advance(3)
    await process.turn()
    assert (await office.state()).leased != NOTHING, "something is under way"
    process.settle(held, NOTHING)
    await process.turn()
    assert (await office.state()).leased == NOTHING


async def test_what_is_abandoned_stays_with_its_chunk_until_that_is_closed(office: Office):
    process, run = office.process(), await office.begun()
    held = await process.reserve([WHOLE], (run.id, "a"), SOME, SOME)
    assert not isinstance(held, Shortage)
    await office.write(run, held)
    process.abandon(held)
    office.clock.advance(3)
    await process.turn()
    assert ((await office.state()).leased, (await office.state()).reserved) == (SOME, SOME)
    process.settle(held, NOTHING)
    process.abandon(held)


async def test_a_new_day_has_a_budget_of_its_own(office: Office):
    process = office.process()
    held = await got(process, Amount(tokens=300), of=(DAILY,))
    process.settle(held, NOTHING)
    office.clock.advance(86_400)
    (one,) = await got(process, Amount(tokens=300), key="b", of=(DAILY,))
    assert one.since == held[0].since.replace(day=2)


async def test_what_was_not_confirmed_for_long_is_asked_about_first(office: Office):
    process, other = office.process(), office.process()
    await got(process, TEN)
    office.clock.advance(14)
    await got(process, TEN, key="b")
    assert office.books.asked == ["lease"]
    office.clock.advance(2)
    await got(process, TEN, key="c")
    assert office.books.asked == ["lease", "renew"]
    office.clock.advance(31)
    await office.store.books.reclaim(30)
    assert (await office.state()).leased == NOTHING
    del other
    (one,) = await got(process, TEN, key="d")
    assert office.books.asked[2:] == ["renew", "lease"]
    assert one.amount == TEN


async def test_the_chunks_of_the_dead_are_taken_by_who_was_heard_for_long(office: Office):
    dead, alive = office.process(), office.process()
    await got(dead, SOME)
    for _ in range(29):
        office.clock.advance(1)
        await alive.turn()
    assert (await office.state()).leased != NOTHING
    for _ in range(2):
        office.clock.advance(1)
        await alive.turn()
    assert (await office.state()).leased == NOTHING


async def test_after_an_outage_nobody_is_robbed(office: Office):
    slow, quick = office.process(), office.process()
    await got(slow, SOME)
    for _ in range(31):
        office.clock.advance(1)
        await slow.turn()
        await quick.turn()
    office.clock.advance(40)
    await quick.turn()
    assert (await office.state()).leased != NOTHING
    await slow.turn()
    for _ in range(31):
        office.clock.advance(1)
        await quick.turn()
        await slow.turn()
    assert (await office.state()).leased != NOTHING


async def test_at_the_start_of_an_embedded_store_all_is_given_back(office: Office):
    await got(office.process(), SOME)
    office.clock.advance(0.001)
    await office.process().reclaim_all()
    assert (await office.state()).leased == NOTHING


async def test_closing_gives_everything_back(office: Office):
    process = office.process()
    await got(process, SOME)
    await process.close()
    assert (await office.state()).leased == NOTHING
    await got(process, SOME, key="b")
    office.books.away = True
    await process.close()


async def test_it_goes_on_when_the_books_are_away(office: Office, caplog: pytest.LogCaptureFixture):
    process = office.process()
    upkeep = asyncio.create_task(process.run())
    await office.clock.sleepers(1)
    office.books.away = True
    office.clock.advance(1)
    await office.clock.sleepers(1)
    assert "must wait" in caplog.text
    office.books.away = False
    await office.store.books.put(WHOLE)
    office.clock.advance(1)
    await office.clock.sleepers(1)
    assert [budget.scope for budget in process.of_tenant(TENANT)] == ["tenant"]
    upkeep.cancel()


# -- told ------------------------------------------------------------------------------------------------------------


async def test_it_is_said_when_a_budget_is_nearly_spent(office: Office, caplog: pytest.LogCaptureFixture):
    process, run = office.process(), await office.begun()
    held = await process.reserve([WHOLE], (run.id, "a"), Amount(tokens=900), Amount(tokens=900))
    assert not isinstance(held, Shortage)
    await office.write(run, held)
    await office.store.journal.append(_settled(run, "a", Amount(tokens=850)))
    process.settle(held, Amount(tokens=850))
    await got(process, Amount(tokens=100), key="b")
    assert "a budget is nearly spent" in caplog.text
    assert (await office.state()).warned


async def test_raising_is_told_and_counts(office: Office, caplog: pytest.LogCaptureFixture):
    process = office.process()
    since = (await process.state_of(WHOLE)).since
    await process.raise_by(Raise("apr_1", WHOLE, since, Measure.TOKENS, 500, "bob", "run_1"))
    assert "a budget was raised" in caplog.text
    await got(process, Amount(tokens=1500))
    assert list(await process.reserved(TENANT, "run_1")) == []
