"""A review team on the real engine: every piece of work is a run of its own."""

import asyncio
from pathlib import Path
from typing import Any

from ripieno import bootstrap
from ripieno.bootstrap import Platform
from ripieno.domain.agents import AgentDefinition
from ripieno.domain.entries import EntryType
from ripieno.domain.filters import InterruptFilter, RunFilter
from ripieno.domain.interrupts import Decision, DecisionKind, InterruptStatus
from ripieno.domain.messages import ModelRequest, Reply
from ripieno.domain.principals import Principal
from ripieno.domain.runs import TERMINAL, RunKind, RunStatus
from ripieno.engine.api import StartRun
from ripieno.engine.worker import Options
from ripieno.testing.platform import in_memory
from ripieno.testing.recording_tools import RecordingTools
from ripieno.testing.scripted_model import ScriptedModel, answers, calls, says, turn_of

ALICE = Principal("alice")
PLAN = {
    "steps": [
        {"id": "disk", "agent": "looker", "goal": "look at the disk"},
        {"id": "net", "agent": "looker", "goal": "look at the net"},
    ],
    "deliverable": {"path": "report.md"},
}


def agent(name: str, **fields: Any) -> AgentDefinition:
    return AgentDefinition.model_validate({"name": name, **fields})


AGENTS = [
    agent("ops", mode="collaborative", members=["planner", "looker", "executor", "reviewer"]),
    agent("planner", role="planner"),
    agent("looker", role="worker", tools=["look.*"]),
    agent("executor", role="executor", tools=["files.write"], approvals=["files.write"]),
    agent("reviewer", role="reviewer"),
]


def member(request: ModelRequest) -> Reply:
    """Plays every member, by what its turn is for."""
    if request.purpose == "plan":
        return answers(PLAN)
    if request.purpose == "act":
        return calls(("look.at", {})) if turn_of(request) == 0 else says("full [t1c0]")
    if request.purpose == "compose":
        return says("The disk is full [disk/t1c0].")
    if request.purpose == "review":
        claim = {"claim": "The disk is full", "evidence": ["disk/t1c0"]}
        return answers({"verdict": "accept", "claims": [claim]})
    if turn_of(request) == 0:
        return calls(("files.write", {"path": "report.md"}))
    return says("saved")


def team(tmp_path: Path, **options: Any) -> tuple[Platform, RecordingTools]:
    tools = RecordingTools({"look.at": "91 %", "files.write": "written"})
    return in_memory(ScriptedModel(member), tools, AGENTS, tmp_path, options=Options(**options)), tools


async def pending(platform: Platform) -> str:
    which = InterruptFilter(status=InterruptStatus.PENDING)
    async with asyncio.timeout(20):
        while not (found := await platform.ports.records.interrupts("default", which, 10)):
            await asyncio.sleep(0.002)
    return found[0].id


async def approve(platform: Platform) -> None:
    await platform.engine.decide(ALICE, await pending(platform), Decision(DecisionKind.APPROVE, "bob"))


async def test_a_team_plans_works_reviews_and_delivers(tmp_path: Path):
    platform, tools = team(tmp_path)
    async with bootstrap.running(platform):
        run = await platform.engine.start(StartRun("What is wrong?", agent="ops"), ALICE)
        await approve(platform)
        found = await platform.engine.wait("default", run.id, 20)
    assert (found.kind, found.status) == (RunKind.TEAM, RunStatus.COMPLETED)
    assert found.result is not None
    assert found.result.answer == "The disk is full [disk/t1c0]."
    assert found.result.value["deliverable"]["written"] is True
    assert found.result.usage.calls == 9
    types = [entry.type for entry in await platform.ports.records.entries("default", run.id)]
    assert types.count(EntryType.CHILD_STARTED) == types.count(EntryType.CHILD_ENDED) == 6
    assert EntryType.TEAM_PLANNED in types
    assert EntryType.TEAM_REVIEWED in types
    children = await platform.ports.records.runs("default", RunFilter(parent_id=run.id), 100)
    assert {child.root_id for child in children} == {run.id}
    assert {child.session_id for child in children} == {run.session_id}
    assert len({call.context.workspace for call in tools.calls}) == 1


async def test_a_team_that_waits_holds_no_worker_and_goes_on_in_another(tmp_path: Path):
    platform, tools = team(tmp_path)
    async with bootstrap.running(platform):
        run = await platform.engine.start(StartRun("What is wrong?", agent="ops"), ALICE)
        await pending(platform)
        async with asyncio.timeout(10):
            while platform.worker.busy:
                await asyncio.sleep(0.002)
    assert (await platform.ports.records.run("default", run.id)).status is RunStatus.WAITING
    async with bootstrap.running(bootstrap.assemble(platform.ports, Options())) as again:
        await approve(again)
        assert (await again.engine.wait("default", run.id, 20)).status is RunStatus.COMPLETED
    assert len(tools.arguments("look.at")) == 2
    assert len(tools.arguments("files.write")) == 1


async def test_one_slot_is_enough_for_a_team(tmp_path: Path):
    platform, _ = team(tmp_path, slots=1)
    async with bootstrap.running(platform):
        run = await platform.engine.start(StartRun("What is wrong?", agent="ops"), ALICE)
        await approve(platform)
        assert (await platform.engine.wait("default", run.id, 20)).status is RunStatus.COMPLETED


async def test_cancelling_a_team_cancels_its_children(tmp_path: Path):
    platform, tools = team(tmp_path)
    async with bootstrap.running(platform):
        run = await platform.engine.start(StartRun("What is wrong?", agent="ops"), ALICE)
        await pending(platform)
        await platform.engine.cancel(ALICE, run.id)
        async with asyncio.timeout(10):
            while any(
                one.status not in TERMINAL for one in await platform.ports.records.runs("default", RunFilter(), 100)
            ):
                await asyncio.sleep(0.002)
    family = await platform.ports.records.runs("default", RunFilter(), 100)
    assert {one.status for one in family} == {RunStatus.COMPLETED, RunStatus.CANCELLED}
    assert not tools.arguments("files.write")


async def test_the_model_of_the_request_is_the_model_of_every_member(tmp_path: Path):
    model = ScriptedModel(member)
    tools = RecordingTools({"look.at": "91 %", "files.write": "written"})
    platform = in_memory(model, tools, AGENTS, tmp_path)
    async with bootstrap.running(platform):
        run = await platform.engine.start(StartRun("What is wrong?", agent="ops", model="openai:x"), ALICE)
        await approve(platform)
        await platform.engine.wait("default", run.id, 20)
    assert {request.model for request in model.requests} == {"openai:x"}
