"""Agents that ask their person, and agents that give work to agents."""

import asyncio
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from ripieno import bootstrap
from ripieno.domain.agents import AgentDefinition
from ripieno.domain.filters import RunFilter
from ripieno.domain.interrupts import Decision, DecisionKind, InterruptKind
from ripieno.domain.messages import ModelRequest, Reply, ToolMessage, UserMessage
from ripieno.domain.principals import Principal
from ripieno.domain.runs import Run, RunStatus
from ripieno.domain.tools import ToolResult, ToolStatus
from ripieno.engine.api import StartRun
from ripieno.engine.performers.own_tools import MAX_DEPTH, answered
from ripieno.engine.worker import Options
from ripieno.testing.given_definitions import GivenDefinitions
from ripieno.testing.platform import in_memory
from ripieno.testing.recording_tools import RecordingTools
from ripieno.testing.scripted_model import ScriptedModel, calls, says, turn_of

ALICE = Principal("alice")


def told(request: ModelRequest) -> list[str]:
    return [message.text for message in request.messages if isinstance(message, ToolMessage)]


async def test_a_question_waits_without_a_worker_and_its_answer_goes_to_the_model(make: Any):
    asks = calls(("person.ask", {"question": "Which site?", "options": ["a", "b"]}))
    bench = await make([asks, says("Site b then.")], tools=["person.ask"])
    run = await bench.start()
    interrupt = await bench.asked(run)
    assert interrupt.kind is InterruptKind.QUESTION
    assert interrupt.request == {"question": "Which site?", "options": ["a", "b"]}
    async with asyncio.timeout(10):
        while not bench.idle():
            await asyncio.sleep(0.001)
    assert (await bench.until(run, RunStatus.AWAITING_INPUT)).status is RunStatus.AWAITING_INPUT
    await bench.decide(interrupt, DecisionKind.ANSWER, answer="b")
    assert (await bench.ended(run)).status is RunStatus.COMPLETED
    assert told(bench.model.requests[1]) == ["b"]


@pytest.mark.parametrize(("answer", "text"), [({"site": "b"}, '{"site":"b"}'), (3, "3")])
async def test_an_answer_that_is_no_text_is_told_as_json(make: Any, answer: object, text: str):
    bench = await make([calls(("person.ask", {"question": "?"})), says("ok")], tools=["person.ask"])
    run = await bench.start()
    await bench.decide(await bench.asked(run), DecisionKind.ANSWER, answer=answer)
    await bench.ended(run)
    assert told(bench.model.requests[1]) == [text]


async def test_a_wild_card_does_not_mean_people_and_agents(make: Any):
    bench = await make([says("ok")], {"math.add": "1"}, tools=["*"])
    await bench.ended(await bench.start())
    assert [spec.name for spec in bench.model.requests[0].tools] == ["math.add"]


def boss(request: ModelRequest) -> Reply:
    """The boss asks the clerk and quotes what came back; the clerk answers, or fails, as its goal says."""
    goal = next(message.text for message in request.messages if isinstance(message, UserMessage))
    if goal != "go":
        return says(f"done: {goal}") if goal != "fail" else Reply("", finish_reason="content_filter")
    if turn_of(request) == 0:
        return calls(("agent.clerk", {"goal": "count"}), ("agent.clerk", {"goal": "fail", "data": {"a": 1}}))
    return says(" | ".join(told(request)))


async def run_to_end(tmp_path: Path, model: ScriptedModel, *agents: AgentDefinition, slots: int = 4) -> tuple[Run, Any]:
    platform = in_memory(model, RecordingTools({}), agents, tmp_path, options=Options(slots=slots))
    async with bootstrap.running(platform):
        run = await platform.engine.start(StartRun("go", agent="boss"), ALICE)
        return await platform.engine.wait("default", run.id, 20), platform


@pytest.mark.parametrize("slots", [1, 4])
async def test_work_given_to_another_agent_is_a_run_of_its_own(tmp_path: Path, slots: int):
    agents = [AgentDefinition(name="boss", tools=("agent.*",)), AgentDefinition(name="clerk")]
    found, platform = await run_to_end(tmp_path, ScriptedModel(boss), *agents, slots=slots)
    assert found.result is not None
    assert found.result.answer == "done: count | error: clerk failed: the provider withheld the answer"
    children = await platform.ports.records.runs("default", RunFilter(parent_id=found.id), 10)
    assert {child.target for child in children} == {"clerk"}
    assert {child.metadata["depth"] for child in children} == {1}


async def test_handing_work_round_in_a_circle_ends(tmp_path: Path):
    def pass_on(request: ModelRequest) -> Reply:
        return (
            calls(("agent.peer" if "agent.peer" in names(request) else "agent.boss", {"goal": "go"}))
            if turn_of(request) == 0
            else says(told(request)[-1])
        )

    def names(request: ModelRequest) -> set[str]:
        return {spec.name for spec in request.tools}

    agents = [AgentDefinition(name="boss", tools=("agent.*",)), AgentDefinition(name="peer", tools=("agent.*",))]
    found, platform = await run_to_end(tmp_path, ScriptedModel(pass_on), *agents)
    assert found.result is not None
    assert "do it yourself" in found.result.answer
    assert len(await platform.ports.records.runs("default", RunFilter(), 100)) == MAX_DEPTH + 1


def test_a_question_that_nobody_answered_is_told_so():
    expired = Decision(DecisionKind.DENY, "system", "expired")
    assert answered(expired) == ToolResult(ToolStatus.UNAVAILABLE, "nobody answered: expired")


async def test_work_for_an_agent_that_is_gone_is_told_and_does_not_fail_the_run(tmp_path: Path):
    model = ScriptedModel([calls(("agent.clerk", {"goal": "count"})), lambda request: says(told(request)[0])])
    agents = [AgentDefinition(name="boss", tools=("agent.*",)), AgentDefinition(name="clerk")]
    platform = in_memory(model, RecordingTools({}), agents, tmp_path)

    class Forgetful(GivenDefinitions):
        async def agent(self, name: str) -> AgentDefinition:
            return await super().agent("gone" if name == "clerk" else name)

    ports = replace(platform.ports, definitions=Forgetful(agents))
    async with bootstrap.running(bootstrap.assemble(ports, Options())) as running:
        run = await running.engine.start(StartRun("go", agent="boss"), ALICE)
        found = await running.engine.wait("default", run.id, 20)
    assert found.result is not None
    assert found.result.answer.startswith("unavailable: no agent 'gone'")
