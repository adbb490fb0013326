"""The scheduler: files come and go, agents are missing, two processes tick on one database."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, cast

import pytest

from ripieno.domain.agents import AgentDefinition, DefinitionProblem
from ripieno.domain.errors import AdmissionClosed, Invalid
from ripieno.domain.filters import RunFilter
from ripieno.domain.principals import DEFAULT_TENANT, Principal
from ripieno.domain.schedules import NewSchedule, ScheduleSpec, Target, Tick, TickOutcome
from ripieno.engine.admission import ANY_DEPTH, Admission, Depths
from ripieno.engine.schedules import Scheduler
from ripieno.engine.stores import Schedules
from ripieno.store.dispatch_local import LocalDispatch
from ripieno.testing.fake_clock import FakeClock
from ripieno.testing.given_definitions import GivenDefinitions
from ripieno.testing.memory_journal import MemoryStore

ALICE = Principal("alice")


@dataclass
class Folder:
    """Agent files that change."""

    agents_now: list[AgentDefinition] = field(default_factory=list[AgentDefinition])

    async def agents(self) -> list[AgentDefinition]:
        return self.agents_now

    async def agent(self, name: str) -> AgentDefinition:
        return await GivenDefinitions(self.agents_now).agent(name)

    async def problems(self) -> list[DefinitionProblem]:
        return []


@dataclass
class Bench:
    clock: FakeClock = field(default_factory=FakeClock)
    folder: Folder = field(default_factory=Folder)

    def __post_init__(self) -> None:
        self.store = MemoryStore(self.clock, LocalDispatch())

    def scheduler(self, depths: Depths = ANY_DEPTH) -> Scheduler:
        admission = Admission(self.store.records, self.clock, depths)
        return Scheduler(self.store.schedules, self.folder, self.clock, admission)


def scheduled(name: str, every: float = 60) -> AgentDefinition:
    return AgentDefinition.model_validate({"name": name, "schedule": {"every": every}})


async def test_two_schedulers_start_one_run_for_each_tick():
    bench = Bench()
    bench.folder.agents_now = [scheduled("clock")]
    here, there = bench.scheduler(), bench.scheduler()
    await here.turn()
    for _ in range(3):
        bench.clock.advance(60)
        assert await here.turn() + await there.turn() == 1
    assert len(await bench.store.records.runs(DEFAULT_TENANT, RunFilter(), 10)) == 1  # it skips while one is under way
    assert len(await bench.store.schedules.ticks(DEFAULT_TENANT, "clock", 10)) == 3


class OneIsBroken:
    """Schedules of which one cannot tick."""

    def __init__(self, rows: Schedules, broken: str) -> None:
        self._rows = rows
        self._broken = broken

    def __getattr__(self, name: str) -> Any:
        return getattr(self._rows, name)

    async def tick(self, schedule_id: str, target: Target | str) -> Sequence[Tick]:
        if schedule_id == self._broken:
            raise Invalid("it cannot be stored")
        return await self._rows.tick(schedule_id, target)


async def test_one_that_cannot_tick_keeps_no_other_from_ticking(caplog: pytest.LogCaptureFixture):
    bench = Bench()
    bench.folder.agents_now = [scheduled("a"), scheduled("b")]
    scheduler = bench.scheduler()
    await scheduler.turn()
    first = (await bench.store.schedules.schedule(DEFAULT_TENANT, "a")).id
    scheduler.rows = cast("Schedules", OneIsBroken(scheduler.rows, first))
    bench.clock.advance(60)
    assert await scheduler.turn() == 1
    assert "schedule a cannot tick" in caplog.text
    scheduler.rows = bench.store.schedules
    assert await scheduler.turn() == 1, "it is due until it can"


async def test_what_a_process_kept_before_is_not_written_again_when_another_has_other_files():
    bench = Bench()
    bench.folder.agents_now = [scheduled("clock")]
    old = bench.scheduler()
    await old.turn()
    bench.folder = Folder([scheduled("bell")])
    await bench.scheduler().turn()
    await old.turn()
    assert (await bench.store.schedules.schedule(DEFAULT_TENANT, "clock")).problem is not None
    assert (await bench.store.schedules.schedule(DEFAULT_TENANT, "bell")).problem is None


async def test_a_changed_file_changes_the_schedule():
    bench = Bench()
    scheduler = bench.scheduler()
    for every in (60, 30):
        bench.folder.agents_now = [scheduled("clock", every)]
        await scheduler.turn()
        assert (await bench.store.schedules.schedule(DEFAULT_TENANT, "clock")).spec.every == every


async def test_a_schedule_whose_agent_is_gone_says_so_and_goes_on():
    bench = Bench()
    bench.folder.agents_now = [AgentDefinition(name="clerk")]
    scheduler = bench.scheduler()
    await scheduler.create(NewSchedule("sch_1", DEFAULT_TENANT, "nightly", "clerk", ScheduleSpec(every=60), ALICE.id))
    bench.folder.agents_now = []
    bench.clock.advance(60)
    assert await scheduler.turn() == 1
    (line,) = await bench.store.schedules.ticks(DEFAULT_TENANT, "nightly", 10)
    assert line.outcome is TickOutcome.FAILED
    assert line.reason.startswith("no agent 'clerk'")


async def test_while_the_queue_is_full_ticks_stay_due_and_nothing_can_be_triggered(caplog: pytest.LogCaptureFixture):
    bench = Bench()
    bench.folder.agents_now = [scheduled("a"), scheduled("b")]
    scheduler = bench.scheduler(Depths(queued=1))
    await scheduler.turn()
    bench.clock.advance(60)
    assert await scheduler.turn() == 1
    assert "schedule b must wait" in caplog.text
    with pytest.raises(AdmissionClosed):
        await scheduler.trigger(Principal("alice", DEFAULT_TENANT), "b")
    (run,) = await bench.store.records.runs(DEFAULT_TENANT, RunFilter(), 10)
    await bench.store.journal.cancel(DEFAULT_TENANT, run.id, "alice", "")
    bench.clock.advance(1)
    assert await scheduler.turn() == 1
