"""Runs that ask people."""

import asyncio
from dataclasses import dataclass
from typing import Any

import pytest

from ripieno.domain.effects import EffectClass, EffectState
from ripieno.domain.errors import AlreadyDecided, Invalid, NotFound, WhichInterrupt
from ripieno.domain.interrupts import DecisionKind, InterruptKind, InterruptStatus
from ripieno.domain.runs import RunStatus
from ripieno.domain.tools import Risk, ToolResult, ToolStatus
from ripieno.testing.recording_tools import Scripted
from ripieno.testing.scripted_model import calls, says

SCHEMA = {"type": "object", "properties": {"eur": {"type": "integer", "maximum": 100}}, "required": ["eur"]}


def pay(answer: Any = "paid", **fields: Any) -> Scripted:
    return Scripted(answer, effect=EffectClass.IRREVERSIBLE, input_schema=SCHEMA, **fields)


async def test_an_approval_holds_no_worker_and_then_the_call_is_made_once(make: Any):
    bench = await make([calls(("shop.pay", {"eur": 3})), says("ok")], {"shop.pay": pay()}, approvals=["shop.*"])
    run = await bench.start()
    interrupt = await bench.asked(run)
    await wait_idle(bench)
    assert not bench.tools.calls
    assert (interrupt.kind, interrupt.requested_by) == (InterruptKind.APPROVAL, "alice")
    assert interrupt.request["arguments"] == {"eur": 3}
    assert interrupt.reasons == ("agent clerk needs an approval for shop.pay",)
    parked = await bench.until(run, RunStatus.AWAITING_APPROVAL)
    assert parked.waits == ({"for": "approval", "interrupt_id": interrupt.id},)
    decided = await bench.decide(interrupt, DecisionKind.APPROVE)
    assert decided.status is InterruptStatus.APPROVED
    assert (await bench.ended(run)).status is RunStatus.COMPLETED
    assert bench.tools.arguments("shop.pay") == [{"eur": 3}]
    keys = await bench.keys(run)
    assert keys.index("g1/turn/1/call/0/approval/decision") < keys.index("g1/turn/1/call/0/intent/1")


async def wait_idle(bench: Any) -> None:
    async with asyncio.timeout(10):
        while not bench.idle():
            await asyncio.sleep(0.001)


async def test_a_tools_risk_asks_too(make: Any):
    bench = await make([calls(("shop.pay", {"eur": 3})), says("ok")], {"shop.pay": pay(risk=Risk.HIGH)})
    interrupt = await bench.asked(await bench.start())
    assert interrupt.reasons == ("shop.pay has high risk",)
    assert interrupt.risk == "high"


async def test_a_denial_is_told_to_the_model_with_its_reason(make: Any):
    bench = await make([calls(("shop.pay", {"eur": 3})), says("no")], {"shop.pay": pay()}, approvals=["shop.pay"])
    run = await bench.start()
    await bench.decide(await bench.asked(run), DecisionKind.DENY, reason="too dear")
    await bench.ended(run)
    assert not bench.tools.calls
    assert bench.model.requests[1].messages[-1].text == "denied: bob said no: too dear"


async def test_edited_arguments_are_checked_and_then_used(make: Any):
    bench = await make([calls(("shop.pay", {"eur": 90})), says("ok")], {"shop.pay": pay()}, approvals=["shop.pay"])
    run = await bench.start()
    interrupt = await bench.asked(run)
    with pytest.raises(Invalid) as refused:
        await bench.decide(interrupt, DecisionKind.APPROVE, arguments={"eur": 900})
    assert [problem.pointer for problem in refused.value.problems] == ["/eur"]
    await bench.decide(interrupt, DecisionKind.APPROVE, arguments={"eur": 9})
    await bench.ended(run)
    assert bench.tools.arguments("shop.pay") == [{"eur": 9}]


async def test_the_second_decision_hears_who_was_first(make: Any):
    bench = await make([calls(("shop.pay", {"eur": 3})), says("ok")], {"shop.pay": pay()}, approvals=["shop.pay"])
    run = await bench.start()
    interrupt = await bench.asked(run)
    await bench.decide(interrupt, DecisionKind.DENY, by="carol")
    with pytest.raises(AlreadyDecided) as refused:
        await bench.decide(interrupt, DecisionKind.APPROVE)
    assert refused.value.decided_by == "carol"


async def test_one_call_that_waits_holds_up_no_other(make: Any):
    script = [calls(("shop.pay", {"eur": 3}), ("shop.look", {})), says("ok")]
    bench = await make(script, {"shop.pay": pay(), "shop.look": "cheap"}, approvals=["shop.pay"])
    run = await bench.start()
    interrupt = await bench.asked(run)
    assert "g1/turn/1/call/1" in await bench.keys(run)
    await bench.decide(interrupt, DecisionKind.APPROVE)
    await bench.ended(run)
    assert [call.call.name for call in bench.tools.calls] == ["shop.look", "shop.pay"]


async def test_a_decision_is_used_while_another_call_is_still_under_way(make: Any, gate_tool: Any):
    slow, begun, may = gate_tool()
    script = [calls(("slow.go", {}), ("shop.pay", {"eur": 3})), says("ok")]
    bench = await make(script, {"shop.pay": pay(), "slow.go": slow}, approvals=["shop.pay"])
    run = await bench.start()
    await begun.wait()
    async with asyncio.timeout(10):
        while not (open_ := await bench.interrupts(run)):
            await asyncio.sleep(0.002)
        await bench.decide(open_[0], DecisionKind.APPROVE)
        while not bench.tools.arguments("shop.pay"):
            await asyncio.sleep(0.002)
    may.set()
    assert (await bench.ended(run)).status is RunStatus.COMPLETED


async def test_two_approvals_of_one_turn_are_two_interrupts(make: Any):
    script = [calls(("shop.pay", {"eur": 1}), ("shop.pay", {"eur": 2})), says("ok")]
    bench = await make(script, {"shop.pay": pay()}, approvals=["shop.pay"])
    run = await bench.start()
    await bench.until(run, RunStatus.AWAITING_APPROVAL)
    with pytest.raises(WhichInterrupt) as refused:
        await bench.platform.engine.open_interrupt("default", run.id, None, InterruptKind.APPROVAL)
    assert len(refused.value.open_ids) == 2
    for interrupt in await bench.interrupts(run):
        await bench.decide(interrupt, DecisionKind.APPROVE)
    await bench.ended(run)
    assert sorted(call["eur"] for call in bench.tools.arguments("shop.pay")) == [1, 2]


async def test_an_interrupt_of_another_run_is_not_found(make: Any):
    pays = [calls(("shop.pay", {"eur": 1})), calls(("shop.pay", {"eur": 1}))]
    bench = await make(pays, {"shop.pay": pay()}, approvals=["shop.pay"])
    first, second = await bench.start(), await bench.start()
    interrupt = await bench.asked(first)
    with pytest.raises(NotFound):
        await bench.platform.engine.open_interrupt("default", second.id, interrupt.id, None)


LOST = [ToolResult(ToolStatus.TIMEOUT, "no answer"), "paid"]
BROKEN = [RuntimeError("a bug, after or before the payment"), "paid"]


@dataclass(frozen=True)
class Verdict:
    """What a person says of a lost payment, and what must come of it."""

    decision: DecisionKind
    answer: str | None
    told: str
    states: tuple[EffectState, ...]

    @property
    def calls(self) -> int:
        return len(self.states)


ABANDONED = "error: given up by bob; nobody knows whether it happened"
VERDICTS = [
    Verdict(DecisionKind.COMMITTED, "receipt 7", "receipt 7", (EffectState.DONE,)),
    Verdict(DecisionKind.RETRY, None, "paid", (EffectState.FAILED, EffectState.DONE)),
    Verdict(DecisionKind.ABANDON, None, ABANDONED, (EffectState.ABANDONED,)),
]


@pytest.mark.parametrize("verdict", VERDICTS, ids=[verdict.decision for verdict in VERDICTS])
@pytest.mark.parametrize("lost", [LOST, BROKEN], ids=["timeout", "exception"])
async def test_an_irreversible_effect_of_which_nobody_knows_is_put_to_a_person(
    make: Any, lost: list[Any], verdict: Verdict
):
    bench = await make([calls(("shop.pay", {"eur": 3})), says("ok")], {"shop.pay": pay(lost)})
    run = await bench.start()
    interrupt = await bench.asked(run)
    assert interrupt.kind is InterruptKind.UNKNOWN_EFFECT
    assert (await bench.until(run, RunStatus.AWAITING_INPUT)).status is RunStatus.AWAITING_INPUT
    await bench.decide(interrupt, verdict.decision, answer=verdict.answer)
    await bench.ended(run)
    assert bench.model.requests[1].messages[-1].text == verdict.told
    effects = await bench.platform.ports.records.effects("default", run.id)
    assert tuple(effect.state for effect in effects) == verdict.states
    assert len(bench.tools.calls) == verdict.calls
