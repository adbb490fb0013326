"""Runs under budgets, on the real engine: counted before each act, shared by a family, raised by a person."""

import asyncio
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from ripieno import bootstrap
from ripieno.bootstrap import Platform
from ripieno.domain.agents import AgentDefinition
from ripieno.domain.budgets import NOTHING, Amount, Budget, Caps, OnExceeded, Raise, Window
from ripieno.domain.effects import EffectClass
from ripieno.domain.entries import EntryType
from ripieno.domain.errors import ModelRefused
from ripieno.domain.filters import RunFilter
from ripieno.domain.interrupts import Decision, DecisionKind, InterruptKind
from ripieno.domain.messages import ModelRequest, Reply
from ripieno.domain.principals import Principal
from ripieno.domain.runs import TERMINAL, ExitReason, Run, RunStatus
from ripieno.domain.usage import Usage
from ripieno.engine.api import StartRun
from ripieno.engine.past.fork import ForkWish
from ripieno.engine.past.retry import RetryWish
from ripieno.engine.worker import Options
from ripieno.governance.budgets import LeasedBudgets
from ripieno.testing.memory_books import MemoryBooks
from ripieno.testing.memory_state import Memory
from ripieno.testing.platform import in_memory
from ripieno.testing.recording_tools import RecordingTools, Scripted
from ripieno.testing.scripted_model import ScriptedModel, calls, says

ALICE = Principal("alice")
HUNDRED = Usage(60, 40, cost_usd=0.25, calls=1)
PAY = {"shop.pay": Scripted("paid", effect=EffectClass.IRREVERSIBLE)}


def budget(scope: str = "tenant", on_exceeded: OnExceeded = OnExceeded.STOP, **limits: float) -> Budget:
    return Budget("default", scope, Window.TOTAL, Caps.given(limits), on_exceeded, set_by="boss")


async def put(bench: Any, *budgets: Budget) -> None:
    for one in budgets:
        await bench.platform.ports.budgets.put(one)


async def spent(bench: Any, one: Budget) -> Amount:
    """What is settled, once nothing is under way."""
    state = await bench.platform.ports.budgets.state_of(one)
    assert state.reserved == NOTHING
    return state.spent


async def test_what_was_used_is_settled(make: Any):
    bench = await make([calls(("shop.pay", {}), usage=HUNDRED), says("done", usage=HUNDRED)], PAY)
    everything = budget(usd=100, tokens=100_000, seconds=1000, effects=5)
    await put(bench, everything, budget("agent:clerk", tokens=100_000), budget("user:bob", tokens=0))
    run = await bench.ended(await bench.start())
    assert run.status is RunStatus.COMPLETED
    used = await spent(bench, everything)
    assert (used.usd, used.tokens, used.effects) == (500_000_000, 200, 1)
    assert (await spent(bench, budget("agent:clerk"))).tokens == 200
    assert await spent(bench, budget("user:bob")) == NOTHING


async def test_a_run_under_no_budget_writes_nothing_about_one(make: Any):
    bench = await make([calls(("shop.pay", {})), says("done")], PAY)
    run = await bench.ended(await bench.start())
    assert bench.model.requests[0].max_tokens is None
    assert await bench.platform.ports.budgets.reserved("default", run.id) == []
    assert await spent(bench, budget()) == NOTHING


@pytest.mark.parametrize("limits", [{"tokens": 0}, {"usd": 0, "tokens": 5}])
async def test_a_budget_of_zero_ends_a_run_before_its_first_call(make: Any, limits: dict[str, Any]):
    bench = await make([says("never")])
    await put(bench, budget(**limits))
    run = await bench.ended(await bench.start())
    assert (run.status, run.exit_reason) == (RunStatus.FAILED, ExitReason.BUDGET_EXCEEDED)
    assert run.result.error.code == "budget_exceeded"
    assert run.result.error.detail.startswith("the budget of tenant is spent: ")
    assert bench.model.requests == []


async def test_a_model_that_costs_nothing_may_be_called_on_a_budget_of_no_dollars(make: Any):
    bench = await make([says("free")])
    await put(bench, budget(usd=0))
    assert (await bench.ended(await bench.start())).status is RunStatus.COMPLETED


async def test_an_unknown_price_is_a_refusal_where_there_is_a_budget_in_dollars(make: Any):
    bench = await make([says("free")], model="openai:nobodys-model")
    await put(bench, budget(usd=100))
    run = await bench.ended(await bench.start())
    assert (run.exit_reason, run.result.error.code) == (ExitReason.BUDGET_EXCEEDED, "price_unknown")
    assert run.result.error.detail == (
        "no price is known for openai:nobodys-model, and the budget of tenant is in USD: set one in models.prices"
    )
    await put(bench, budget(tokens=100_000))
    assert (await bench.ended(await bench.start())).status is RunStatus.COMPLETED


async def test_the_answer_is_no_longer_than_the_budget_pays(make: Any):
    bench = await make([says("short", usage=HUNDRED)], instructions="Be brief.")
    await bench.ended(await bench.start(limits={"tokens": 1000}))
    (asked,) = bench.model.requests
    assert asked.max_tokens is not None
    assert 900 < asked.max_tokens < 1000


async def test_the_wait_is_no_longer_than_the_budget_allows(make: Any):
    bench = await make([says("quick")])
    await put(bench, budget(seconds=7))
    await bench.ended(await bench.start())
    assert bench.model.requests[0].timeout == 7


async def test_an_effect_is_counted_before_it_happens(make: Any):
    twice = calls(("shop.pay", {"n": 1}), ("shop.pay", {"n": 2}))
    bench = await make([twice, says("never")], PAY)
    await put(bench, budget(effects=1))
    run = await bench.ended(await bench.start())
    assert (run.exit_reason, len(bench.tools.calls)) == (ExitReason.BUDGET_EXCEEDED, 1)
    assert run.result.error.detail == "the budget of tenant is spent: 1 effects allowed, 1 spent, at least 1 needed"
    assert (await spent(bench, budget())).effects == 1


async def test_reading_costs_no_effect_but_time(make: Any):
    tools = {"shop.look": Scripted("full", effect=EffectClass.READ)}
    bench = await make([calls(("shop.look", {})), says("done")], tools)
    await put(bench, budget(effects=0, seconds=1000))
    run = await bench.ended(await bench.start())
    assert run.status is RunStatus.COMPLETED
    assert (await spent(bench, budget())).effects == 0


async def test_a_failed_call_gives_back_what_was_set_aside(make: Any):
    bench = await make([])
    await put(bench, budget(tokens=100_000))
    run = await bench.ended(await bench.start())
    assert run.exit_reason is ExitReason.MODEL_ERROR
    assert (await spent(bench, budget())).tokens == 0


async def test_the_limit_of_a_request_counts_before_too(make: Any):
    bench = await make([calls(("shop.pay", {}), usage=HUNDRED), says("never", usage=HUNDRED)], PAY)
    run = await bench.ended(await bench.start(limits={"tokens": 0}))
    assert (run.exit_reason, bench.model.requests) == (ExitReason.BUDGET_EXCEEDED, [])
    assert run.result.error.detail.startswith(f"the budget of run {run.id} is spent: 0 tokens allowed")


# -- more ------------------------------------------------------------------------------------------------------------


async def test_a_person_allows_more_and_the_run_goes_on_from_where_it_stood(make: Any):
    bench = await make([calls(("shop.pay", {}), usage=HUNDRED), says("done", usage=HUNDRED)], PAY)
    await put(bench, budget(on_exceeded=OnExceeded.ASK, effects=0))
    run = await bench.start()
    interrupt = await bench.asked(run)
    assert (await bench.until(run, RunStatus.AWAITING_APPROVAL)).status is RunStatus.AWAITING_APPROVAL
    assert interrupt.kind is InterruptKind.BUDGET
    wanted = {"scope": "tenant", "window": "total", "measure": "effects", "limit": 0, "spent": 0, "needed": 1}
    assert {name: interrupt.request[name] for name in wanted} == wanted
    assert interrupt.request["amount"] == 1
    await bench.decide(interrupt, DecisionKind.APPROVE, amount=3)
    assert (await bench.ended(run)).status is RunStatus.COMPLETED
    assert (len(bench.model.requests), len(bench.tools.calls)) == (2, 1)
    state = await bench.platform.ports.budgets.state_of(budget())
    assert (state.raised.effects, state.spent.effects) == (3, 1)


async def test_without_an_amount_as_much_is_added_as_was_shown(make: Any):
    bench = await make([says("done", usage=HUNDRED)])
    run = await bench.start(limits={"tokens": 10, "on_exceeded": "ask"})
    interrupt = await bench.asked(run)
    assert interrupt.request["scope"] == f"run:{run.id}"
    await bench.decide(interrupt, DecisionKind.APPROVE)
    assert (await bench.ended(run)).status is RunStatus.COMPLETED


async def test_too_little_more_is_asked_about_again(make: Any):
    bench = await make([says("done", usage=HUNDRED)])
    run = await bench.start(limits={"tokens": 0, "on_exceeded": "ask"})
    first = await bench.asked(run)
    await bench.decide(first, DecisionKind.APPROVE, amount=1)
    async with asyncio.timeout(20):
        while (second := await bench.asked(run)).id == first.id:
            await asyncio.sleep(0.005)
    assert second.request["limit"] == 1
    await bench.decide(second, DecisionKind.APPROVE, amount=5000)
    assert (await bench.ended(run)).status is RunStatus.COMPLETED


@pytest.mark.parametrize(
    ("kind", "fields"),
    [(DecisionKind.DENY, {"reason": "dear"}), (DecisionKind.APPROVE, {"amount": 0, "reason": "dear"})],
)
async def test_a_person_allows_no_more(make: Any, kind: DecisionKind, fields: dict[str, Any]):
    bench = await make([says("never")])
    await put(bench, budget(on_exceeded=OnExceeded.ASK, tokens=0))
    run = await bench.start()
    await bench.decide(await bench.asked(run), kind, **fields)
    run = await bench.ended(run)
    assert run.exit_reason is ExitReason.BUDGET_EXCEEDED
    assert run.result.error.detail.endswith("needed; bob allowed no more: dear")
    assert bench.model.requests == []


class TakenBack(LeasedBudgets):
    """Whenever somebody raises a budget, somebody else sets it back."""

    async def raise_by(self, more: Raise) -> None:
        await super().raise_by(more)
        await self.put(more.budget)


async def test_who_sets_the_budget_back_meanwhile_has_the_last_word(tmp_path: Path):
    fake = in_memory(ScriptedModel([]), RecordingTools({}), [AgentDefinition(name="clerk")], tmp_path)
    clock = fake.ports.clock
    budgets = TakenBack(MemoryBooks(Memory(), clock), clock)
    asking = budget(on_exceeded=OnExceeded.ASK, tokens=0)
    await budgets.put(asking)
    async with bootstrap.running(bootstrap.assemble(replace(fake.ports, budgets=budgets), Options())) as platform:
        run = await platform.engine.start(StartRun("go", agent="clerk"), ALICE)
        await platform.engine.wait("default", run.id, 20)
        asked = await platform.engine.open_interrupt("default", run.id, None, None)
        await platform.engine.decide(ALICE, asked.id, Decision(DecisionKind.APPROVE, "bob", amount=100_000))
        async with asyncio.timeout(20):
            while (run := await platform.engine.wait("default", run.id, 5)).status not in TERMINAL:
                pass
    assert run.exit_reason is ExitReason.BUDGET_EXCEEDED


# -- generations -----------------------------------------------------------------------------------------------------


async def retried(bench: Any, run: Run) -> Run:
    await bench.platform.past.retry(ALICE, run.id, RetryWish())
    return await bench.ended(run)


async def test_what_earlier_generations_used_counts_on(make: Any):
    pays = calls(("shop.pay", {}), usage=HUNDRED)
    bench = await make([pays, ModelRefused("no"), ModelRefused("no"), says("done", usage=HUNDRED)], PAY)
    await put(bench, budget(tokens=100_000, effects=1))
    run = await bench.ended(await bench.start(limits={"tokens": 50_000, "effects": 1}))
    of_run = budget(f"run:{run.id}")
    for _ in range(2):
        assert run.exit_reason is ExitReason.MODEL_ERROR
        assert await bench.platform.ports.budgets.reserved("default", run.id) == []
        assert [(await spent(bench, one)).tokens for one in (budget(), of_run)] == [100, 100]
        run = await retried(bench, run)
    assert (run.status, run.generation) == (RunStatus.COMPLETED, 3)
    for one in (budget(), of_run):
        used = await spent(bench, one)
        assert (used.tokens, used.effects) == (200, 1)


async def test_a_call_that_was_cut_off_counts_and_the_next_generation_pays_for_its_own(make: Any):
    begun = asyncio.Event()

    async def play(_: ModelRequest) -> Reply:
        if not begun.is_set():
            begun.set()
            await asyncio.Event().wait()
        return says("done", usage=HUNDRED)

    bench = await make(play)
    await put(bench, budget(tokens=100_000))
    run = await bench.start()
    await begun.wait()
    await bench.platform.engine.cancel(ALICE, run.id)
    await bench.ended(run)
    cut_off = (await spent(bench, budget())).tokens
    assert (await retried(bench, run)).status is RunStatus.COMPLETED
    assert (await spent(bench, budget())).tokens == cut_off + 100


async def test_a_run_that_used_up_its_own_limit_needs_a_fork_and_says_so(make: Any):
    script = [calls(("shop.pay", {"n": 1})), calls(("shop.pay", {"n": 2})), says("done")]
    bench = await make(script, PAY)
    run = await bench.ended(await bench.start(limits={"effects": 1}))
    for _ in range(2):
        assert run.exit_reason is ExitReason.BUDGET_EXCEEDED
        assert run.result is not None
        assert run.result.error is not None
        assert run.result.error.detail.endswith("a retry goes on under the same limit, a fork may be given another")
        run = await retried(bench, run)
    assert (len(bench.model.requests), len(bench.tools.calls)) == (2, 1)
    fork = await bench.platform.past.fork(ALICE, run.id, ForkWish("g1/turn/2/model", {"limits": {"effects": 2}}))
    assert (await bench.ended(fork)).status is RunStatus.COMPLETED
    assert [call.call.arguments for call in bench.tools.calls] == [{"n": 1}, {"n": 2}]
    assert (await spent(bench, budget(f"run:{fork.id}"))).effects == 1, "what was copied was paid for before"


async def test_who_said_no_is_asked_again(make: Any):
    bench = await make([says("done", usage=HUNDRED)])
    run = await bench.start(limits={"tokens": 0, "on_exceeded": "ask"})
    await bench.decide(await bench.asked(run), DecisionKind.DENY)
    run = await bench.ended(run)
    assert run.exit_reason is ExitReason.BUDGET_EXCEEDED
    await bench.platform.past.retry(ALICE, run.id, RetryWish())
    again = await bench.asked(run)
    assert again.key == "g2/turn/1/model/budget"
    await bench.decide(again, DecisionKind.APPROVE, amount=100_000)
    assert (await bench.ended(run)).status is RunStatus.COMPLETED


async def test_a_run_that_used_up_a_budget_goes_on_when_that_is_raised(make: Any):
    bench = await make([calls(("shop.pay", {}), usage=HUNDRED), says("done", usage=HUNDRED)], PAY)
    await put(bench, budget(tokens=0))
    run = await bench.ended(await bench.start())
    assert (run.exit_reason, bench.model.requests) == (ExitReason.BUDGET_EXCEEDED, [])
    await put(bench, budget(tokens=100_000))
    assert (await retried(bench, run)).status is RunStatus.COMPLETED


# -- families --------------------------------------------------------------------------------------------------------


async def settled(platform: Platform, request: StartRun) -> Run:
    run = await platform.engine.start(request, ALICE)
    async with asyncio.timeout(30):
        while run.status not in TERMINAL:
            run = await platform.engine.wait("default", run.id, 5)
    return run


async def test_who_gives_work_to_others_cannot_spend_five_times(tmp_path: Path):
    """Five helpers side by side, of whom each alone would be within the limit."""

    def play(request: ModelRequest) -> Reply:
        if any(tool.name == "agent.helper" for tool in request.tools):
            return calls(*(("agent.helper", {"goal": f"do {n}"}) for n in range(5)), usage=Usage(100, 100, calls=1))
        return calls(("shop.pay", {"n": len(request.messages)}), usage=Usage(100, 100, calls=1))

    agents = [
        AgentDefinition(name="boss", tools=("agent.helper",)),
        AgentDefinition(name="helper", tools=("shop.pay",)),
    ]
    tools = RecordingTools(PAY)
    async with bootstrap.running(in_memory(ScriptedModel(play), tools, agents, tmp_path)) as platform:
        whole = budget("agent:boss", tokens=1_000_000)
        await platform.ports.budgets.put(whole)
        run = await settled(platform, StartRun("go", agent="boss", limits={"effects": 3, "tokens": 200_000}))
        children = await platform.ports.records.runs("default", RunFilter(parent_id=run.id), 10)
        assert len(children) >= 5
        assert len(tools.calls) == 3
        assert {child.exit_reason for child in children} == {ExitReason.BUDGET_EXCEEDED}
        own = children[0].input.above
        assert [(one.run_id, one.effects) for one in own] == [(run.id, 3)]
        of_boss = await platform.ports.budgets.state_of(whole)
        assert of_boss.spent.tokens > 5 * 200, "what helpers use counts for the agent that called them"


async def test_a_leg_that_is_taken_over_uses_what_was_set_aside(tmp_path: Path):
    """The first worker goes in the middle of a call; the next pays out of the same reservation."""
    begun, again = asyncio.Event(), asyncio.Event()

    async def play(_: ModelRequest) -> Reply:
        if not begun.is_set():
            begun.set()
            await asyncio.Event().wait()
        again.set()
        return says("done", usage=HUNDRED)

    platform = in_memory(ScriptedModel(play), RecordingTools({}), [AgentDefinition(name="clerk")], tmp_path)
    one = budget(tokens=100_000)
    async with bootstrap.running(platform):
        await platform.ports.budgets.put(one)
        run = await platform.engine.start(StartRun("go", agent="clerk"), ALICE)
        await begun.wait()
    (open_one,) = await platform.ports.budgets.reserved("default", run.id)
    assert open_one.key == "g1/turn/1/model"
    state = await platform.ports.budgets.state_of(one)
    assert (state.reserved.tokens, state.leased.tokens) == (open_one.amount.tokens, open_one.amount.tokens)
    second = bootstrap.assemble(platform.ports, Options())
    async with bootstrap.running(second):
        async with asyncio.timeout(20):
            while (found := await second.engine.wait("default", run.id, 5)).status not in TERMINAL:
                pass
    assert found.status is RunStatus.COMPLETED
    assert again.is_set()
    assert await platform.ports.budgets.reserved("default", run.id) == []
    assert (await platform.ports.budgets.state_of(one)).spent.tokens == 100


async def test_a_run_that_is_cancelled_in_a_call_counts_all_of_it(make: Any):
    begun = asyncio.Event()

    async def play(_: ModelRequest) -> Reply:
        begun.set()
        await asyncio.Event().wait()
        return says("never")

    bench = await make(play)
    await put(bench, budget(tokens=100_000))
    run = await bench.start()
    await begun.wait()
    await bench.platform.engine.cancel(ALICE, run.id)
    await bench.ended(run)
    assert (await spent(bench, budget())).tokens > 4096
    assert EntryType.MODEL_REPLIED not in {entry.type for entry in await bench.entries(run)}
