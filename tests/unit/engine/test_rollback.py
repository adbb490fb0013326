"""Rollback: what a run did is undone newest first, once, in a run of its own."""

from pathlib import Path
from typing import Any

import pytest

from ripieno import bootstrap
from ripieno.domain.agents import AgentDefinition
from ripieno.domain.effects import EffectClass, EffectState
from ripieno.domain.entries import EntryType
from ripieno.domain.errors import (
    CannotBeUndone,
    EffectsDone,
    EffectsUndone,
    EffectsUnknown,
    Invalid,
    NotFound,
    NothingToRetry,
    NothingToUndo,
    RunActive,
    WorksForAnother,
)
from ripieno.domain.filters import RunFilter
from ripieno.domain.interrupts import DecisionKind
from ripieno.domain.runs import ExitReason, Run, RunKind, RunStatus
from ripieno.domain.tools import Compensation
from ripieno.engine.past.archive import Word
from ripieno.engine.past.fork import ForkWish
from ripieno.engine.past.retry import RetryWish
from ripieno.engine.past.rollback import RollbackWish
from ripieno.testing.platform import in_memory
from ripieno.testing.recording_tools import RecordingTools, Scripted
from ripieno.testing.scripted_model import ScriptedModel, calls, says
from ripieno.tools.failures import ToolFailed
from tests.unit.engine.conftest import ALICE, Bench, Make

IRREVERSIBLE: dict[str, Any] = {"effect": EffectClass.IRREVERSIBLE}
REFUND = Compensation(
    "shop.refund", {"id": "${{ result.id }}", "eur": "${{ arguments.eur }}", "note": "for ${{ key }}"}
)
SHOP: dict[str, Any] = {
    "shop.pay": Scripted(lambda given: {"id": f"p{given['eur']}"}, compensate=REFUND, **IRREVERSIBLE),
    "shop.refund": Scripted("refunded", effect=EffectClass.IDEMPOTENT),
    "mail.send": Scripted("sent", **IRREVERSIBLE),
    "shop.look": "cheap",
}
TWO = [calls(("shop.pay", {"eur": 1})), calls(("shop.look", {}), ("shop.pay", {"eur": 2})), says("Paid.")]


async def rollback(bench: Bench, run: Run, to: int | str | None = None, **wish: Any) -> Run:
    return await bench.platform.past.rollback(ALICE, run.id, RollbackWish(to, **wish))


async def states(bench: Bench, run: Run) -> list[EffectState]:
    return [effect.state for effect in await bench.platform.ports.records.effects("default", run.id)]


async def paid(make: Make, script: Any = TWO, **agent: Any) -> tuple[Bench, Run]:
    bench = await make(script, SHOP, **agent)
    return bench, await bench.ended(await bench.start())


async def test_newest_first_with_arguments_from_the_call(make: Make):
    bench, run = await paid(make)
    plan = await bench.platform.past.undoing(ALICE, run.id, RollbackWish())
    assert [(step.key, step.by) for step in plan.steps] == [
        ("g1/turn/2/call/1", "shop.refund"),
        ("g1/turn/1/call/0", "shop.refund"),
    ]
    assert not bench.tools.arguments("shop.refund")
    undo = await rollback(bench, run)
    assert (undo.kind, undo.target, undo.session_id, undo.parent_id) == (RunKind.ROLLBACK, run.id, run.session_id, None)
    undo = await bench.ended(undo)
    assert undo.result is not None
    assert (undo.status, undo.result.answer) == (RunStatus.COMPLETED, "2 of 2 effects undone")
    first, second = bench.tools.arguments("shop.refund")
    assert [(given["id"], given["eur"]) for given in (first, second)] == [("p2", 2), ("p1", 1)]
    assert first["note"].startswith("for ")
    assert await states(bench, run) == [EffectState.COMPENSATED] * 2
    assert await states(bench, undo) == [EffectState.DONE] * 2
    keys = {call.context.idempotency_key for call in bench.tools.calls if call.call.name != "shop.look"}
    assert len(keys) == 4
    assert [entry.type for entry in await bench.entries(undo)][-3:] == [
        EntryType.TOOL_RETURNED,
        EntryType.EFFECT_COMPENSATED,
        EntryType.RUN_COMPLETED,
    ]


async def test_once_is_enough(make: Make):
    bench, run = await paid(make)
    undo = await rollback(bench, run)
    assert (await rollback(bench, run)).id == undo.id
    await bench.ended(undo)
    assert (await rollback(bench, run)).id == undo.id
    assert len(bench.tools.arguments("shop.refund")) == 2


async def test_to_an_entry(make: Make):
    bench, run = await paid(make)
    undo = await bench.ended(await rollback(bench, run, "turn/1/call/0"))
    assert await states(bench, run) == [EffectState.DONE, EffectState.COMPENSATED]
    rest = await bench.ended(await rollback(bench, run, 0))
    assert rest.id != undo.id
    assert await states(bench, run) == [EffectState.COMPENSATED] * 2
    with pytest.raises(NotFound):
        await rollback(bench, run, "turn/9")
    with pytest.raises(Invalid):
        await rollback(bench, run, 99)


async def test_what_cannot_be_undone_is_refused_with_the_list(make: Make):
    script = [calls(("shop.pay", {"eur": 1}), ("mail.send", {})), says("Done.")]
    bench, run = await paid(make, script)
    with pytest.raises(CannotBeUndone) as refused:
        await rollback(bench, run)
    (effect,) = refused.value.effects
    assert (effect["tool"], effect["reason"]) == ("mail.send", "nothing is declared that undoes it")
    with pytest.raises(Invalid):
        await rollback(bench, run, force=True)
    undo = await bench.ended(await rollback(bench, run, force=True, reason="the mail may stay"))
    assert undo.status is RunStatus.COMPLETED
    assert sorted(await states(bench, run)) == [EffectState.COMPENSATED, EffectState.DONE]
    (start, *_) = await bench.entries(undo)
    assert [item["tool"] for item in start.body["data"]["skipped"]] == ["mail.send"]


@pytest.mark.parametrize(
    ("compensation", "why"),
    [
        (Compensation("shop.refund", {"id": "${{ result.number }}"}), "there is no result.number"),
        (Compensation("shop.nowhere"), "is not there"),
        (Compensation("shop.strict"), "shop.strict cannot be called"),
    ],
)
async def test_compensations_that_do_not_fit(make: Make, compensation: Compensation, why: str):
    tools = {
        **SHOP,
        "shop.pay": Scripted({"id": "p"}, compensate=compensation, **IRREVERSIBLE),
        "shop.strict": Scripted("x", input_schema={"type": "object", "required": ["id"]}),
    }
    bench = await make([calls(("shop.pay", {"eur": 1})), says("Paid.")], tools)
    run = await bench.ended(await bench.start())
    with pytest.raises(CannotBeUndone) as refused:
        await rollback(bench, run)
    assert why in str(refused.value.effects[0]["reason"])


async def test_a_failed_compensation_stops_it_and_the_next_goes_on(make: Make):
    tools = {**SHOP, "shop.refund": Scripted(["ok", ToolFailed("closed"), "ok"], effect=EffectClass.IDEMPOTENT)}
    bench = await make(TWO, tools)
    run = await bench.ended(await bench.start())
    first = await bench.ended(await rollback(bench, run))
    assert first.result is not None
    assert first.result.error is not None
    assert (first.exit_reason, first.result.error.code) == (ExitReason.TOOL_ERROR, "rollback_stopped")
    assert len(first.result.value["undone"]) == len(first.result.value["not_undone"]) == 1
    assert await states(bench, run) == [EffectState.DONE, EffectState.COMPENSATED]
    second = await bench.ended(await rollback(bench, run))
    assert second.id != first.id
    assert await states(bench, run) == [EffectState.COMPENSATED] * 2


async def test_people_are_asked_about_compensations_too(make: Make):
    bench, run = await paid(make, approvals=["shop.refund"])
    undo = await rollback(bench, run)
    asked = await bench.asked(undo)
    assert asked.request["tool"] == "shop.refund"
    with pytest.raises(RunActive) as busy:
        await bench.platform.past.retry(ALICE, run.id, RetryWish(2, force=True, reason="x"))
    assert busy.value.active_ids == (undo.id,)
    await bench.decide(asked, DecisionKind.DENY)
    undo = await bench.ended(undo)
    assert undo.status is RunStatus.FAILED
    assert await states(bench, run) == [EffectState.DONE] * 2


async def test_terms_of_an_approval_hold_for_the_compensation(make: Make):
    bench, run = await paid(make, approvals=[{"tool": "shop.refund", "required": 2}, "mail.*"])
    asked = await bench.asked(await rollback(bench, run))
    assert (asked.request["tool"], asked.terms.required) == ("shop.refund", 2)


async def test_what_nobody_knows_must_be_settled_first(make: Make, gate_tool: Any):
    tool, begun, _ = gate_tool(compensate=Compensation("shop.refund"), **IRREVERSIBLE)
    bench = await make([calls(("shop.pay", {"eur": 1})), says("Paid.")], {**SHOP, "shop.pay": tool})
    run = await bench.start()
    await begun.wait()
    with pytest.raises(RunActive):
        await rollback(bench, run)
    await bench.platform.engine.cancel(ALICE, run.id)
    await bench.ended(run)
    with pytest.raises(EffectsUnknown) as refused:
        await rollback(bench, run)
    key = str(refused.value.effects[0]["key"])
    with pytest.raises(CannotBeUndone):
        await rollback(bench, run, words=(Word(key, EffectState.ABANDONED),))
    with pytest.raises(NothingToUndo):
        await rollback(bench, run, words=(Word(key, EffectState.FAILED),))
    await bench.ended(await rollback(bench, run, words=(Word(key, EffectState.DONE),)))
    assert await states(bench, run) == [EffectState.COMPENSATED]


async def test_a_compensation_that_a_cancel_left_unmarked_is_not_repeated(make: Make, gate_tool: Any):
    tool, begun, may = gate_tool(effect=EffectClass.IDEMPOTENT)
    bench = await make(TWO, {**SHOP, "shop.refund": tool})
    run = await bench.ended(await bench.start())
    undo = await rollback(bench, run)
    await begun.wait()
    await bench.platform.engine.cancel(ALICE, undo.id)
    undo = await bench.ended(undo)
    with pytest.raises(EffectsUnknown) as refused:
        await rollback(bench, run)
    (effect,) = refused.value.effects
    assert effect["run_id"] == undo.id
    may.set()
    word = Word(str(effect["key"]), EffectState.DONE, undo.id)
    await bench.ended(await rollback(bench, run, words=(word,)))
    assert len(bench.tools.arguments("shop.refund")) == 2
    assert await states(bench, run) == [EffectState.COMPENSATED] * 2


async def test_runs_below_are_undone_too_and_forks_have_nothing_to_undo(tmp_path: Path):
    script = [calls(("agent.helper", {"goal": "pay"})), calls(("shop.pay", {"eur": 5})), says("Paid."), says("Helped.")]
    agents = [
        AgentDefinition(name="clerk", tools=("agent.*",)),
        AgentDefinition(name="helper", tools=("shop.*",), approvals=("shop.refund",)),
    ]
    model, tools = ScriptedModel([*script, says("Forked.")]), RecordingTools(SHOP)
    async with bootstrap.running(in_memory(model, tools, agents, tmp_path)) as platform:
        bench = Bench(platform, model, tools)
        run = await bench.ended(await bench.start())
        (child,) = await platform.ports.records.runs("default", RunFilter(parent_id=run.id), 10)
        plan = await platform.past.undoing(ALICE, run.id, RollbackWish())
        assert [step.run_id for step in plan.steps] == [child.id]
        assert (await platform.past.undoing(ALICE, run.id, RollbackWish("turn/1/call/0"))).steps == ()
        fork = await bench.ended(await platform.past.fork(ALICE, child.id, ForkWish("turn/1/call/0", {})))
        with pytest.raises(NothingToUndo):
            await rollback(bench, fork)
        with pytest.raises(WorksForAnother):
            await platform.past.retry(ALICE, child.id, RetryWish())
        with pytest.raises(EffectsDone) as refused:
            await platform.past.retry(ALICE, run.id, RetryWish("turn/1/model"))
        assert [(effect["run_id"], effect["tool"]) for effect in refused.value.effects] == [(child.id, "shop.pay")]
        undo = await rollback(bench, run)
        await bench.decide(await bench.asked(undo), DecisionKind.APPROVE)
        await bench.ended(undo)
        assert await states(bench, child) == [EffectState.COMPENSATED]


async def test_a_rollback_and_a_run_without_effects_have_nothing_to_undo(make: Make):
    bench = await make([says("nothing")], SHOP)
    run = await bench.ended(await bench.start())
    with pytest.raises(NothingToUndo):
        await rollback(bench, run)
    bench, run = await paid(make)
    undo = await bench.ended(await rollback(bench, run))
    with pytest.raises(NothingToUndo):
        await rollback(bench, undo)
    with pytest.raises(NothingToRetry):
        await bench.platform.past.retry(ALICE, undo.id, RetryWish())


async def test_nothing_is_built_on_what_was_undone(make: Make):
    script = [calls(("shop.pay", {"eur": 1})), says("Paid."), says("Paid again."), says("Not paid.")]
    bench = await make(script, SHOP)
    run = await bench.ended(await bench.start())
    await bench.ended(await rollback(bench, run))
    with pytest.raises(EffectsUndone, match="retry from the first") as refused:
        await bench.platform.past.retry(ALICE, run.id, RetryWish("g1/turn/2/model", force=True, reason="why not"))
    (effect,) = refused.value.effects
    assert (effect["key"], effect["state"]) == ("g1/turn/1/call/0", "compensated")
    with pytest.raises(EffectsUndone, match="fork from an entry before"):
        await bench.platform.past.fork(ALICE, run.id, ForkWish("g1/turn/1/call/0", {}))
    await bench.platform.past.retry(ALICE, run.id, RetryWish("g1/turn/1/call/0"))
    again = await bench.ended(run)
    assert again.result is not None
    assert again.result.answer == "Paid again."
    assert await states(bench, run) == [EffectState.COMPENSATED, EffectState.DONE]
    assert bench.tools.arguments("shop.pay") == [{"eur": 1}] * 2
    fork = await bench.platform.past.fork(ALICE, run.id, ForkWish(1, {}))
    assert (await bench.ended(fork)).status is RunStatus.COMPLETED


async def test_nothing_is_built_on_what_was_undone_below(tmp_path: Path):
    agents = [AgentDefinition(name="clerk", tools=("agent.*",)), AgentDefinition(name="helper", tools=("shop.*",))]
    script = [
        calls(("agent.helper", {"goal": "pay"})),
        calls(("shop.pay", {"eur": 1})),
        says("Paid."),
        says("It is paid."),
    ]
    model, tools = ScriptedModel(script), RecordingTools(SHOP)
    async with bootstrap.running(in_memory(model, tools, agents, tmp_path)) as platform:
        bench = Bench(platform, model, tools)
        run = await bench.ended(await bench.start())
        (child,) = await platform.ports.records.runs("default", RunFilter(parent_id=run.id), 10)
        await bench.ended(await rollback(bench, run))
        with pytest.raises(EffectsUndone) as refused:
            await platform.past.retry(ALICE, run.id, RetryWish("g1/turn/2/model"))
        assert [effect["run_id"] for effect in refused.value.effects] == [child.id]
