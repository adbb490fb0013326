"""Retry: an ended run goes on under a new generation; nothing that was kept is done again."""

from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from ripieno import bootstrap
from ripieno.domain.agents import AgentDefinition
from ripieno.domain.effects import EffectClass, EffectState
from ripieno.domain.entries import EntryType
from ripieno.domain.errors import (
    EffectsDone,
    EffectsUnknown,
    Invalid,
    ModelRefused,
    NotFound,
    NothingToRetry,
    RunActive,
)
from ripieno.domain.filters import RunFilter
from ripieno.domain.runs import Run, RunStatus
from ripieno.engine.past.archive import Word
from ripieno.engine.past.retry import RetryWish, shifted
from ripieno.testing.platform import in_memory
from ripieno.testing.recording_tools import RecordingTools, Scripted
from ripieno.testing.scripted_model import ScriptedModel, calls, says
from tests.unit.engine.conftest import ALICE, Bench, Make

PAY = Scripted("paid", effect=EffectClass.IRREVERSIBLE)


async def retry(bench: Bench, run: Run, start: int | str | None = None, **wish: Any) -> Run:
    return await bench.platform.past.retry(ALICE, run.id, RetryWish(start, **wish))


async def test_goes_on_where_the_model_failed(make: Make):
    script = [calls(("shop.pay", {})), ModelRefused("no credit"), says("Paid.")]
    bench = await make(script, {"shop.pay": PAY})
    run = await bench.ended(await bench.start())
    assert run.status is RunStatus.FAILED
    again = await retry(bench, run)
    assert (again.status, again.generation, again.result, again.ended_at) == (RunStatus.QUEUED, 2, None, None)
    ended = await bench.ended(run)
    assert ended.result is not None
    assert (ended.status, ended.result.answer) == (RunStatus.COMPLETED, "Paid.")
    assert len(bench.tools.calls) == 1
    keys = await bench.keys(run)
    assert keys[-5:] == ["g1/turn/2/model", "end", "g2/retry", "g2/turn/2/model", "g2/end"]
    assert [entry.seq for entry in await bench.entries(run)] == list(range(1, len(keys) + 1))


async def test_again_from_a_call_asks_for_force_and_uses_a_new_key(make: Make):
    bench = await make([calls(("shop.pay", {"eur": 3})), says("Paid."), says("Paid again.")], {"shop.pay": PAY})
    run = await bench.ended(await bench.start())
    with pytest.raises(EffectsDone) as refused:
        await retry(bench, run, "g1/turn/1/call/0")
    (effect,) = refused.value.effects
    assert (effect["key"], effect["tool"], effect["state"]) == ("g1/turn/1/call/0", "shop.pay", "done")
    with pytest.raises(Invalid):
        await retry(bench, run, "g1/turn/1/call/0", force=True)
    await retry(bench, run, "g1/turn/1/call/0", force=True, reason="the first one bounced")
    ended = await bench.ended(run)
    assert ended.result is not None
    assert ended.result.answer == "Paid again."
    first, second = bench.tools.calls
    assert first.context.idempotency_key != second.context.idempotency_key
    assert [effect.key for effect in await bench.platform.ports.records.effects("default", run.id)] == [
        "g1/turn/1/call/0",
        "g2/turn/1/call/0",
    ]
    (told,) = [entry for entry in await bench.entries(run) if entry.type is EntryType.RUN_RETRIED]
    assert (told.body["by"], told.body["reason"]) == ("alice", "the first one bounced")
    assert [effect["key"] for effect in told.body["effects"]] == ["g1/turn/1/call/0"]


async def test_a_second_retry_keeps_what_the_first_one_kept(make: Make):
    script = [calls(("math.add", {})), ModelRefused("a"), ModelRefused("b"), says("It is 3.")]
    bench = await make(script, {"math.add": 3})
    run = await bench.ended(await bench.start())
    for generation in (2, 3):
        assert (await retry(bench, run)).generation == generation
        run = await bench.ended(run)
    assert run.status is RunStatus.COMPLETED
    assert len(bench.tools.calls) == 1
    assert bench.model.requests[-1].messages[-1].text == "3"


async def test_from_a_number_and_from_the_start(make: Make):
    bench = await make([says("one"), says("two"), says("three")])
    run = await bench.ended(await bench.start())
    await retry(bench, run, 2)
    run = await bench.ended(run)
    assert run.result is not None
    assert run.result.answer == "two"
    await retry(bench, run, "start")
    run = await bench.ended(run)
    assert run.result is not None
    assert run.result.answer == "three"
    assert (await bench.keys(run))[-4:] == ["g3/retry", "g3/start", "g3/turn/1/model", "g3/end"]


@pytest.mark.parametrize(("word", "made"), [(EffectState.DONE, 1), (EffectState.ABANDONED, 1), (EffectState.FAILED, 2)])
async def test_what_nobody_knows_must_be_settled_first(make: Make, gate_tool: Any, word: EffectState, made: int):
    tool, begun, may = gate_tool(effect=EffectClass.IRREVERSIBLE)
    bench = await make([calls(("shop.pay", {})), says("over"), says("over")], {"shop.pay": tool})
    run = await bench.start()
    await begun.wait()
    await bench.platform.engine.cancel(ALICE, run.id)
    run = await bench.ended(run)
    with pytest.raises(EffectsUnknown) as refused:
        await retry(bench, run)
    (effect,) = refused.value.effects
    may.set()
    await retry(bench, run, words=(Word(str(effect["key"]), word),))
    (first, *_) = await bench.platform.ports.records.effects("default", run.id)
    assert first.state is word
    assert (await bench.ended(run)).status is RunStatus.COMPLETED
    assert len(bench.tools.calls) == made


async def test_wrong_places_and_times(make: Make):
    bench = await make([calls(("person.ask", {"question": "why?"})), says("so")], tools=["person.*"])
    run = await bench.start()
    await bench.asked(run)
    with pytest.raises(RunActive):
        await retry(bench, run)
    with pytest.raises(NotFound):
        await retry(bench, replace(run, id="run_x"))
    await bench.platform.engine.cancel(ALICE, run.id)
    with pytest.raises(NotFound) as missing:
        await retry(bench, run, "g1/turn/1/mode")
    assert missing.value.near[0] == "g1/turn/1/model"
    with pytest.raises(Invalid):
        await retry(bench, run, 99)
    await retry(bench, run)
    asked = await bench.asked(run)
    assert asked.key == "g2/turn/1/call/0/question"


async def test_a_completed_run_is_not_retried_by_itself(make: Make):
    bench = await make([says("done")])
    run = await bench.ended(await bench.start())
    with pytest.raises(NothingToRetry):
        await retry(bench, run)


async def test_a_deadline_that_has_passed_gives_as_much_time_again(make: Make):
    bench = await make([ModelRefused("no"), says("done")])
    now = bench.platform.ports.clock.now()
    run = await bench.ended(await bench.start(deadline=now + timedelta(seconds=60)))
    assert shifted(run, now) == run.deadline
    later = now + timedelta(hours=1)
    assert shifted(replace(run, created_at=now), later) == later + timedelta(seconds=60)
    again = await retry(bench, run)
    assert again.deadline == run.deadline
    assert (await bench.ended(run)).status is RunStatus.COMPLETED


async def test_a_pause_holds_in_a_later_generation(make: Make, gate_tool: Any):
    tool, begun, may = gate_tool(effect=EffectClass.IDEMPOTENT)
    bench = await make([ModelRefused("no"), calls(("shop.pay", {})), says("done")], {"shop.pay": tool})
    run = await bench.ended(await bench.start())
    await retry(bench, run)
    await begun.wait()
    await bench.platform.engine.pause(ALICE, run.id)
    may.set()
    await bench.until(run, RunStatus.PAUSED)
    await bench.platform.engine.resume(ALICE, run.id)
    assert (await bench.ended(run)).status is RunStatus.COMPLETED
    assert len(bench.tools.calls) == 1


async def test_a_later_generation_is_cancelled_with_the_runs_below_it(tmp_path: Path):
    asks = calls(("agent.helper", {"goal": "ask"}))
    script = [ModelRefused("no"), asks, calls(("person.ask", {"question": "?"}))]
    agents = [AgentDefinition(name="clerk", tools=("agent.*",)), AgentDefinition(name="helper", tools=("person.*",))]
    model, tools = ScriptedModel(script), RecordingTools({})
    async with bootstrap.running(in_memory(model, tools, agents, tmp_path)) as platform:
        bench = Bench(platform, model, tools)
        run = await bench.ended(await bench.start())
        await retry(bench, run)
        await bench.until(run, RunStatus.WAITING)
        (child,) = await platform.ports.records.runs("default", RunFilter(parent_id=run.id), 10)
        await bench.asked(child)
        await platform.engine.cancel(ALICE, run.id)
        assert (await bench.ended(child)).status is RunStatus.CANCELLED
        assert (await bench.keys(run))[-1] == "g2/end"
        await retry(bench, await bench.ended(run))
        await bench.until(run, RunStatus.FAILED)  # the script has no line left for the new child's first turn
        (second, first) = await platform.ports.records.runs("default", RunFilter(parent_id=run.id), 10)
        assert {first.id, second.id} > {child.id}
