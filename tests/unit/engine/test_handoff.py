"""Agents that hand their run over to another agent."""

from pathlib import Path
from typing import Any

import pytest

from ripieno import bootstrap
from ripieno.domain.agents import AgentDefinition
from ripieno.domain.effects import EffectClass
from ripieno.domain.filters import RunFilter
from ripieno.domain.messages import ModelRequest, Reply, ToolMessage, UserMessage
from ripieno.domain.principals import Principal
from ripieno.domain.runs import Run, RunStatus
from ripieno.engine.api import StartRun
from ripieno.engine.core import projection, projection_reading
from ripieno.engine.performers.own_tools import MAX_DEPTH
from ripieno.engine.worker import Options
from ripieno.testing.platform import in_memory
from ripieno.testing.recording_tools import RecordingTools, Scripted
from ripieno.testing.scripted_model import ScriptedModel, calls, says, turn_of

ALICE = Principal("alice")
BOSS = AgentDefinition(name="boss", instructions="boss", tools=("handoff.*",))
CLERK = AgentDefinition(name="clerk", instructions="clerk", tools=("shop.*",))


def told(request: ModelRequest) -> list[str]:
    return [message.text for message in request.messages if isinstance(message, ToolMessage)]


def is_boss(request: ModelRequest) -> bool:
    return request.messages[0].text.startswith("boss")


async def run_to_end(folder: Path, answer: Any, *agents: AgentDefinition) -> tuple[Run, Any]:
    tools = RecordingTools({"shop.look": Scripted("3 pears", effect=EffectClass.READ)})
    platform = in_memory(ScriptedModel(answer), tools, agents, folder, options=Options(slots=1))
    async with bootstrap.running(platform):
        wanted = StartRun("count", agent="boss", context={"shop": "a"}, data={"n": 1})
        run = await platform.engine.start(wanted, ALICE)
        return await platform.engine.wait("default", run.id, 20), platform


async def test_the_answer_and_evidence_of_who_takes_over_are_the_runs_own(tmp_path: Path):
    seen: list[Any] = []

    def answer(request: ModelRequest) -> Reply:
        if is_boss(request):
            return calls(("handoff.clerk", {"note": "I know nothing."}))
        if turn_of(request) == 0:
            seen.extend(message for message in request.messages if isinstance(message, UserMessage))
            return calls(("shop.look", {}))
        return says("There are 3 pears [t1c0].")

    found, platform = await run_to_end(tmp_path, answer, BOSS, CLERK)
    assert found.status is RunStatus.COMPLETED
    assert found.result is not None
    assert found.result.answer == "There are 3 pears [t1c0]."
    assert [(each.id, each.tool) for each in found.result.evidence] == [("t1c0", "shop.look")]
    (asked,) = seen
    assert asked.text == "count"
    assert asked.data == {"n": 1, "handed_over_by": "boss", "note": "I know nothing.", "context": {"shop": "a"}}
    (child,) = await platform.ports.records.runs("default", RunFilter(parent_id=found.id), 10)
    assert child.metadata == {"handoff": True, "depth": 1}
    entries = await platform.ports.records.entries("default", found.id)
    (task,) = [each for each in projection.tasks(entries) if each.kind is projection.TaskKind.HANDOFF]
    assert (task.name, task.run_id, task.status) == ("clerk", child.id, projection.TaskStatus.COMPLETED)
    assert ("handoff", child.id) in {(span.kind, span.run_id) for span in projection_reading.timeline(entries)}


async def test_who_cannot_take_over_gives_the_run_back(tmp_path: Path):
    def answer(request: ModelRequest) -> Reply:
        if not is_boss(request):
            return Reply("", finish_reason="content_filter")
        return says(told(request)[0]) if turn_of(request) else calls(("handoff.clerk", {"goal": "count twice"}))

    found, _ = await run_to_end(tmp_path, answer, BOSS, CLERK)
    assert found.result is not None
    assert found.result.answer == "error: clerk failed: the provider withheld the answer"


async def test_of_two_who_take_over_the_first_one_counts(tmp_path: Path):
    def answer(request: ModelRequest) -> Reply:
        if is_boss(request):
            return calls(("handoff.clerk", {}), ("handoff.peer", {}))
        return says(request.messages[0].text)

    peer = AgentDefinition(name="peer", instructions="peer")
    found, _ = await run_to_end(tmp_path, answer, BOSS, AgentDefinition(name="clerk", instructions="clerk"), peer)
    assert found.result is not None
    assert found.result.answer == "clerk"


@pytest.mark.parametrize("tools", [("handoff.*",)])
async def test_handing_over_in_a_circle_ends(tmp_path: Path, tools: tuple[str, ...]):
    def answer(request: ModelRequest) -> Reply:
        if turn_of(request):
            return says(told(request)[-1])
        return calls(("handoff.peer" if is_boss(request) else "handoff.boss", {}))

    peer = AgentDefinition(name="peer", instructions="peer", tools=tools)
    found, platform = await run_to_end(tmp_path, answer, BOSS, peer)
    assert found.result is not None
    assert "do it yourself" in found.result.answer
    assert len(await platform.ports.records.runs("default", RunFilter(), 100)) == MAX_DEPTH + 1
