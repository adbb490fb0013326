"""What a worker takes on: slots by lane, limits of agents, and runs that may kill it, alone."""

import asyncio
from collections.abc import Mapping
from pathlib import Path
from typing import Any, cast

import pytest

from ripieno import bootstrap
from ripieno.bootstrap import Platform
from ripieno.domain.agents import AgentDefinition
from ripieno.domain.batches import Claimed
from ripieno.domain.principals import Principal
from ripieno.domain.runs import ExitReason, Lane, Run, RunStatus
from ripieno.engine import intake
from ripieno.engine.api import StartRun
from ripieno.engine.intake import Intake, Options, room
from ripieno.engine.leg import Leg
from ripieno.testing.platform import in_memory
from ripieno.testing.recording_tools import RecordingTools, Scripted
from ripieno.testing.scripted_model import ScriptedModel, calls, says

ALICE = Principal("alice")
TEN = Options(slots=10)


@pytest.mark.parametrize(
    ("options", "lanes", "expected"),
    [
        (TEN, {}, (9, Lane.BATCH)),
        (TEN, {"batch": 8}, (1, Lane.BATCH)),
        (TEN, {"batch": 9}, (1, Lane.DEFAULT)),
        (TEN, {"batch": 9, "default": 1}, (0, Lane.INTERACTIVE)),
        (TEN, {"default": 9}, (1, Lane.BATCH)),
        (Options(slots=10, default_slots=8), {"default": 5, "batch": 3}, (2, Lane.INTERACTIVE)),
        (Options(slots=10, default_slots=8, batch_slots=3), {"batch": 3}, (5, Lane.DEFAULT)),
        (Options(slots=10, default_slots=8), {"interactive": 10}, (0, Lane.INTERACTIVE)),
        (Options(slots=10, batch_slots=4), {"of old": 6}, (4, Lane.BATCH)),
        (Options(slots=1), {}, (1, Lane.BATCH)),
        (Options(slots=2), {"batch": 1}, (1, Lane.DEFAULT)),
        (Options(slots=0), {}, (0, Lane.INTERACTIVE)),
    ],
)
def test_room_is_kept_for_what_is_more_urgent(options: Options, lanes: Mapping[str, int], expected: tuple[int, Lane]):
    assert room(options, [lane for lane, many in lanes.items() for _ in range(many)]) == expected


def platform(tmp_path: Path, tools: Mapping[str, Any], options: Options, **limits: Any) -> Platform:
    agents = [AgentDefinition.model_validate({"name": "clerk", "tools": ["*"], "limits": limits})]
    model = ScriptedModel([calls(("desk.wait", {})), says("done")], per_conversation=True)
    return in_memory(model, RecordingTools(tools), agents, tmp_path, options=options)


async def start(one: Platform, **fields: Any) -> Run:
    return await one.engine.start(StartRun("go", agent="clerk", **fields), ALICE)


async def until(one: Platform, run: Run, *statuses: RunStatus) -> Run:
    async with asyncio.timeout(20):
        while (found := await one.ports.records.run("default", run.id)).status not in statuses:
            await asyncio.sleep(0.002)
    return found


async def test_urgent_run_does_not_wait_behind_a_worker_full_of_batch(tmp_path: Path):
    may = asyncio.Event()

    async def answer(_: dict[str, Any]) -> str:
        await may.wait()
        return "waited"

    one = platform(tmp_path, {"desk.wait": Scripted(answer)}, Options(slots=3, poll_seconds=0.05))
    batch = [await start(one, lane="batch") for _ in range(5)]
    async with bootstrap.running(one):
        for run in batch[:2]:
            await until(one, run, RunStatus.RUNNING)
        urgent = await start(one, lane="interactive")
        await until(one, urgent, RunStatus.RUNNING)
        waiting = [await one.ports.records.run("default", run.id) for run in batch[2:]]
        assert [run.status for run in waiting] == [RunStatus.QUEUED] * 3
        may.set()
        for run in [urgent, *batch]:
            await until(one, run, RunStatus.COMPLETED)


async def test_agents_own_limit_holds(tmp_path: Path):
    busy, most = 0, 0

    async def answer(_: dict[str, Any]) -> str:
        nonlocal busy, most
        busy += 1
        most = max(most, busy)
        await asyncio.sleep(0)
        busy -= 1
        return "waited"

    options = Options(agent_running=5, poll_seconds=0.05)
    one = platform(tmp_path, {"desk.wait": Scripted(answer)}, options, concurrency=2)
    runs = [await start(one) for _ in range(12)]
    async with bootstrap.running(one):
        for run in runs:
            await until(one, run, RunStatus.COMPLETED)
    assert 1 <= most <= 2


async def suspected(one: Platform, deaths: int) -> Run:
    """A run on which so many workers have died."""
    run = await start(one)
    for _ in range(deaths):
        await one.ports.journal.claim("dead", 1)
        await one.ports.journal.recover()
    return await one.ports.records.run("default", run.id)


async def test_run_on_which_too_many_workers_died_is_given_up_without_another_try(tmp_path: Path):
    one = platform(tmp_path, {"desk.wait": "waited"}, Options(deaths=2, poll_seconds=0.05))
    run = await suspected(one, 2)
    async with bootstrap.running(one):
        ended = await until(one, run, RunStatus.FAILED)
    assert ended.exit_reason is ExitReason.DEFECT
    assert ended.result is not None
    assert ended.result.error is not None
    assert ended.result.error.code == "worker_died"
    assert "2 worker(s)" in ended.result.error.detail
    assert [entry.key for entry in await one.ports.records.entries("default", run.id)] == ["end"]


async def test_suspect_that_does_no_harm_goes_on(tmp_path: Path):
    one = platform(tmp_path, {"desk.wait": "waited"}, Options(deaths=2, poll_seconds=0.05))
    run = await suspected(one, 1)
    async with bootstrap.running(one):
        assert (await until(one, run, RunStatus.COMPLETED)).deaths == 0


async def take(own: Intake, legs: dict[str, Leg]) -> list[Claimed]:
    claimed = list(await own.take("w", legs))
    legs.update({each.run.id: Leg(each, own.journal) for each in claimed})
    return claimed


async def test_nothing_is_claimed_beside_a_suspect_before_it_has_taken_a_step(tmp_path: Path):
    one = platform(tmp_path, {}, TEN)
    run = await suspected(one, 1)
    own = Intake(one.ports.journal, one.ports.definitions, one.ports.clock, TEN)
    legs: dict[str, Leg] = {}
    assert [each.run.id for each in await take(own, legs)] == [run.id]
    other = await start(one)
    assert await take(own, legs) == []
    legs[run.id].stepped = True
    assert [each.run.id for each in await take(own, legs)] == [other.id]


async def test_suspect_that_takes_long_holds_up_others_for_a_while_only(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    one = platform(tmp_path, {}, TEN)
    await suspected(one, 1)
    own = Intake(one.ports.journal, one.ports.definitions, one.ports.clock, TEN)
    legs: dict[str, Leg] = {}
    assert len(await take(own, legs)) == 1
    other = await start(one)
    assert await take(own, legs) == []
    monkeypatch.setattr(intake, "QUARANTINE_SECONDS", 0.0)
    assert [each.run.id for each in await take(own, legs)] == [other.id]


async def test_suspects_get_their_turn_though_there_is_always_other_work(tmp_path: Path):
    options = Options(slots=1, poll_seconds=0.0)
    one = platform(tmp_path, {}, options)
    run = await suspected(one, 1)
    await start(one)
    own = Intake(one.ports.journal, one.ports.definitions, one.ports.clock, options)
    assert [each.run.id for each in cast("list[Claimed]", await own.take("w", {}))] == [run.id]
