"""Whole runs of one agent on the real engine, in memory."""

import asyncio
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from ripieno.domain.effects import EffectClass, EffectState
from ripieno.domain.entries import EntryType
from ripieno.domain.errors import ModelUnavailable, NotFound
from ripieno.domain.interrupts import DecisionKind
from ripieno.domain.messages import Reply
from ripieno.domain.principals import Principal
from ripieno.domain.runs import ExitReason, RunStatus
from ripieno.domain.tools import ToolCall, ToolResult, ToolStatus
from ripieno.engine.api import StartRun
from ripieno.testing.recording_tools import Scripted
from ripieno.testing.scripted_model import calls, says

ALICE = Principal("alice")
IRREVERSIBLE: dict[str, Any] = {"effect": EffectClass.IRREVERSIBLE}


async def test_a_run_with_tools_ends_with_an_answer_and_a_whole_journal(make: Any):
    bench = await make(
        [calls(("math.add", {"a": 1}), ("math.sub", {})), says("3 [t1c0]")], {"math.add": "3", "math.sub": "0"}
    )
    run = await bench.start()
    assert run.status is RunStatus.QUEUED
    ended = await bench.ended(run)
    assert ended.result is not None
    assert (ended.status, ended.result.answer, ended.result.usage.calls) == (RunStatus.COMPLETED, "3 [t1c0]", 2)
    assert [item.id for item in ended.result.evidence] == ["t1c0", "t1c1"]
    keys = await bench.keys(run)
    assert keys[:2] == ["g1/start", "g1/turn/1/model"]
    assert sorted(keys[2:4]) == ["g1/turn/1/call/0", "g1/turn/1/call/1"]
    assert keys[4:] == ["g1/turn/2/model", "end"]
    assert [entry.seq for entry in await bench.entries(run)] == [1, 2, 3, 4, 5, 6]


async def test_what_the_run_depends_on_is_pinned_in_its_first_entry(make: Any):
    bench = await make([says("ok")], instructions="Answer {{ goal }} for {{ context.who }}.", limits={"max_turns": 7})
    run = await bench.start("this", context={"who": "me"}, limits={"max_turns": 9, "tokens": 50}, model="offline")
    await bench.ended(run)
    pinned = (await bench.entries(run))[0].body
    assert pinned["instructions"] == "Answer this for me."
    assert (pinned["model"], pinned["limits"]["max_turns"], pinned["limits"]["tokens"]) == ("offline", 7, 50)
    assert pinned["definition"]["name"] == "clerk"


async def test_a_session_remembers_what_was_said(make: Any):
    bench = await make([says("four"), says("six")])
    first = await bench.start("two and two?")
    await bench.ended(first)
    second = await bench.start("and two more?", session_id=first.session_id)
    await bench.ended(second)
    told = [message.text for message in bench.model.requests[1].messages if message.role != "system"]
    assert told == ["two and two?", "four", "and two more?"]


async def test_an_agent_cannot_call_what_it_was_not_given(make: Any):
    script = [calls(("shop.pay", {}), ("math.ad", {})), says("no")]
    bench = await make(script, {"math.add": "1", "shop.pay": "paid"}, tools=["math.*"])
    run = await bench.start()
    await bench.ended(run)
    assert not bench.tools.calls
    told = [message.text for message in bench.model.requests[1].messages if message.role == "tool"]
    assert told[0] == "unknown_tool: clerk has no tool shop.pay"
    assert told[1] == "unknown_tool: clerk has no tool math.ad\nhint: did you mean math.add?"


async def test_wrong_arguments_go_back_to_the_model_and_not_to_the_tool(make: Any):
    schema = {"type": "object", "properties": {"n": {"type": "integer"}}, "required": ["n"]}
    malformed = Reply("", (ToolCall("c", "math.add", {}, malformed="{n: "),))
    script = [calls(("math.add", {"n": "x"})), malformed, calls(("math.add", {"n": 1})), says("1")]
    bench = await make(script, {"math.add": Scripted("1", input_schema=schema)})
    await bench.ended(await bench.start())
    assert bench.tools.arguments("math.add") == [{"n": 1}]
    told = [message.text for message in bench.model.requests[-1].messages if message.role == "tool"]
    assert told[0].startswith("invalid_arguments: /n")
    assert "not a JSON object" in told[1]


async def test_a_tool_that_fails_does_not_fail_the_run(make: Any):
    bench = await make([calls(("a.b", {})), says("sorry")], {"a.b": ToolResult(ToolStatus.TIMEOUT, "too slow")})
    ended = await bench.ended(await bench.start())
    assert ended.result is not None
    assert ended.result.answer == "sorry"


async def test_a_model_that_is_away_fails_the_run_with_its_code(make: Any):
    bench = await make([ModelUnavailable("429 from the provider")])
    run = await bench.start()
    ended = await bench.ended(run)
    assert ended.exit_reason is ExitReason.MODEL_ERROR
    assert ended.result is not None
    assert ended.result.error is not None
    assert ended.result.error.code == "model_unavailable"
    assert (await bench.entries(run))[1].type is EntryType.MODEL_FAILED


async def test_instructions_that_cannot_be_rendered_fail_the_run(make: Any):
    bench = await make([says("never")], instructions="{{ goal.__class__ }}{% oops %}")
    ended = await bench.ended(await bench.start())
    assert ended.result is not None
    assert ended.result.error is not None
    assert ended.result.error.code == "invalid"


async def test_a_logic_that_breaks_is_a_defect_told_without_details(make: Any):
    def broken(_: object) -> Reply:
        message = "secret detail"
        raise RuntimeError(message)

    bench = await make(broken)
    ended = await bench.ended(await bench.start())
    assert ended.exit_reason is ExitReason.DEFECT
    assert ended.result is not None
    assert ended.result.error is not None
    assert "secret" not in ended.result.error.detail


async def test_a_deadline_ends_the_run_in_the_middle_of_a_call(make: Any, gate_tool: Any):
    slow, begun, _ = gate_tool()
    bench = await make([calls(("slow.go", {})), says("late")], {"slow.go": slow})
    run = await bench.start(deadline=datetime.now(UTC) + timedelta(seconds=0.2))
    await begun.wait()
    ended = await bench.ended(run)
    assert (ended.status, ended.exit_reason) == (RunStatus.FAILED, ExitReason.DEADLINE)
    assert ended.result is not None
    assert ended.result.usage.calls == 1


async def test_a_deadline_ends_a_run_that_waits_for_a_person(make: Any):
    bench = await make([calls(("shop.pay", {}))], {"shop.pay": "paid"}, approvals=["shop.pay"])
    run = await bench.start(deadline=datetime.now(UTC) + timedelta(seconds=0.5))
    await bench.asked(run)
    assert (await bench.ended(run)).exit_reason is ExitReason.DEADLINE


async def test_a_dry_run_reads_but_does_nothing(make: Any):
    tools = {"shop.look": "cheap", "shop.pay": Scripted("paid", **IRREVERSIBLE)}
    bench = await make([calls(("shop.look", {}), ("shop.pay", {"eur": 3})), says("ok")], tools)
    run = await bench.start(dry_run=True)
    await bench.ended(run)
    assert [call.call.name for call in bench.tools.calls] == ["shop.look"]
    told = [message.text for message in bench.model.requests[1].messages if message.role == "tool"]
    assert told[1] == 'dry run: shop.pay would be called with {"eur":3}'
    (effect,) = await bench.platform.ports.records.effects("default", run.id)
    assert (effect.tool, effect.state) == ("shop.pay", EffectState.SIMULATED)


async def test_effects_are_intended_before_and_closed_after(make: Any):
    bench = await make([calls(("shop.pay", {"eur": 3})), says("ok")], {"shop.pay": Scripted("paid", **IRREVERSIBLE)})
    run = await bench.start()
    await bench.ended(run)
    assert "g1/turn/1/call/0/intent/1" in await bench.keys(run)
    (effect,) = await bench.platform.ports.records.effects("default", run.id)
    assert (effect.state, effect.attempt, effect.tool) == (EffectState.DONE, 1, "shop.pay")
    assert bench.tools.calls[0].context.idempotency_key == effect.idempotency_key


async def test_an_idempotent_effect_that_times_out_is_repeated_under_its_key(make: Any):
    late = ToolResult(ToolStatus.TIMEOUT, "late")
    tools = {"kv.put": Scripted([late, late, "stored"], effect=EffectClass.IDEMPOTENT)}
    bench = await make([calls(("kv.put", {})), says("ok")], tools)
    run = await bench.start()
    await bench.ended(run)
    effects = await bench.platform.ports.records.effects("default", run.id)
    assert [effect.attempt for effect in effects] == [1, 2, 3]
    assert [effect.state for effect in effects] == [EffectState.ABANDONED, EffectState.ABANDONED, EffectState.DONE]
    assert len({call.context.idempotency_key for call in bench.tools.calls}) == 1
    assert [call.context.attempt for call in bench.tools.calls] == [1, 2, 3]


async def test_watch_replays_and_follows_to_the_end(make: Any, gate_tool: Any):
    slow, begun, may = gate_tool()
    bench = await make([calls(("slow.go", {})), says("ok")], {"slow.go": slow})
    run = await bench.start()
    await begun.wait()
    seen: list[int] = []
    async for entry in bench.platform.engine.watch("default", run.id):
        seen.append(entry.seq)
        may.set()
    assert seen == [1, 2, 3, 4, 5]
    resumed = [entry.seq async for entry in bench.platform.engine.watch("default", run.id, after=3)]
    assert resumed == [4, 5]


async def test_wait_returns_at_the_end_or_when_the_time_is_up(make: Any, gate_tool: Any):
    slow, begun, may = gate_tool()
    bench = await make([calls(("slow.go", {})), says("ok")], {"slow.go": slow})
    run = await bench.start()
    await begun.wait()
    assert (await bench.platform.engine.wait("default", run.id, 0.01)).status is RunStatus.RUNNING
    async with asyncio.TaskGroup() as group:
        waiting = group.create_task(bench.platform.engine.wait("default", run.id, 20))
        may.set()
    assert waiting.result().status is RunStatus.COMPLETED


async def test_deltas_are_passed_on(make: Any):
    may = asyncio.Event()

    async def answer(_: object) -> Reply:
        await may.wait()
        return says("hello")

    bench = await make(answer)
    run = await bench.start()
    async with bench.platform.engine.deltas(run.id) as pieces:
        may.set()
        assert await anext(pieces) == "hello"
    await bench.ended(run)


async def test_the_same_run_id_starts_one_run(make: Any):
    bench = await make([says("ok")])
    first = await bench.start()
    await bench.ended(first)
    again = await bench.platform.engine.start(StartRun("go", agent="clerk"), ALICE, first.id)
    assert (again.id, again.status) == (first.id, RunStatus.COMPLETED)


async def test_unknown_agents_and_sessions_are_refused(make: Any):
    bench = await make([])
    engine = bench.platform.engine
    with pytest.raises(NotFound, match="agent"):
        await engine.start(StartRun("go", agent="nobody"), ALICE)
    with pytest.raises(NotFound, match="session"):
        await engine.start(StartRun("go", agent="clerk", session_id="ses_0"), ALICE)


async def test_a_replay_of_the_same_logic_asks_the_same_and_another_is_told(
    make: Any, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
):
    pays = [calls(("shop.pay", {"b": 1, "a": 2})), says("ok")]
    for told in (0, 1):
        bench = await make(pays, {"shop.pay": "paid"}, approvals=["shop.pay"])
        run = await bench.start()
        interrupt = await bench.asked(run)
        if told:
            monkeypatch.setattr("ripieno.engine.core.agent_loop.CITE", "Another instruction.")
        await bench.decide(interrupt, DecisionKind.APPROVE)
        assert (await bench.ended(run)).status is RunStatus.COMPLETED
        assert [record.message for record in caplog.records] == ["the conversation is not the recorded one"] * told
