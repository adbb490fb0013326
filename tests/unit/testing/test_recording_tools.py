import asyncio
from pathlib import Path

from ripieno.domain.effects import EffectClass
from ripieno.domain.tools import Risk, ToolCall, ToolContext, ToolResult, ToolStatus
from ripieno.testing.fake_clock import FakeClock
from ripieno.testing.recording_tools import RecordedCall, RecordingTools, Scripted
from ripieno.tools.failures import ToolMissing

CONTEXT = ToolContext("acme", Path("/workspace"), run_id="run_1")


async def ask(tools: RecordingTools, name: str, **arguments: object) -> ToolResult:
    return await tools.call(ToolCall("1", name, arguments), CONTEXT)


async def test_every_kind_of_answer():
    async def slow(arguments: dict[str, str]) -> str:
        return arguments["text"] * 2

    tools = RecordingTools(
        {
            "t.text": "text",
            "t.json": {"n": 1},
            "t.whole": ToolResult(ToolStatus.TIMEOUT, "late"),
            "t.fails": ValueError("x"),
            "t.function": lambda arguments: arguments["text"],
            "t.async": slow,
        }
    )
    assert (await ask(tools, "t.text")).text == "text"
    assert (await ask(tools, "t.json")).data == {"n": 1}
    assert (await ask(tools, "t.whole")).status is ToolStatus.TIMEOUT
    assert (await ask(tools, "t.fails")).status is ToolStatus.ERROR
    assert (await ask(tools, "t.function", text="a")).text == "a"
    assert (await ask(tools, "t.async", text="a")).text == "aa"
    assert (await ask(tools, "t.other")).status is ToolStatus.UNKNOWN_TOOL


async def test_list_is_answered_one_by_one():
    tools = RecordingTools({"t.a": [ToolMissing("down"), "first", "last"]})
    results = [await ask(tools, "t.a", n=n) for n in range(4)]
    assert [result.status for result in results] == [
        ToolStatus.UNAVAILABLE,
        ToolStatus.OK,
        ToolStatus.OK,
        ToolStatus.OK,
    ]
    assert [result.text for result in results[1:]] == ["first", "last", "last"]
    assert tools.arguments("t.a") == [{"n": 0}, {"n": 1}, {"n": 2}, {"n": 3}]
    assert tools.calls[0] == RecordedCall(ToolCall("1", "t.a", {"n": 0}), CONTEXT)


async def test_spec_shows_what_was_declared():
    tools = RecordingTools({"shop.pay": Scripted("paid", effect=EffectClass.IRREVERSIBLE, risk=Risk.HIGH)})
    (spec,) = await tools.list(CONTEXT)
    assert (spec.name, spec.effect, spec.risk) == ("shop.pay", EffectClass.IRREVERSIBLE, Risk.HIGH)


async def test_latency_passes_on_the_given_clock():
    clock = FakeClock()
    tools = RecordingTools({"t.slow": Scripted("x", latency=30)}, clock)
    async with asyncio.TaskGroup() as group:
        task = group.create_task(ask(tools, "t.slow"))
        await clock.sleepers(1)
        assert not task.done()
        clock.advance(30)
    assert task.result().text == "x"
