"""Cancel, pause, resume, drain; tools called directly."""

from pathlib import Path
from typing import Any

import pytest

from ripieno import bootstrap
from ripieno.domain.agents import AgentDefinition
from ripieno.domain.effects import EffectClass, EffectState
from ripieno.domain.entries import EntryType
from ripieno.domain.errors import NotFound, NotHeld, RunEnded
from ripieno.domain.interrupts import InterruptStatus
from ripieno.domain.principals import Principal
from ripieno.domain.runs import ExitReason, RunStatus
from ripieno.domain.tools import Risk, ToolStatus
from ripieno.engine.api import StartRun
from ripieno.engine.worker import Options
from ripieno.testing.platform import in_memory
from ripieno.testing.recording_tools import RecordingTools, Scripted
from ripieno.testing.scripted_model import ScriptedModel, calls, says

ALICE = Principal("alice")


async def test_cancel_in_the_middle_of_a_call_stays_cancelled(make: Any, gate_tool: Any):
    slow, begun, _ = gate_tool(effect=EffectClass.IRREVERSIBLE)
    bench = await make([calls(("slow.go", {})), says("never")], {"slow.go": slow})
    run = await bench.start()
    await begun.wait()
    await bench.platform.engine.cancel(ALICE, run.id, "enough")
    ended = await bench.ended(run)
    assert (ended.status, ended.exit_reason) == (RunStatus.CANCELLED, ExitReason.OPERATOR)
    (effect,) = await bench.platform.ports.records.effects("default", run.id)
    assert effect.state is EffectState.UNKNOWN
    (told,) = [entry for entry in await bench.entries(run) if entry.type is EntryType.TOOL_RETURNED]
    assert (told.key, told.body["result"]["status"]) == ("g1/turn/1/call/0", ToolStatus.LOST)
    assert (await bench.platform.engine.cancel(ALICE, run.id)).status is RunStatus.CANCELLED


async def test_cancel_of_a_run_that_waits_voids_its_question(make: Any):
    bench = await make([calls(("a.b", {}))], {"a.b": "x"}, approvals=["a.b"])
    run = await bench.start()
    interrupt = await bench.asked(run)
    await bench.platform.engine.cancel(ALICE, run.id)
    assert (await bench.ended(run)).status is RunStatus.CANCELLED
    found = await bench.platform.ports.records.interrupt("default", interrupt.id)
    assert found.status is InterruptStatus.VOID


async def test_what_has_ended_cannot_be_cancelled_or_paused(make: Any):
    bench = await make([says("ok")])
    run = await bench.start()
    await bench.ended(run)
    with pytest.raises(RunEnded):
        await bench.platform.engine.cancel(ALICE, run.id)
    with pytest.raises(RunEnded):
        await bench.platform.engine.pause(ALICE, run.id)


async def test_a_paused_run_finishes_its_call_and_begins_nothing_new(make: Any, gate_tool: Any):
    slow, begun, may = gate_tool()
    bench = await make([calls(("slow.go", {})), says("ok")], {"slow.go": slow})
    run = await bench.start()
    await begun.wait()
    await bench.platform.engine.pause(ALICE, run.id)
    may.set()
    await bench.until(run, RunStatus.PAUSED)
    assert len(bench.model.requests) == 1
    assert "g1/turn/1/call/0" in await bench.keys(run)
    await bench.platform.engine.resume(ALICE, run.id)
    assert (await bench.ended(run)).status is RunStatus.COMPLETED
    assert len(bench.tools.calls) == 1


async def test_resume_of_a_run_that_nobody_paused_is_refused(make: Any, gate_tool: Any):
    slow, begun, may = gate_tool()
    bench = await make([calls(("slow.go", {})), says("ok")], {"slow.go": slow})
    run = await bench.start()
    await begun.wait()
    with pytest.raises(NotHeld):
        await bench.platform.engine.resume(ALICE, run.id)
    may.set()
    await bench.ended(run)


async def test_a_stopped_worker_gives_its_runs_back_and_the_next_goes_on(tmp_path: Path, gate_tool: Any):
    slow, begun, _ = gate_tool()
    tools = RecordingTools({"a.quick": "1", "a.slow": Scripted([slow.answer, "done"])})
    model = ScriptedModel([calls(("a.quick", {})), calls(("a.slow", {})), says("ok")])
    platform = in_memory(model, tools, [AgentDefinition(name="clerk", tools=("*",))], tmp_path)
    async with bootstrap.running(platform):
        run = await platform.engine.start(StartRun("go", agent="clerk"), ALICE)
        await begun.wait()
    assert (await platform.ports.records.run("default", run.id)).status is RunStatus.QUEUED
    async with bootstrap.running(bootstrap.assemble(platform.ports, Options())) as again:
        assert (await again.engine.wait("default", run.id, 20)).status is RunStatus.COMPLETED
    assert [call.call.name for call in tools.calls] == ["a.quick", "a.slow", "a.slow"]
    assert len(model.requests) == 3


async def test_draining_waits_for_an_effect_that_is_under_way(tmp_path: Path, gate_tool: Any):
    slow, begun, may = gate_tool(effect=EffectClass.IRREVERSIBLE)
    tools = RecordingTools({"a.slow": slow})
    model = ScriptedModel([calls(("a.slow", {})), says("ok")])
    platform = in_memory(model, tools, [AgentDefinition(name="clerk", tools=("*",))], tmp_path)
    async with bootstrap.running(platform):
        run = await platform.engine.start(StartRun("go", agent="clerk"), ALICE)
        await begun.wait()
        platform.worker.stop()
        may.set()
    (effect,) = await platform.ports.records.effects("default", run.id)
    assert effect.state is EffectState.DONE


async def test_a_tool_can_be_called_directly(make: Any):
    tools = {"math.add": "3", "shop.pay": Scripted("paid", risk=Risk.HIGH)}
    bench = await make([], tools)
    engine = bench.platform.engine
    assert [spec.name for spec in await engine.tools("default")] == ["math.add", "shop.pay"]
    assert (await engine.call_tool(ALICE, "math.add", {})).text == "3"
    assert (await engine.call_tool(ALICE, "math.add", {}, dry_run=True)).text == "dry run: math.add would be called"
    refused = await engine.call_tool(ALICE, "shop.pay", {})
    assert (refused.status, refused.text) == (ToolStatus.DENIED, "shop.pay has high risk")
    with pytest.raises(NotFound, match=r"did you mean math\.add"):
        await engine.call_tool(ALICE, "math.addd", {})


async def test_the_agent_for_a_goal_is_matched(make: Any):
    bench = await make([], description="keeps the books")
    assert (await bench.platform.engine.match("default", "check the books")).name == "clerk"
    assert (await bench.platform.engine.match("default", "zzz", ["clerk"])).name == "clerk"
    with pytest.raises(NotFound):
        await bench.platform.engine.match("default", "zzz", ["nobody"])
