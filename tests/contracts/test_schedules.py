"""Schedules, on every store: one run for each tick, whoever asks, and what is done when runs are in the way."""

import asyncio
from datetime import timedelta
from typing import Any

import pytest

from ripieno.domain import ids
from ripieno.domain.errors import ManagedByFile, NameTaken, NotFound, Stale
from ripieno.domain.outbox import AuditFilter, AuditRow
from ripieno.domain.principals import DEFAULT_TENANT, SYSTEM, Principal
from ripieno.domain.runs import Run, RunKind, RunStatus
from ripieno.domain.schedules import (
    ManagedBy,
    NewSchedule,
    Schedule,
    ScheduleChange,
    ScheduleSpec,
    Target,
    Tick,
    TickOutcome,
    Trigger,
)
from ripieno.engine.stores import Schedules
from ripieno.store.embedded import EmbeddedStore
from ripieno.store.postgres.opening import PostgresStore
from ripieno.store.schedules import StoredSchedules
from ripieno.testing.memory_journal import MemoryStore
from tests.contracts.bed import TENANT, Bed

ALICE = Principal("alice", TENANT)
CLERK = Target("clerk", "v1", RunKind.AGENT, "Counts.")
STARTED, WAITING, SKIPPED = TickOutcome.STARTED, TickOutcome.WAITING, TickOutcome.SKIPPED


def on(bed: Bed) -> Schedules:
    """The schedules of a bed's store."""
    if isinstance(bed.store, MemoryStore):
        return bed.store.schedules
    assert isinstance(bed.store, EmbeddedStore | PostgresStore)
    return StoredSchedules(bed.store.frames)


def new(bed: Bed, name: str = "nightly", **spec: Any) -> NewSchedule:
    found = ScheduleSpec.model_validate({"every": 60, **spec})
    return NewSchedule(bed.clock.new_id(ids.SCHEDULE), TENANT, name, "clerk", found, "alice")


def of_file(name: str, **spec: Any) -> NewSchedule:
    found = ScheduleSpec.model_validate({"every": 60, **spec})
    schedule_id = ids.named(ids.SCHEDULE, name)
    return NewSchedule(schedule_id, DEFAULT_TENANT, name, name, found, "system", ManagedBy.FILE)


async def made(bed: Bed, **spec: Any) -> Schedule:
    return await on(bed).create(new(bed, **spec))


async def tick(bed: Bed, seconds: float = 60, target: Target | str = CLERK) -> list[Tick]:
    """Let time pass and do what is due."""
    bed.clock.advance(seconds)
    return [line for found in await on(bed).due(10) for line in await on(bed).tick(found.id, target)]


async def run_of(bed: Bed, line: Tick) -> Run:
    assert line.run_id is not None
    return await bed.row_of(line.run_id)


async def end(bed: Bed, line: Tick) -> None:
    assert line.run_id is not None
    await bed.finish((await bed.claim(line.run_id)).run)


def outcomes(lines: list[Tick]) -> list[TickOutcome]:
    return [line.outcome for line in lines]


async def test_a_tick_starts_a_run_and_the_schedule_moves_on(bed: Bed):
    schedule = await made(bed, input="Count to ten.")
    assert await tick(bed, 59) == []
    (line,) = await tick(bed, 1)
    run = await run_of(bed, line)
    assert (run.status, run.input.goal, run.target, run.created_by) == (
        RunStatus.QUEUED,
        "Count to ten.",
        "clerk",
        "alice",
    )
    assert run.metadata["schedule"]["name"] == "nightly"
    moved = await on(bed).schedule(TENANT, schedule.id)
    assert moved.last_tick == schedule.next_tick
    assert moved.next_tick == bed.after(60)
    assert moved.version == schedule.version
    assert await on(bed).tick(schedule.id, CLERK) == ()


async def test_many_who_tick_at_once_start_one_run(bed: Bed):
    schedule = await made(bed)
    bed.clock.advance(60)
    told = await asyncio.gather(*(on(bed).tick(schedule.id, CLERK) for _ in range(8)))
    assert len([line for lines in told for line in lines]) == 1
    assert len(await on(bed).ticks(TENANT, "nightly", 10)) == 1


async def test_the_same_tick_again_starts_nothing(bed: Bed):
    schedule = await made(bed)
    (line,) = await tick(bed)
    await end(bed, line)
    await on(bed).delete(ALICE, "nightly")
    bed.clock.advance(-60)  # somebody put the clock right
    await on(bed).create(NewSchedule(schedule.id, TENANT, "nightly", "clerk", schedule.spec, "alice"))
    (again,) = await tick(bed)
    assert (again.outcome, again.run_id) == (SKIPPED, line.run_id)


async def test_a_schedule_that_skips_what_comes_too_early(bed: Bed):
    await made(bed, overlap="skip")
    (first,) = await tick(bed)
    (second,) = await tick(bed)
    assert (second.outcome, second.run_id) == (SKIPPED, None)
    await end(bed, first)
    assert outcomes(await tick(bed)) == [STARTED]


async def test_a_schedule_that_queues_runs_one_after_the_other(bed: Bed):
    schedule = await made(bed, overlap="queue")
    (first,) = await tick(bed)
    assert outcomes(await tick(bed)) == [WAITING]
    assert outcomes(await tick(bed)) == [WAITING]
    assert await tick(bed, 1) == []
    await end(bed, first)
    (second,) = await tick(bed, 1)
    assert (second.outcome, second.n) == (STARTED, 2)
    assert second.at == schedule.next_tick + timedelta(seconds=60) if schedule.next_tick else None
    assert await tick(bed, 1) == []
    await end(bed, second)
    assert [line.n for line in await tick(bed, 1)] == [3]
    assert outcomes(list(await on(bed).ticks(TENANT, "nightly", 10))) == [STARTED] * 3


async def test_a_schedule_that_cancels_what_is_under_way(bed: Bed):
    await made(bed, overlap="cancel_previous")
    (first,) = await tick(bed)
    (second,) = await tick(bed)
    assert (await run_of(bed, first)).status is RunStatus.CANCELLED
    assert (await run_of(bed, second)).status is RunStatus.QUEUED
    await end(bed, second)
    (third,) = await tick(bed)
    assert third.outcome is STARTED
    assert (await run_of(bed, second)).status is RunStatus.COMPLETED


async def test_of_several_that_are_due_a_schedule_that_cancels_runs_the_newest(bed: Bed):
    await made(bed, overlap="cancel_previous", every=10)
    assert outcomes(await tick(bed, 30)) == [SKIPPED, SKIPPED, STARTED]


async def test_a_schedule_that_lets_runs_overlap(bed: Bed):
    await made(bed, overlap="allow", every=10)
    assert outcomes(await tick(bed, 30)) == [STARTED] * 3
    assert outcomes(await tick(bed, 10)) == [STARTED]


@pytest.mark.parametrize(
    ("catch_up", "wanted"),
    [
        ("none", [TickOutcome.MISSED]),
        ("latest", [TickOutcome.MISSED, STARTED]),
        ("all", [STARTED, WAITING, WAITING]),
    ],
)
async def test_ticks_that_nobody_saw(bed: Bed, catch_up: str, wanted: list[TickOutcome]):
    await made(bed, every=3600, overlap="queue", catch_up=catch_up)
    lines = await tick(bed, 3 * 3600 + 600)
    assert outcomes(lines) == wanted
    assert (await on(bed).schedule(TENANT, "nightly")).next_tick == bed.after(3000)


async def test_an_agent_that_cannot_be_started_leaves_a_line_and_the_schedule_goes_on(bed: Bed):
    await made(bed)
    (line,) = await tick(bed, target="no agent 'clerk'")
    assert (line.outcome, line.reason, line.run_id) == (TickOutcome.FAILED, "no agent 'clerk'", None)
    assert outcomes(await tick(bed)) == [STARTED]


async def test_a_waiting_tick_whose_agent_is_gone_fails(bed: Bed):
    await made(bed, overlap="queue")
    (first,) = await tick(bed)
    await tick(bed)
    await end(bed, first)
    (line,) = await tick(bed, 1, "gone")
    assert (line.n, line.outcome) == (2, TickOutcome.FAILED)
    assert await tick(bed, 1) == []


async def test_a_paused_schedule_rests_and_counts_from_when_it_is_resumed(bed: Bed):
    await made(bed)
    paused = await on(bed).change(ALICE, "nightly", ScheduleChange(paused=True))
    assert paused.paused
    assert await tick(bed, 3600) == []
    resumed = await on(bed).change(ALICE, "nightly", ScheduleChange(paused=False))
    assert resumed.next_tick == bed.after(60)
    assert outcomes(await tick(bed)) == [STARTED]


async def test_a_change_of_the_trigger_counts_from_now_and_another_change_does_not(bed: Bed):
    first = await made(bed)
    bed.clock.advance(30)
    same = await on(bed).change(
        ALICE, "nightly", ScheduleChange(spec=first.spec.model_copy(update={"input": "x"}), agent="other")
    )
    assert (same.next_tick, same.agent, same.spec.input, same.version) == (first.next_tick, "other", "x", 2)
    spec = ScheduleSpec(every=600)
    assert (await on(bed).change(ALICE, "nightly", ScheduleChange(spec=spec))).next_tick == bed.after(600)


async def test_two_who_change_the_same_thing(bed: Bed):
    await made(bed)
    await on(bed).change(ALICE, "nightly", ScheduleChange(paused=True, version=1))
    with pytest.raises(Stale):
        await on(bed).change(ALICE, "nightly", ScheduleChange(paused=False, version=1))
    with pytest.raises(Stale):
        await on(bed).delete(ALICE, "nightly", 1)
    await on(bed).delete(ALICE, "nightly", 2)
    with pytest.raises(NotFound):
        await on(bed).schedule(TENANT, "nightly")


async def test_names_are_unique_in_a_tenant_and_known_to_it_alone(bed: Bed):
    schedule = await made(bed)
    with pytest.raises(NameTaken):
        await on(bed).create(new(bed))
    again = NewSchedule(schedule.id, TENANT, "nightly", "clerk", schedule.spec, "alice")
    assert await on(bed).create(again) == schedule
    await on(bed).create(new(bed, "hourly"))
    assert [one.name for one in await on(bed).schedules(TENANT, 10)] == ["hourly", "nightly"]
    assert [one.name for one in await on(bed).schedules(TENANT, 10, "hourly")] == ["nightly"]
    assert await on(bed).schedules("other", 10) == []
    with pytest.raises(NotFound):
        await on(bed).schedule("other", schedule.id)
    with pytest.raises(NotFound) as caught:
        await on(bed).ticks(TENANT, "nightli", 10)
    assert caught.value.near == ("nightly",)


async def test_a_run_that_somebody_wants_now(bed: Bed):
    schedule = await made(bed)
    wanted = Trigger(bed.clock.new_id(ids.RUN), "bob")
    line = await on(bed).trigger(TENANT, "nightly", CLERK, wanted)
    assert (line.outcome, line.triggered_by, line.run_id) == (STARTED, "bob", wanted.run_id)
    assert await on(bed).trigger(TENANT, "nightly", CLERK, wanted) == line
    assert (await on(bed).schedule(TENANT, "nightly")).next_tick == schedule.next_tick
    assert outcomes(await tick(bed)) == [SKIPPED]
    history = await on(bed).ticks(TENANT, "nightly", 10)
    assert [(one.n, one.run_status) for one in history] == [(2, None), (1, RunStatus.QUEUED)]
    assert [one.n for one in await on(bed).ticks(TENANT, "nightly", 10, before=2)] == [1]
    assert [one.n for one in await on(bed).ticks(TENANT, "nightly", 1)] == [2]


async def test_what_files_define_comes_changes_goes_and_comes_back(bed: Bed):
    await on(bed).keep([of_file("clock"), of_file("bell")])
    first = await on(bed).schedule(DEFAULT_TENANT, "clock")
    assert (first.managed_by, first.version) == (ManagedBy.FILE, 1)
    await on(bed).keep([of_file("clock"), of_file("bell", every=30)])
    assert (await on(bed).schedule(DEFAULT_TENANT, "clock")).version == 1
    assert (await on(bed).schedule(DEFAULT_TENANT, "bell")).spec.every == 30
    await on(bed).keep([of_file("bell", every=30)])
    gone = await on(bed).schedule(DEFAULT_TENANT, "clock")
    assert gone.problem == "its file does not define it any more"
    assert gone.next_tick is None
    lines = await tick(bed, 30)
    assert [line.schedule_id for line in lines] == [of_file("bell").id]
    await on(bed).keep([of_file("bell", every=30)])
    await on(bed).keep([of_file("clock"), of_file("bell", every=30)])
    back = await on(bed).schedule(DEFAULT_TENANT, "clock")
    assert (back.problem, back.next_tick) == (None, bed.after(60))


async def test_what_a_file_defines_is_changed_there_but_may_be_paused(bed: Bed):
    await on(bed).keep([of_file("clock")])
    for change in (ScheduleChange(agent="x"), ScheduleChange(spec=ScheduleSpec(every=5))):
        with pytest.raises(ManagedByFile):
            await on(bed).change(SYSTEM, "clock", change)
    with pytest.raises(ManagedByFile):
        await on(bed).delete(SYSTEM, "clock")
    await on(bed).change(SYSTEM, "clock", ScheduleChange(paused=True))
    await on(bed).keep([of_file("clock", every=5)])
    assert (await on(bed).schedule(DEFAULT_TENANT, "clock")).paused
    await on(bed).keep([])
    await on(bed).delete(SYSTEM, "clock")
    assert await on(bed).schedules(DEFAULT_TENANT, 10) == []


async def test_a_file_wins_over_what_has_its_name(bed: Bed):
    own = NewSchedule("sch_own", DEFAULT_TENANT, "clock", "clerk", ScheduleSpec(every=9), "alice")
    await on(bed).create(own)
    await on(bed).keep([of_file("clock")])
    found = await on(bed).schedule(DEFAULT_TENANT, "clock")
    assert (found.id, found.managed_by, found.spec.every, found.agent) == ("sch_own", ManagedBy.FILE, 60, "clock")


async def audits(bed: Bed, tenant: str = TENANT) -> list[AuditRow]:
    return list(await bed.outbox.audits(tenant, AuditFilter(), 99))[::-1]


async def test_who_did_what_to_a_schedule_is_on_record(bed: Bed):
    first = new(bed, input="secret")
    schedule = await on(bed).create(first)
    await on(bed).create(first)
    changes = [
        ScheduleChange(paused=True),
        ScheduleChange(paused=False),
        ScheduleChange(spec=ScheduleSpec(every=5), paused=True),
        ScheduleChange(),
    ]
    for change in changes:
        await on(bed).change(ALICE, "nightly", change)
    with pytest.raises(Stale):
        await on(bed).change(ALICE, "nightly", ScheduleChange(paused=True, version=1))
    for _ in range(2):
        await on(bed).trigger(TENANT, "nightly", CLERK, Trigger("run_1", "bob"))
    await on(bed).delete(Principal("carol", TENANT), "nightly")
    rows = await audits(bed)
    assert [(row.action, row.actor) for row in rows] == [
        ("CREATE_SCHEDULE", "alice"),
        ("PAUSE_SCHEDULE", "alice"),
        ("RESUME_SCHEDULE", "alice"),
        ("CHANGE_SCHEDULE", "alice"),
        ("CHANGE_SCHEDULE", "alice"),
        ("TRIGGER_SCHEDULE", "bob"),
        ("DELETE_SCHEDULE", "carol"),
    ]
    assert {row.target for row in rows} == {schedule.id}
    assert rows[0].detail == {"name": "nightly", "agent": "clerk", "paused": False, "spec": {"every": 60}}
    assert rows[5].detail == {"name": "nightly", "run_id": "run_1"}


async def test_what_files_do_to_schedules_is_on_record(bed: Bed):
    for wanted in ([of_file("clock")], [of_file("clock")], [of_file("clock", every=5)], [], []):
        await on(bed).keep(wanted)
    told = [(row.action, row.actor) for row in await audits(bed, DEFAULT_TENANT)]
    assert told == [("CREATE_SCHEDULE", "system"), ("CHANGE_SCHEDULE", "system"), ("CHANGE_SCHEDULE", "system")]
