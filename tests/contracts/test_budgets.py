"""Budgets: what is leased, reserved, settled and given back adds up on every store."""

import asyncio
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pytest

from ripieno.domain.batches import Append
from ripieno.domain.budgets import (
    NOTHING,
    Amount,
    Budget,
    BudgetState,
    Caps,
    Chunk,
    Measure,
    OnExceeded,
    Raise,
    Reservation,
    Settlement,
    Shortage,
    UsageGroup,
    Window,
    Wish,
)
from ripieno.domain.entries import EntryType, NewEntry
from ripieno.domain.errors import LegLost, NotFound
from ripieno.domain.runs import Run, RunStatus
from tests.contracts.bed import TENANT, Bed

TENS = Budget(TENANT, "tenant", Window.TOTAL, Caps(tokens=1000, effects=10), set_by="alice")
DAILY = replace(TENS, scope="agent:clerk", window=Window.DAY, caps=Caps(tokens=100))
SOME = Amount(tokens=100)


def wish(budget: Budget, chunk_id: str = "c1", need: Amount = SOME, **fields: Any) -> Wish:
    return Wish(budget, chunk_id, need, fields.pop("least", need), **fields)


async def leased(bed: Bed, budget: Budget = TENS, chunk_id: str = "c1", need: Amount = SOME, **fields: Any) -> Chunk:
    got = await bed.books.lease(wish(budget, chunk_id, need, **fields), "w1")
    assert isinstance(got, Chunk)
    return got


def out_of(run: Run, chunk: Chunk, key: str, amount: Amount) -> Reservation:
    return Reservation(run.id, key, chunk.budget.scope, chunk.budget.window, chunk.since, chunk.id, amount)


async def reserve(bed: Bed, run: Run, *reserves: Reservation) -> None:
    assert await bed.journal.append(Append(run.id, run.epoch, (), reserves=reserves)) in ([], ())


async def settle(bed: Bed, run: Run, key: str, amount: Amount) -> None:
    line = NewEntry(key, EntryType.MODEL_REPLIED, {})
    await bed.journal.append(Append(run.id, run.epoch, (line,), settles=(Settlement(key, amount),)))


async def standing(bed: Bed, budget: Budget = TENS) -> BudgetState:
    (found,) = await bed.books.states([budget])
    return found


# -- what is set -----------------------------------------------------------------------------------------------------


async def test_what_is_set_is_found_replaced_and_removed(bed: Bed):
    first = await bed.books.put(TENS)
    second = await bed.books.put(replace(DAILY, on_exceeded=OnExceeded.ASK, warn_at=0.5))
    assert first == replace(TENS, kept=True, set_at=bed.clock.now())
    assert list(await bed.books.budgets()) == [second, first]
    again = await bed.books.put(replace(TENS, caps=Caps(usd=10**12)))
    assert list(await bed.books.budgets()) == [second, again]
    await bed.books.remove(TENANT, "tenant", Window.TOTAL, "bob")
    assert list(await bed.books.budgets()) == [second]
    with pytest.raises(NotFound, match=r"no budget 'tenant \(total\)'"):
        await bed.books.remove(TENANT, "tenant", Window.TOTAL, "bob")


# -- leasing ---------------------------------------------------------------------------------------------------------


async def test_a_worker_gets_what_it_needs_and_a_share_of_the_rest(bed: Bed):
    chunk = await leased(bed)
    assert (chunk.granted, chunk.spent, chunk.until) == (Amount(tokens=325, effects=2), NOTHING, None)
    second = await leased(bed, chunk_id="c2")
    assert second.granted == Amount(tokens=100 + 575 // 4, effects=2)
    found = await standing(bed)
    assert (found.leased, found.spent, found.reserved) == (chunk.granted + second.granted, NOTHING, NOTHING)


async def test_leasing_again_under_the_same_name_answers_the_same(bed: Bed):
    assert await leased(bed) == await leased(bed)
    assert (await standing(bed)).leased == Amount(tokens=325, effects=2)


async def test_there_is_never_more_than_the_limit(bed: Bed):
    chunk = await leased(bed, need=Amount(tokens=1000))
    assert chunk.granted == Amount(tokens=1000, effects=2)
    short = await bed.books.lease(wish(TENS, "c2", Amount(tokens=1)), "w2")
    assert short == Shortage(TENS, chunk.since, Measure.TOKENS, 1000, 0, 1000, 1)
    assert isinstance(short, Shortage)
    assert not short.hopeless
    effects = await leased(bed, chunk_id="c3", need=Amount(effects=8))
    assert effects.granted == Amount(effects=8)


async def test_what_there_is_will_do_where_the_least_is_less(bed: Bed):
    chunk = await leased(bed, need=Amount(tokens=5000), least=Amount(tokens=50))
    assert chunk.granted.tokens == 1000


async def test_a_budget_of_zero_has_nothing(bed: Bed):
    short = await bed.books.lease(wish(replace(TENS, caps=Caps(usd=0)), need=Amount(usd=1)), "w1")
    assert isinstance(short, Shortage)
    assert (short.measure, short.limit, short.hopeless) == (Measure.USD, 0, True)


async def test_the_row_counts_whatever_the_worker_knows(bed: Bed):
    await bed.books.put(TENS)
    old = replace(TENS, caps=Caps(tokens=5), kept=True)
    assert (await leased(bed, old, need=Amount(tokens=6))).budget.caps == TENS.caps
    await bed.books.remove(TENANT, "tenant", Window.TOTAL, "bob")
    assert await bed.books.lease(wish(old, "c2", Amount(tokens=6)), "w1") is None
    given = await bed.books.lease(wish(replace(old, kept=False), "c3", Amount(tokens=6)), "w1")
    assert isinstance(given, Shortage), "one from the settings is no row"


async def test_a_window_that_ends_begins_anew(bed: Bed):
    first = await leased(bed, DAILY)
    assert (first.since, first.until) == (datetime(2026, 1, 1, tzinfo=UTC), datetime(2026, 1, 2, tzinfo=UTC))
    assert isinstance(await bed.books.lease(wish(DAILY, "c2"), "w1"), Shortage)
    bed.clock.advance(86_400)
    second = await leased(bed, DAILY, "c3", done=("c1",))
    assert (second.since, second.granted) == (datetime(2026, 1, 2, tzinfo=UTC), SOME)
    month = await leased(bed, replace(DAILY, window=Window.MONTH), "c4")
    assert (month.since, month.until) == (datetime(2026, 1, 1, tzinfo=UTC), datetime(2026, 2, 1, tzinfo=UTC))


# -- reserving and settling ------------------------------------------------------------------------------------------


async def test_settled_is_what_was_used_and_the_rest_is_free_again(bed: Bed):
    run, chunk = await bed.running(), await leased(bed)
    await reserve(bed, run, out_of(run, chunk, "a", SOME))
    assert await bed.keys(run) == []
    assert [one.key for one in await bed.books.reserved(TENANT, run.id)] == ["a"]
    assert ((await standing(bed)).reserved, (await standing(bed)).spent) == (SOME, NOTHING)
    await settle(bed, run, "a", Amount(usd=7, tokens=40))
    assert await bed.books.reserved(TENANT, run.id) == []
    assert (await standing(bed)).spent == Amount(usd=7, tokens=40)
    await bed.books.give_back(chunk.id)
    await bed.books.give_back(chunk.id)
    found = await standing(bed)
    assert (found.spent, found.leased, found.reserved) == (Amount(usd=7, tokens=40), NOTHING, NOTHING)


async def test_a_reservation_that_is_there_stays(bed: Bed):
    run, chunk = await bed.running(), await leased(bed)
    await reserve(bed, run, out_of(run, chunk, "a", SOME))
    await reserve(bed, run, out_of(run, chunk, "a", Amount(tokens=1)))
    (kept,) = await bed.books.reserved(TENANT, run.id)
    assert kept == out_of(run, chunk, "a", SOME)
    assert await bed.books.reserved("another", run.id) == []
    assert await bed.books.reserved(TENANT, "run_nobody") == []


async def test_one_act_draws_on_many_budgets_and_is_settled_in_all(bed: Bed):
    run, wide, narrow = await bed.running(), await leased(bed), await leased(bed, DAILY, "c2")
    await reserve(bed, run, out_of(run, wide, "a", SOME), out_of(run, narrow, "a", SOME))
    await settle(bed, run, "a", Amount(tokens=3))
    assert ((await standing(bed)).spent, (await standing(bed, DAILY)).spent) == (Amount(tokens=3), Amount(tokens=3))


async def test_with_acts_under_way_a_chunk_keeps_what_they_may_use(bed: Bed):
    run, chunk = await bed.running(), await leased(bed)
    await reserve(bed, run, out_of(run, chunk, "a", SOME), out_of(run, chunk, "b", Amount(tokens=10)))
    await settle(bed, run, "b", Amount(tokens=4))
    await bed.books.give_back(chunk.id)
    assert (await standing(bed)).leased == Amount(tokens=104)
    await settle(bed, run, "a", Amount(tokens=1))
    await bed.books.give_back(chunk.id)
    assert ((await standing(bed)).leased, (await standing(bed)).spent) == (NOTHING, Amount(tokens=5))


async def test_a_chunk_can_be_made_smaller(bed: Bed):
    chunk = await leased(bed)
    await bed.books.shrink(chunk.id, Amount(tokens=7, effects=9))
    assert (await standing(bed)).leased == Amount(tokens=7, effects=2)
    await bed.books.shrink("nobody", NOTHING)


async def test_the_old_epoch_reserves_nothing(bed: Bed):
    run, chunk = await bed.running(), await leased(bed)
    await bed.journal.release(run.id, run.epoch)
    again = await bed.claim(run.id)
    with pytest.raises(LegLost):
        await reserve(bed, run, out_of(run, chunk, "a", SOME))
    assert await bed.books.reserved(TENANT, run.id) == []
    await reserve(bed, again.run, out_of(run, chunk, "a", SOME))


@pytest.mark.parametrize("how", ["finish", "cancel", "fence"])
async def test_a_run_that_has_ended_has_nothing_reserved(bed: Bed, how: str):
    run, chunk = await bed.running(), await leased(bed)
    await reserve(bed, run, out_of(run, chunk, "a", SOME))
    if how == "finish":
        await bed.finish(run, RunStatus.FAILED)
    else:
        await bed.journal.cancel(TENANT, run.id, "bob", "")
        bed.clock.advance(6)
        await bed.journal.pump()
    assert (await bed.row(run)).ended_at is not None
    assert await bed.books.reserved(TENANT, run.id) == []
    assert (await standing(bed)).spent == SOME, "what nobody saw end counts whole"


async def test_the_next_leg_finds_what_was_reserved(bed: Bed):
    run, chunk = await bed.running(), await leased(bed)
    await reserve(bed, run, out_of(run, chunk, "a", SOME))
    await bed.journal.release(run.id, run.epoch)
    again = await bed.claim(run.id)
    assert await bed.books.reserved(TENANT, run.id) == [out_of(run, chunk, "a", SOME)]
    await settle(bed, again.run, "a", Amount(tokens=9))
    assert (await standing(bed)).spent == Amount(tokens=9)


# -- the dead, the slow, and more ------------------------------------------------------------------------------------


async def test_chunks_of_the_silent_are_taken(bed: Bed):
    run, chunk, other = await bed.running(), await leased(bed), await leased(bed, chunk_id="c2")
    await reserve(bed, run, out_of(run, chunk, "a", SOME))
    bed.clock.advance(20)
    assert await bed.books.renew(["c1", "c2", "c3"]) == (frozenset({"c1", "c2"}), frozenset())
    bed.clock.advance(20)
    assert await bed.books.reclaim(30) == 0
    bed.clock.advance(20)
    assert await bed.books.reclaim(30) == 2
    assert await bed.books.renew(["c1", "c2"]) == (frozenset({"c1"}), frozenset())
    assert ((await standing(bed)).leased, other.id) == (SOME, "c2")


async def test_chunks_that_must_stay_do_not_stand_in_the_way(bed: Bed):
    """What acts under way may still use is kept; others are looked at first the next time, and it only later."""
    run, chunk = await bed.running(), await leased(bed)
    await reserve(bed, run, out_of(run, chunk, "a", SOME))
    bed.clock.advance(40)
    assert await bed.books.reclaim(30) == 1
    assert await bed.books.reclaim(30) == 0
    bed.clock.advance(40)
    assert await bed.books.reclaim(30) == 1
    assert (await standing(bed)).leased == SOME


async def test_who_holds_hears_that_others_wait(bed: Bed):
    chunk = await leased(bed, need=Amount(tokens=1000))
    await bed.books.lease(wish(TENS, "c2"), "w2")
    assert await bed.books.renew([chunk.id]) == (frozenset({chunk.id}), frozenset({chunk.id}))
    bed.clock.advance(6)
    assert (await bed.books.renew([chunk.id]))[1] == frozenset()


async def test_raising_adds_once(bed: Bed):
    chunk = await leased(bed, need=Amount(tokens=1000))
    more = Raise("apr_1", TENS, chunk.since, Measure.TOKENS, 50, "bob", "run_1")
    await bed.books.raise_by(more)
    await bed.books.raise_by(more)
    assert (await standing(bed)).raised == Amount(tokens=50)
    assert (await leased(bed, chunk_id="c2", need=Amount(tokens=50))).granted.tokens == 50
    assert isinstance(await bed.books.lease(wish(TENS, "c3", Amount(tokens=1)), "w1"), Shortage)
    await bed.books.put(replace(TENS, caps=Caps(tokens=2000)))
    assert (await standing(bed)).raised == NOTHING, "who sets a budget anew says how much it is"


async def test_a_raise_may_come_before_anything_was_spent(bed: Bed):
    since = (await standing(bed)).since
    await bed.books.raise_by(Raise("apr_1", TENS, since, Measure.EFFECTS, 3, "bob", "run_1"))
    assert (await standing(bed)).raised == Amount(effects=3)


async def test_nearly_spent_is_said_once(bed: Bed):
    run = await bed.running()
    first = await leased(bed, need=Amount(tokens=900))
    await reserve(bed, run, out_of(run, first, "a", Amount(tokens=900)))
    await settle(bed, run, "a", Amount(tokens=850))
    second = await leased(bed, chunk_id="c2", need=Amount(tokens=10), done=("c1",))
    assert (second.spent, second.warned) == (Amount(tokens=850), True)
    assert not (await leased(bed, chunk_id="c3", need=Amount(tokens=10))).warned
    assert (await standing(bed)).warned
    await bed.books.put(TENS)
    assert not (await standing(bed)).warned


async def test_many_at_once_never_get_more_than_there_is(bed: Bed):
    async def greedy(number: int) -> int:
        got = await bed.books.lease(wish(TENS, f"c{number}", Amount(tokens=30)), f"w{number}")
        return got.granted.tokens if isinstance(got, Chunk) else 0

    taken = await asyncio.gather(*(greedy(number) for number in range(40)))
    assert sum(taken) == (await standing(bed)).leased.tokens <= 1000
    assert sum(taken) > 1000 - 30 - 1


# -- usage -----------------------------------------------------------------------------------------------------------


async def test_usage_is_counted_from_the_journals(bed: Bed):
    def replied(cost: float, model: str) -> dict[str, Any]:
        usage = {"input_tokens": 10, "output_tokens": 5, "cost_usd": cost}
        return {"reply": {"usage": usage, "model": model}, "ms": 500}

    async def work(run: Run, cost: float, model: str) -> None:
        lines = (
            NewEntry("m", EntryType.MODEL_REPLIED, replied(cost, model)),
            NewEntry("r", EntryType.TOOL_RETURNED, {"effect": "read", "ms": 250}),
            NewEntry("e", EntryType.TOOL_RETURNED, {"effect": "irreversible", "ms": 250}),
        )
        await bed.journal.append(Append(run.id, run.epoch, lines))

    begin = bed.clock.now()
    await work(await bed.running(), 0.5, "big")
    bed.clock.advance(86_400)
    await work(await bed.running(target="other", session_id="ses_2"), 0.25, "small")
    await work(await bed.running(created_by="bob"), 0.25, "big")
    until = bed.after(1)

    async def groups(by: UsageGroup) -> dict[str, tuple[float, int, int, int, float]]:
        rows = await bed.books.usage(TENANT, by, begin, until)
        return {
            row.group: (row.usd, row.input_tokens + row.output_tokens, row.calls, row.effects, row.seconds)
            for row in rows
        }

    one, two = (0.25, 15, 1, 1, 1.0), (0.75, 30, 2, 2, 2.0)
    assert await groups(UsageGroup.AGENT) == {"clerk": two, "other": one}
    assert await groups(UsageGroup.USER) == {"alice": two, "bob": one}
    assert await groups(UsageGroup.SESSION) == {"ses_1": two, "ses_2": one}
    assert await groups(UsageGroup.MODEL) == {"big": (0.75, 30, 2, 0, 1.0), "small": (0.25, 15, 1, 0, 0.5)}
    assert await groups(UsageGroup.TENANT) == {TENANT: (1.0, 45, 3, 3, 3.0)}
    assert await groups(UsageGroup.DAY) == {"2026-01-01": (0.5, 15, 1, 1, 1.0), "2026-01-02": (0.5, 30, 2, 2, 2.0)}
    assert await bed.books.usage("another", UsageGroup.TENANT, begin, until) == []
