"""Runs are locked in order of their ids: whoever waits for one holds none that comes later."""

import asyncio
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager

import asyncpg

from ripieno.domain import ids
from ripieno.domain.interrupts import OnExpiry, Terms
from ripieno.domain.principals import Principal
from ripieno.domain.runs import Multitask, RunKind, RunStatus
from ripieno.domain.schedules import NewSchedule, Overlap, ScheduleChange, ScheduleSpec, Target
from ripieno.store.schedules import StoredSchedules
from tests.contracts.bed import TENANT
from tests.servers import postgres
from tests.unit.store.postgres.conftest import Cluster, OpenCluster

pytestmark = postgres.NEEDS

PATIENCE = 20.0
ENQUEUE = Multitask.ENQUEUE
CLERK = Target("clerk", "v1", RunKind.AGENT, "Counts.")


@asynccontextmanager
async def in_order(both: Cluster, earlier: str, later: str) -> AsyncGenerator[None]:
    """The block begins what locks both runs; while it waits for the earlier one, the later one must be free."""
    assert earlier < later
    other = await asyncpg.connect(both.url)
    async with other.transaction():
        await other.execute("SELECT 1 FROM runs WHERE id = $1 FOR UPDATE", earlier)
        yield
        async with asyncio.timeout(PATIENCE):
            while not await both.sql("SELECT 1 FROM pg_stat_activity WHERE wait_event_type = 'Lock'"):
                await asyncio.sleep(0.01)
        free = await other.fetchval("SELECT id FROM runs WHERE id = $1 FOR UPDATE SKIP LOCKED", later)
    await other.close()
    assert free == later


async def test_expiry_that_cancels_a_run_locks_its_neighbours_in_order_too(cluster: OpenCluster):
    async with cluster() as both:
        a, b = both.beds
        run = await a.running(id="run_9", multitask=ENQUEUE)
        behind = await b.start(id="run_1", multitask=ENQUEUE)
        await a.ask(run, expires_at=a.after(1), terms=Terms(on_expiry=OnExpiry.CANCEL))
        await a.park(run, RunStatus.AWAITING_APPROVAL)
        both.clock.advance(1)
        async with asyncio.TaskGroup() as group, in_order(both, behind, run.id):
            group.create_task(b.journal.pump())
        assert (await b.row(run)).status is RunStatus.CANCELLED
        assert (await b.row_of(behind)).after_id is None


async def test_schedule_that_cancels_runs_locks_them_and_their_neighbours_in_order(cluster: OpenCluster):
    async with cluster() as both:
        a, b = both.beds
        schedules = [StoredSchedules(store.frames) for store in both.stores]
        spec = ScheduleSpec(every=60, overlap=Overlap.ALLOW)
        made = await schedules[0].create(
            NewSchedule(both.clock.new_id(ids.SCHEDULE), TENANT, "nightly", "clerk", spec, "alice")
        )

        async def tick(number: int) -> str:
            both.clock.advance(60)
            (line,) = await schedules[number].tick(made.id, CLERK)
            assert line.run_id is not None
            return line.run_id

        first = await tick(0)
        behind = await b.start(id="run_z", session_id=ids.session_of(first), multitask=ENQUEUE)
        second = await tick(0)
        now_cancels = spec.model_copy(update={"overlap": Overlap.CANCEL_PREVIOUS})
        await schedules[0].change(Principal("alice", TENANT), "nightly", ScheduleChange(spec=now_cancels))
        async with asyncio.TaskGroup() as group, in_order(both, second, behind):
            ticking = group.create_task(tick(1))
        assert {(await a.row_of(run_id)).status for run_id in (first, second)} == {RunStatus.CANCELLED}
        assert (await a.row_of(ticking.result())).status is RunStatus.QUEUED
        assert (await a.row_of(behind)).after_id is None
