"""Leases: who beats is alive, who fell silent is dead for good, and nobody judges before being proven."""

import asyncio

import pytest

from ripieno.domain.batches import Standing
from ripieno.domain.errors import LegLost
from ripieno.domain.hints import HintKind
from ripieno.domain.runs import RunStatus
from ripieno.domain.workers import WorkerLoad
from ripieno.store.postgres.lease import LeaseTimes
from ripieno.store.postgres.opening import PostgresStore
from tests.contracts.bed import TENANT, Bed, intent
from tests.servers import postgres
from tests.unit.store.postgres.conftest import QUICK, Cluster, OpenCluster

pytestmark = postgres.NEEDS

PATIENCE = 20.0


def silence(store: PostgresStore) -> None:
    """Beat no more, as a frozen process does."""
    store.lease._stop.set()


async def until_reaped(bed: Bed, run_id: str) -> None:
    async with asyncio.timeout(PATIENCE):
        while (await bed.row_of(run_id)).status is RunStatus.RUNNING:
            await bed.journal.pump()
            await asyncio.sleep(0.02)


async def joined(both: Cluster) -> None:
    """Both stores are workers."""
    for name, bed in zip("ab", both.beds, strict=True):
        await bed.journal.claim(name, 1)


async def test_silent_worker_loses_its_runs_to_a_proven_one(cluster: OpenCluster):
    async with cluster(QUICK) as both:
        a, b = both.beds
        run = await a.running()
        worked = await a.running()
        await a.append(worked, "k")
        await joined(both)
        silence(both.stores[0])
        await until_reaped(b, run.id)
        assert await both.sql("SELECT deaths FROM runs ORDER BY id") == [(1,), (0,)]
        assert (await b.row(run)).epoch == run.epoch + 1
        with pytest.raises(LegLost):
            await a.append(run, "late")
        claimed = [*await b.journal.claim("b", 5), *await b.journal.claim("b", 5)]
        assert [one.run.id for one in claimed] == [worked.id, run.id], "a suspect goes alone, after the others"
        assert [entry.key for one in claimed for entry in one.entries] == ["k"]


async def test_beating_worker_keeps_its_runs(cluster: OpenCluster):
    async with cluster(QUICK) as both:
        a, b = both.beds
        run = await a.running()
        await joined(both)
        async with asyncio.timeout(PATIENCE):
            while not both.stores[1].lease.proven():
                await asyncio.sleep(0.02)
        await b.journal.pump()
        assert (await b.row(run)).status is RunStatus.RUNNING
        await a.append(run, "k", intents=(intent(run, "k"),))


async def test_worker_that_is_declared_dead_gives_up_everything_and_comes_back_under_a_new_name(cluster: OpenCluster):
    async with cluster(QUICK) as both:
        a, _ = both.beds
        run = await a.running()
        told: asyncio.Queue[str] = asyncio.Queue()
        both.stores[0].dispatch.subscribe(
            lambda hint: told.put_nowait(hint.run_id) if hint.kind is HintKind.CONTROL else None
        )
        before = both.stores[0].lease.worker_id
        await both.sql("UPDATE workers SET dead = true")
        async with asyncio.timeout(PATIENCE):
            assert await told.get() == run.id
        assert a.journal.standing(run.id, run.epoch) is Standing.LOST
        for refused in (a.append(run, "k"), a.park(run), a.finish(run), a.journal.release(run.id, run.epoch)):
            with pytest.raises(LegLost):
                await refused
        with pytest.raises(LegLost):
            await a.journal.unread(run.id, run.epoch)
        other = await a.start()
        assert [claimed.run.id for claimed in await a.journal.claim("a", 5)] == [other]
        after = both.stores[0].lease.worker_id
        assert after not in {before, None}
        assert await both.sql("SELECT id, dead FROM workers ORDER BY dead") == [(after, False), (before, True)]


async def test_without_a_confirmed_beat_no_effect_begins_and_the_run_is_given_back(cluster: OpenCluster):
    async with cluster(QUICK) as both:
        a, b = both.beds
        run = await a.running()
        silence(both.stores[0])
        async with asyncio.timeout(PATIENCE):
            while both.stores[0].lease.fresh():
                await asyncio.sleep(0.02)
        assert a.journal.standing(run.id, run.epoch) is Standing.DOUBTFUL
        await a.append(run, "outcome")
        with pytest.raises(LegLost):
            await a.append(run, "i", intents=(intent(run, "x"),))
        assert await a.journal.claim("a", 1) == []
        await a.journal.pump()
        row = await b.row(run)
        assert (row.status, row.last_seq, await b.states(run)) == (RunStatus.QUEUED, 1, [])


async def test_cancelled_run_of_a_dead_worker_ends(cluster: OpenCluster):
    async with cluster(QUICK) as both:
        a, b = both.beds
        parent = await a.parked()
        run = await a.running(parent_id=parent.id)
        await joined(both)
        await b.journal.cancel(TENANT, run.id, "bob", "")
        silence(both.stores[0])
        await until_reaped(b, run.id)
        assert (await b.row(run)).status is RunStatus.CANCELLED
        assert (await b.row(parent)).status is RunStatus.QUEUED


async def test_beats_go_on_after_their_connection_was_cut(cluster: OpenCluster):
    async with cluster(LeaseTimes(beat=0.05, lease=30.0)) as both:
        a, _ = both.beds
        run = await a.running()
        name = both.stores[0].lease.worker_id
        await both.sql(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE query LIKE 'UPDATE workers SET seen_at%'"
        )
        ((cut_at,),) = await both.sql("SELECT clock_timestamp()")
        async with asyncio.timeout(PATIENCE):
            while not await both.sql("SELECT 1 FROM workers WHERE seen_at > $1", cut_at):
                await asyncio.sleep(0.05)
        assert both.stores[0].lease.worker_id == name
        await a.append(run, "k", intents=(intent(run, "k"),))


async def test_closed_store_is_dead_at_once(cluster: OpenCluster):
    async with cluster(QUICK) as both:
        a, b = both.beds
        run = await a.running()
        await both.stores[0].close()
        assert await both.stores[1].journal.upkeep.reap() == 1
        assert (await b.row(run)).status is RunStatus.QUEUED


async def test_old_dead_rows_are_buried(cluster: OpenCluster):
    async with cluster() as both:
        await both.sql(
            "INSERT INTO workers VALUES ('old', clock_timestamp() - interval '2 hours', true), "
            "('new', clock_timestamp(), true), ('alive', clock_timestamp() - interval '2 hours', false)"
        )
        await both.beds[0].journal.pump()
        me = both.stores[0].lease.worker_id
        assert await both.sql("SELECT id FROM workers WHERE id <> $1 ORDER BY id", me) == [("alive",), ("new",)]


async def test_name_of_somebody_else_is_not_taken_over(cluster: OpenCluster):
    async with cluster() as both:
        await both.sql("INSERT INTO workers VALUES ('a', clock_timestamp(), false)")
        await both.beds[0].journal.claim("a", 1)
        assert both.stores[0].lease.worker_id not in {"a", None}


async def test_workers_report_their_load_until_they_are_dead(cluster: OpenCluster):
    async with cluster(QUICK) as both:
        one, two = both.stores
        await one.workers.report(WorkerLoad("anything", 10, 3))
        assert await two.workers.alive() == [], "it has not joined yet"
        await joined(both)
        await one.workers.report(WorkerLoad("anything", 10, 3))
        await two.workers.report(WorkerLoad("anything", 8, 0, draining=True))
        name = str(one.lease.worker_id)
        found = {load.worker_id: load for load in await two.workers.alive()}
        assert found.keys() == {one.lease.worker_id, two.lease.worker_id}
        assert found[name] == WorkerLoad(name, 10, 3)
        await both.sql("UPDATE workers SET dead = true WHERE busy = 3")
        assert [load.draining for load in await two.workers.alive()] == [True]
