"""Runs are locked in order of their ids: whoever waits for one holds none that comes later."""

import asyncio
from collections.abc import AsyncGenerator, Callable, Coroutine
from contextlib import asynccontextmanager
from typing import Any

import asyncpg
import pytest

from ripieno.domain import ids
from ripieno.domain.interrupts import OnExpiry, Terms
from ripieno.domain.principals import Principal
from ripieno.domain.runs import Multitask, Run, RunKind, RunStatus
from ripieno.domain.schedules import NewSchedule, Overlap, ScheduleChange, ScheduleSpec, Target
from ripieno.store.schedules import StoredSchedules
from tests.contracts.bed import TENANT, Bed
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


async def cancelled(bed: Bed, run: Run) -> None:
    await bed.journal.cancel(TENANT, run.id, "bob", "")


async def expired(bed: Bed, run: Run) -> None:
    del run
    bed.clock.advance(1)
    await bed.journal.pump()


async def blocked_by(both: Cluster, holder: asyncpg.Connection) -> None:
    """Until somebody waits for what this connection has locked."""
    async with asyncio.timeout(PATIENCE):
        while not await both.sql(
            "SELECT 1 FROM pg_stat_activity WHERE $1 = ANY(pg_blocking_pids(pid))", holder.get_server_pid()
        ):
            await asyncio.sleep(0.01)


@pytest.mark.parametrize("end", [cancelled, expired])
async def test_neighbour_that_comes_while_an_end_waits_is_locked_in_order(
    cluster: OpenCluster, end: Callable[[Bed, Run], Coroutine[Any, Any, None]]
):
    """The end waits for the run and knows of no neighbour. When it has the run there is one, whose id comes first."""
    async with cluster() as both:
        a, b = both.beds
        run = await a.running(id="run_5", multitask=ENQUEUE)
        await a.ask(run, expires_at=a.after(1), terms=Terms(on_expiry=OnExpiry.CANCEL))
        await a.park(run, RunStatus.AWAITING_APPROVAL)
        await b.start(id="run_1", session_id="ses_2")
        joining, holding = await asyncpg.connect(both.url), await asyncpg.connect(both.url)
        async with asyncio.TaskGroup() as group, holding.transaction():
            await holding.execute("SELECT 1 FROM runs WHERE id = 'run_1' FOR NO KEY UPDATE")
            async with joining.transaction():
                await joining.execute("UPDATE runs SET next_id = 'run_1' WHERE id = 'run_5'")
                group.create_task(end(b, run))
                await blocked_by(both, joining)
            await blocked_by(both, holding)
            free = await joining.fetchval("SELECT id FROM runs WHERE id = 'run_5' FOR UPDATE SKIP LOCKED")
            await holding.execute("UPDATE runs SET after_id = 'run_5' WHERE id = 'run_1'")
        assert free == "run_5"
        assert (await b.row(run)).status is RunStatus.CANCELLED
        assert await both.sql("SELECT after_id FROM runs WHERE id = 'run_1'") == [(None,)]
        await joining.close()
        await holding.close()
