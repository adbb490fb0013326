"""A call of which nobody knows: a tool that can tell is asked before a person is."""

from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from ripieno.domain.agents import AgentDefinition
from ripieno.domain.batches import Append, EffectIntent
from ripieno.domain.effects import Effect, EffectClass, EffectState
from ripieno.domain.entries import EntryType, NewEntry
from ripieno.domain.interrupts import DecisionKind, InterruptKind
from ripieno.domain.runs import NewRun, RunInput, RunKind, RunStatus
from ripieno.domain.tools import Reconciliation, Risk, ToolContext, ToolResult, ToolStatus
from ripieno.engine.leg import Blocked, Leg
from ripieno.engine.performers.people import PeoplePerformer
from ripieno.engine.performers.permits import Permits
from ripieno.engine.performers.reconciling import Doubt, Reconciler
from ripieno.governance.risk import RiskGate
from ripieno.store.dispatch_local import LocalDispatch
from ripieno.testing.fake_clock import FakeClock
from ripieno.testing.memory_journal import MemoryStore
from ripieno.testing.recording_tools import RecordingTools, Scripted
from ripieno.testing.scripted_model import calls, says
from ripieno.tools import schemas
from tests.unit.engine.conftest import Bench, Make

LOST = ToolResult(ToolStatus.LOST, "gone")
FIND = Reconciliation("shop.find", {"order": "${{ arguments.order }}", "key": "${{ key }}"})
SCRIPT = [calls(("shop.pay", {"order": 7})), says("Paid.")]


def shop(find: Any, *, pays: Any = LOST, reconcile: Reconciliation = FIND, **fields: Any) -> dict[str, Any]:
    return {
        "shop.pay": Scripted(pays, effect=EffectClass.RECONCILABLE, reconcile=reconcile),
        "shop.find": Scripted(find, **fields),
    }


async def told(bench: Bench) -> list[str]:
    return [message.text for message in bench.model.requests[-1].messages if message.role == "tool"]


async def test_it_happened(make: Make):
    bench = await make(SCRIPT, shop({"happened": True, "result": {"id": "p7"}}))
    run = await bench.ended(await bench.start())
    assert run.status is RunStatus.COMPLETED
    assert await told(bench) == ['{"id":"p7"}']
    (asked,) = bench.tools.arguments("shop.find")
    (effect,) = await bench.platform.ports.records.effects("default", run.id)
    assert (effect.state, asked) == (EffectState.DONE, {"order": 7, "key": effect.idempotency_key})
    types = [entry.type for entry in await bench.entries(run)]
    assert EntryType.EFFECT_RECONCILED in types
    assert EntryType.INTERRUPT_OPENED not in types


async def test_it_did_not_happen_and_is_done_under_the_same_key(make: Make):
    bench = await make(SCRIPT, shop({"happened": False}, pays=[LOST, "paid"]))
    run = await bench.ended(await bench.start())
    assert await told(bench) == ["paid"]
    first, second = await bench.platform.ports.records.effects("default", run.id)
    assert (first.state, second.state) == (EffectState.FAILED, EffectState.DONE)
    assert first.idempotency_key == second.idempotency_key


@pytest.mark.parametrize(
    "fields",
    [
        {"find": "hm"},
        {"find": {"happened": "perhaps"}},
        {"find": {"found": True}},
        {"find": ToolResult(ToolStatus.ERROR, "closed")},
        {"find": {"happened": True}, "effect": EffectClass.IDEMPOTENT},
        {"find": {"happened": True}, "reconcile": Reconciliation("shop.nowhere")},
        {"find": {"happened": True}, "reconcile": Reconciliation("shop.find", {"id": "${{ arguments.id }}"})},
    ],
)
async def test_without_a_clear_answer_a_person_is_asked(make: Make, fields: dict[str, Any]):
    bench = await make(SCRIPT, shop(**fields))
    run = await bench.start()
    asked = await bench.asked(run)
    assert asked.kind is InterruptKind.UNKNOWN_EFFECT
    await bench.decide(asked, DecisionKind.COMMITTED, answer="it did")
    await bench.ended(run)
    assert await told(bench) == ["it did"]


async def test_where_a_person_must_allow_the_question_a_person_is_asked_at_once(make: Make):
    bench = await make(SCRIPT, shop({"happened": True}), approvals=["shop.find"])
    assert (await bench.asked(await bench.start())).kind is InterruptKind.UNKNOWN_EFFECT
    assert not bench.tools.arguments("shop.find")


async def test_other_members_may_say_it_and_the_same_arguments_are_the_default(make: Make):
    reconcile = Reconciliation("shop.find", None, "order.paid", "order.receipt")
    bench = await make(SCRIPT, shop({"order": {"paid": True, "receipt": "r7"}}, reconcile=reconcile))
    await bench.ended(await bench.start())
    assert (await told(bench), bench.tools.arguments("shop.find")) == (["r7"], [{"order": 7}])


async def test_an_attempt_of_a_lost_worker_is_given_time_to_end(tmp_path: Path):
    clock = FakeClock()
    store = MemoryStore(clock, LocalDispatch())
    run = NewRun("run_" + "0" * 32, "t", RunKind.AGENT, "clerk", "v", "ses_1", RunInput("pay"), "alice")
    await store.journal.start(run)
    (claimed,) = await store.journal.claim("w1", 1)
    effect = Effect(run.id, "k", 1, "shop.pay", EffectClass.RECONCILABLE, EffectState.INTENDED, "i", "h")
    lines = (NewEntry("k/intent/1", EntryType.EFFECT_INTENDED, {}),)
    await store.journal.append(Append(run.id, claimed.run.epoch, lines, intents=(EffectIntent(effect),)))
    await store.journal.release(run.id, claimed.run.epoch)
    (again,) = await store.journal.claim("w2", 1)
    leg = Leg(again, store.journal)
    tools = RecordingTools(shop({"happened": True}))
    (spec, _) = await tools.list(ToolContext("t", tmp_path))
    permits = Permits(RiskGate(Risk.HIGH), schemas.check, PeoplePerformer(clock))
    reconciler = Reconciler(tools, permits, clock, grace=30)
    doubt = Doubt(AgentDefinition(name="clerk"), spec, {"order": 7}, leg.attempts("k")[0], ToolContext("t", tmp_path))
    with pytest.raises(Blocked) as blocked:
        await reconciler.ask(leg, doubt)
    assert (blocked.value.status, blocked.value.wake_at) == (RunStatus.WAITING, clock.now() + timedelta(seconds=90))
    clock.advance(90)
    found = await reconciler.ask(leg, doubt)
    assert found is not None
    assert found.happened
    assert await reconciler.ask(leg, doubt) == found
    assert len(tools.calls) == 1
