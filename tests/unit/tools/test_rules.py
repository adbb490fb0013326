"""What administrators say about tools, and the rings that obey it."""

import asyncio
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

from ripieno.domain.breakers import BreakerRules
from ripieno.domain.effects import EffectClass
from ripieno.domain.errors import Unavailable
from ripieno.domain.principals import Principal
from ripieno.domain.tool_rules import UNRULED, ToolRule
from ripieno.domain.tools import Risk, ToolCall, ToolContext, ToolResult, ToolStatus
from ripieno.testing.fake_clock import FakeClock
from ripieno.testing.memory_breakers import MemoryBreakers
from ripieno.testing.memory_tool_rules import MemoryToolRules
from ripieno.testing.recording_tools import RecordingTools, Scripted
from ripieno.tools.broken import BrokenToolset
from ripieno.tools.limited import LimitedToolset
from ripieno.tools.retried import RetriedToolset
from ripieno.tools.ruled import RuledToolset
from ripieno.tools.rules import POLL_SECONDS, ToolRules
from ripieno.tools.watched import Histories, WatchedToolset

ALICE = Principal("alice", "acme")
ACME, OTHER = ToolContext("acme", Path()), ToolContext("other", Path())
AWAY = ToolResult(ToolStatus.UNAVAILABLE, "it is away")
FINE = ToolResult(ToolStatus.OK, "fine")


async def rules_with(**said: ToolRule) -> ToolRules:
    rules = ToolRules(MemoryToolRules(FakeClock()))
    for name, rule in said.items():
        await rules.change(ALICE, name.replace("__", "."), rule)
    return rules


def statuses(results: list[ToolResult]) -> list[ToolStatus]:
    return [result.status for result in results]


# -- rules -------------------------------------------------------------------------------------------------------


async def test_a_tools_own_rule_goes_before_that_of_its_toolset():
    rules = await rules_with(shop=ToolRule(attempts=3, per_minute=9), shop__pay=ToolRule(attempts=1))
    assert rules.of("acme", "shop.pay") == ToolRule(attempts=1, per_minute=9)
    assert rules.of("acme", "shop.list") == ToolRule(attempts=3, per_minute=9)
    assert rules.of("other", "shop.pay") is UNRULED


async def test_what_is_not_said_anew_stays():
    rules = await rules_with(shop=ToolRule(attempts=3))
    assert await rules.change(ALICE, "shop", ToolRule(per_minute=9)) == ToolRule(attempts=3, per_minute=9)
    await rules.forget(ALICE, "shop")
    assert rules.of("acme", "shop.pay") == UNRULED


async def test_another_process_hears_of_it():
    clock = FakeClock()
    kept = MemoryToolRules(clock)
    here, there = ToolRules(kept), ToolRules(kept)
    async with there.watched(clock):
        await here.change(ALICE, "shop", ToolRule(attempts=3))
        assert there.said("acme", "shop") == UNRULED
        while there.said("acme", "shop") == UNRULED:
            clock.advance(POLL_SECONDS)
            await asyncio.sleep(0)
        assert there.said("acme", "shop") == ToolRule(attempts=3)


# -- ruled -------------------------------------------------------------------------------------------------------


async def test_tools_are_shown_as_they_are_ruled_to_their_tenant_alone():
    rules = await rules_with(shop__pay=ToolRule(effect=EffectClass.READ, risk=Risk.HIGH, timeout=3))
    tools = RuledToolset(RecordingTools({"shop.pay": Scripted(effect=EffectClass.IRREVERSIBLE)}), rules)
    (mine,), (theirs,) = await tools.list(ACME), await tools.list(OTHER)
    assert (mine.effect, mine.risk, mine.timeout) == (EffectClass.READ, Risk.HIGH, 3)
    assert (theirs.effect, theirs.risk, theirs.timeout) == (EffectClass.IRREVERSIBLE, Risk.LOW, 60)
    assert await tools.list(ACME) is await tools.list(ACME)


async def test_a_tool_that_is_switched_off_is_neither_shown_nor_called():
    rules = await rules_with(shop=ToolRule(enabled=False), shop__list=ToolRule(enabled=True))
    tools = RuledToolset(RecordingTools({"shop.pay": "paid", "shop.list": "goods"}), rules)
    assert [spec.name for spec in await tools.list(ACME)] == ["shop.list"]
    result = await tools.call(ToolCall("1", "shop.pay"), ACME)
    assert result.status is ToolStatus.UNAVAILABLE
    assert "switched off" in result.text
    assert (await tools.call(ToolCall("2", "shop.pay"), OTHER)).ok
    await rules.forget(ALICE, "shop")
    assert {spec.name for spec in await tools.list(ACME)} == {"shop.list", "shop.pay"}
    assert (await tools.call(ToolCall("3", "shop.pay"), ACME)).ok


# -- retried -----------------------------------------------------------------------------------------------------


async def retried(effect: EffectClass, *answers: ToolResult, context: ToolContext = ACME) -> tuple[ToolResult, int]:
    inner = RecordingTools({"shop.pay": Scripted(list(answers), effect=effect)})
    clock = FakeClock()
    tools = RetriedToolset(inner, await rules_with(shop=ToolRule(attempts=3)), clock)
    call = asyncio.ensure_future(tools.call(ToolCall("1", "shop.pay"), context))
    while not call.done():
        await asyncio.sleep(0)
        clock.advance(10)
    return call.result(), len(inner.calls)


async def test_what_reads_is_called_again_until_it_answers():
    assert await retried(EffectClass.READ, AWAY, AWAY, FINE) == (FINE, 3)


async def test_attempts_come_to_an_end():
    assert await retried(EffectClass.IDEMPOTENT, AWAY) == (AWAY, 3)


async def test_what_could_happen_twice_is_called_once():
    assert await retried(EffectClass.IRREVERSIBLE, AWAY, FINE) == (AWAY, 1)


async def test_what_nobody_saw_end_is_left_to_the_ledger():
    lost = ToolResult(ToolStatus.LOST, "cut off")
    assert await retried(EffectClass.IDEMPOTENT, lost, FINE) == (lost, 1)


async def test_who_says_when_to_come_again_is_obeyed():
    later = replace(AWAY, hint="try again after 60 s")
    assert await retried(EffectClass.READ, later, FINE) == (later, 1)


async def test_no_call_is_made_again_after_the_deadline_or_once_the_leg_is_lost():
    late = replace(ACME, deadline=FakeClock().now() + timedelta(milliseconds=1))
    assert await retried(EffectClass.READ, AWAY, FINE, context=late) == (AWAY, 1)
    sure = iter([True, False])
    lost = replace(ACME, may_begin=lambda: next(sure))
    assert await retried(EffectClass.READ, AWAY, FINE, context=lost) == (AWAY, 1)


# -- limited -----------------------------------------------------------------------------------------------------


@asynccontextmanager
async def held(tools: LimitedToolset, let_go: asyncio.Event) -> AsyncGenerator[None]:
    """With a call of `shop.pay` under way."""
    call = asyncio.ensure_future(tools.call(ToolCall("held", "shop.pay"), ACME))
    for _ in range(5):
        await asyncio.sleep(0)
    yield
    let_go.set()
    assert (await call).ok


async def test_too_many_in_a_minute_are_told_when_to_come_again():
    clock = FakeClock()
    inner = RecordingTools({"shop.pay": "paid", "shop.list": "goods"})
    tools = LimitedToolset(inner, await rules_with(shop=ToolRule(per_minute=2)), clock)
    results = [await tools.call(ToolCall(name, name), ACME) for name in ("shop.pay", "shop.list", "shop.pay")]
    assert statuses(results) == [ToolStatus.OK, ToolStatus.OK, ToolStatus.RATE_LIMITED]
    assert results[2].data == {"retry_after": 60}
    assert len(inner.calls) == 2
    assert (await tools.call(ToolCall("1", "shop.pay"), OTHER)).ok
    clock.advance(61)
    assert (await tools.call(ToolCall("2", "shop.pay"), ACME)).ok


async def test_a_short_wait_is_waited():
    clock = FakeClock()
    tools = LimitedToolset(RecordingTools({"shop.pay": "paid"}), await rules_with(shop=ToolRule(per_minute=1)), clock)
    assert (await tools.call(ToolCall("1", "shop.pay"), ACME)).ok
    clock.advance(55)
    waiting = asyncio.ensure_future(tools.call(ToolCall("2", "shop.pay"), ACME))
    while not waiting.done():
        await asyncio.sleep(0)
        clock.advance(1)
    assert waiting.result().ok


async def test_a_call_waits_for_one_that_is_under_way():
    let_go = asyncio.Event()
    inner = RecordingTools({"shop.pay": lambda _: let_go.wait()})
    tools = LimitedToolset(inner, await rules_with(shop__pay=ToolRule(concurrency=1)), FakeClock())
    async with held(tools, let_go):
        second = asyncio.ensure_future(tools.call(ToolCall("2", "shop.pay"), ACME))
        for _ in range(5):
            await asyncio.sleep(0)
        assert len(inner.calls) == 1
    assert (await second).ok


async def test_a_call_that_finds_no_turn_in_time_is_told_so():
    let_go = asyncio.Event()
    inner = RecordingTools({"shop.pay": Scripted(lambda _: let_go.wait(), timeout=0.02)})
    tools = LimitedToolset(inner, await rules_with(shop=ToolRule(concurrency=1)), FakeClock())
    async with held(tools, let_go):
        result = await tools.call(ToolCall("2", "shop.pay"), ACME)
        assert (result.status, result.data) == (ToolStatus.RATE_LIMITED, {"retry_after": 1})
    assert len(inner.calls) == 1


async def test_nobody_waits_beyond_the_deadline_of_the_run():
    clock = FakeClock()
    tools = LimitedToolset(RecordingTools({"shop.pay": "paid"}), await rules_with(shop=ToolRule(per_minute=1)), clock)
    await tools.call(ToolCall("1", "shop.pay"), ACME)
    clock.advance(55)
    context = replace(ACME, deadline=clock.now() + timedelta(seconds=2))
    assert (await tools.call(ToolCall("2", "shop.pay"), context)).status is ToolStatus.RATE_LIMITED


# -- broken ------------------------------------------------------------------------------------------------------


async def test_a_tool_that_fails_too_often_is_left_alone_and_tried_again_later():
    clock = FakeClock()
    breakers = MemoryBreakers(clock, BreakerRules(failures=2, first_rest=timedelta(seconds=10)))
    inner = RecordingTools({"shop.pay": [AWAY, ToolResult(ToolStatus.TIMEOUT, "late"), FINE], "shop.list": "goods"})
    tools = BrokenToolset(inner, breakers)
    call = ToolCall("1", "shop.pay")
    assert statuses([await tools.call(call, ACME) for _ in range(3)]) == [
        ToolStatus.UNAVAILABLE,
        ToolStatus.TIMEOUT,
        ToolStatus.UNAVAILABLE,
    ]
    assert len(inner.calls) == 2
    assert (await tools.call(ToolCall("2", "shop.list"), ACME)).ok
    assert (await tools.call(call, OTHER)).ok
    clock.advance(11)
    assert (await tools.call(call, ACME)).ok
    assert list(await breakers.all()) == []


async def test_wrong_arguments_say_nothing_about_a_tool():
    breakers = MemoryBreakers(FakeClock(), BreakerRules(failures=1))
    wrong = ToolResult(ToolStatus.INVALID_ARGUMENTS, "wrong")
    tools = BrokenToolset(RecordingTools({"shop.pay": wrong}), breakers)
    assert await tools.call(ToolCall("1", "shop.pay"), ACME) == wrong
    assert list(await breakers.all()) == []


class Lost(MemoryBreakers):
    """Breakers whose database is away."""

    async def admit(self, key: str) -> float | None:
        raise Unavailable(key)

    async def succeeded(self, key: str) -> None:
        raise Unavailable(key)


async def test_calls_go_on_while_nobody_knows_how_breakers_stand():
    tools = BrokenToolset(RecordingTools({"shop.pay": "paid"}), Lost(FakeClock(), BreakerRules()))
    assert (await tools.call(ToolCall("1", "shop.pay"), ACME)).ok


# -- watched -----------------------------------------------------------------------------------------------------


async def test_it_is_remembered_how_tools_did():
    clock, histories = FakeClock(), Histories()
    inner = RecordingTools({"shop.pay": [FINE, AWAY, ToolResult(ToolStatus.RATE_LIMITED, "later")]})
    tools = WatchedToolset(inner, histories, clock)
    for _ in range(3):
        await tools.call(ToolCall("1", "shop.pay"), ACME)
    history = histories.of("acme", "shop.pay")
    assert (history.calls, history.failures, history.last_error) == (2, 1, "unavailable: it is away")
    assert history.percentile(0.5) == history.percentile(0.95) == 0
    assert histories.of("other", "shop.pay").percentile(0.5) is None
