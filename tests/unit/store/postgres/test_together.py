"""Runs that are read and started together."""

import asyncio

import pytest

from ripieno.domain.errors import Invalid, NotFound, StoreBusy
from tests.contracts.bed import TENANT
from tests.servers import postgres
from tests.unit.store.postgres.conftest import OpenCluster

pytestmark = postgres.NEEDS


async def test_all_who_ask_at_once_are_answered(cluster: OpenCluster):
    async with cluster() as both:
        a, b = both.beds
        ids = [await a.start() for _ in range(5)]
        asked = [*ids, ids[0], "run_nobody", *ids]
        found = await asyncio.gather(*(b.records.run(TENANT, one) for one in asked), return_exceptions=True)
        seen = [type(one).__name__ if isinstance(one, BaseException) else one.id for one in found]
        assert seen == [*ids, ids[0], NotFound.__name__, *ids]


async def test_nobody_sees_the_run_of_another_tenant_that_is_asked_for_at_once(cluster: OpenCluster):
    async with cluster() as both:
        run_id = await both.beds[0].start()
        records = both.beds[1].records
        mine, foreign = await asyncio.gather(
            records.run(TENANT, run_id), records.run("stranger", run_id), return_exceptions=True
        )
        assert not isinstance(mine, BaseException)
        assert isinstance(foreign, NotFound)


async def test_an_id_that_cannot_be_asked_for_harms_no_other(cluster: OpenCluster):
    async with cluster() as both:
        run_id = await both.beds[0].start()
        records = both.beds[1].records
        found, refused = await asyncio.gather(
            records.run(TENANT, run_id), records.run(TENANT, "run_\0"), return_exceptions=True
        )
        assert not isinstance(found, BaseException)
        assert isinstance(refused, Invalid)


async def test_who_stops_waiting_keeps_no_other_from_the_answer(cluster: OpenCluster):
    async with cluster() as both:
        run_id = await both.beds[0].start()
        records = both.beds[1].records
        async with asyncio.TaskGroup() as group:
            impatient = group.create_task(records.run(TENANT, run_id))
            patient = group.create_task(records.run(TENANT, run_id))
            await asyncio.sleep(0)
            impatient.cancel()
        assert impatient.cancelled()
        assert patient.result().id == run_id


async def test_all_hear_of_a_database_that_is_away(cluster: OpenCluster):
    async with cluster() as both:
        a, b = both.beds
        run_id = await a.start()
        store = both.stores[1]
        await store.journal.upkeep.house._database.close()
        asked = [b.records.run(TENANT, one) for one in (run_id, "run_other")]
        assert [type(error) for error in await asyncio.gather(*asked, return_exceptions=True)] == [StoreBusy] * 2


async def test_a_closed_store_answers_that_it_is_closed(cluster: OpenCluster):
    async with cluster() as both:
        run_id = await both.beds[0].start()
        await both.stores[1].close()
        with pytest.raises(StoreBusy):
            await both.beds[1].records.run(TENANT, run_id)


async def test_runs_that_start_at_once_are_all_there_and_each_once(cluster: OpenCluster):
    async with cluster() as both:
        a, b = both.beds
        runs = [a.new() for _ in range(5)]
        started = await asyncio.gather(*(bed.journal.start(run) for run in (*runs, *runs) for bed in (a, b)))
        assert sum(started) == 5
        assert {(await b.row_of(run.id)).id for run in runs} == {run.id for run in runs}
        assert await both.sql("SELECT count(*), count(DISTINCT run_id) FROM outbox") == [(5, 5)]


async def test_a_run_that_cannot_be_kept_keeps_no_other_from_its_start(cluster: OpenCluster):
    async with cluster() as both:
        a = both.beds[0]
        good, bad, other = a.new(), a.new(target="nul\0"), a.new()
        started = await asyncio.gather(*map(a.journal.start, (good, bad, other)), return_exceptions=True)
        assert [type(one) if isinstance(one, BaseException) else one for one in started] == [True, Invalid, True]


async def test_runs_of_one_session_that_start_at_once_share_it(cluster: OpenCluster):
    async with cluster() as both:
        a = both.beds[0]
        await asyncio.gather(*(a.start(session_id="ses_1") for _ in range(5)))
        assert await both.sql("SELECT count(*) FROM sessions") == [(1,)]
