"""An agent with more tools than a model is shown finds the one it needs, also after a crash."""

from typing import Any

from ripieno.domain.runs import RunStatus
from ripieno.testing.recording_tools import Scripted
from ripieno.testing.scripted_model import calls, says

MANY = {f"shop.count_{i:03}": Scripted(i, description=f"Counts shelf {i}.") for i in range(200)}
TOOLS = {**MANY, "billing.settle": Scripted("settled", description="Pays what is owed.")}


async def test_it_searches_finds_and_calls(make: Any):
    script = [
        calls(("tool_search", {"query": "pay what we owe"})),
        calls(("billing.settle", {})),
        says("Settled [t2c0]."),
    ]
    bench = await make(script, TOOLS, tools=["*"])
    run = await bench.start("shelf 7")
    assert (await bench.ended(run)).status is RunStatus.COMPLETED
    shown = [[spec.name for spec in request.tools] for request in bench.model.requests]
    assert "billing.settle" not in shown[0]
    assert shown[0][0] == "tool_search"
    assert len(shown[0]) <= 9
    assert shown[1] == [*shown[0], "billing.settle"]
    started, *_ = await bench.entries(run)
    assert set(started.body["shown"]) < set(MANY)


async def test_a_search_needs_words(make: Any):
    bench = await make([calls(("tool_search", {"query": ""})), says("ok")], TOOLS, tools=["*"])
    run = await bench.start()
    assert (await bench.ended(run)).status is RunStatus.COMPLETED
    (returned,) = [entry for entry in await bench.entries(run) if entry.key == "g1/turn/1/call/0"]
    assert returned.body["result"]["status"] == "invalid_arguments"


async def test_an_agent_with_few_tools_is_shown_all(make: Any):
    bench = await make([says("ok")], {"math.add": 1}, tools=["*"])
    run = await bench.start()
    await bench.ended(run)
    assert [spec.name for spec in bench.model.requests[0].tools] == ["math.add"]
    assert "shown" not in (await bench.entries(run))[0].body
