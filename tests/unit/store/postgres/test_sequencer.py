"""News get their place without anybody's pump."""

import asyncio

import asyncpg

from tests.servers import postgres
from tests.unit.store.postgres.conftest import Cluster, OpenCluster

pytestmark = postgres.NEEDS

PATIENCE = 60
MISSING = "SELECT count(*) FROM outbox WHERE pos IS NULL"
TOLD = "SELECT type, pos IS NOT NULL FROM outbox ORDER BY id"


async def all_in_place(both: Cluster) -> None:
    async with asyncio.timeout(PATIENCE):
        while await both.sql(MISSING) != [(0,)]:
            await asyncio.sleep(0.01)


async def test_what_two_processes_commit_at_once_gets_its_place(cluster: OpenCluster):
    async with cluster() as both:
        await asyncio.gather(*(bed.start() for bed in both.beds * 20))
        await all_in_place(both)
        ((rows, places),) = await both.sql("SELECT count(*), count(DISTINCT pos) FROM outbox")
        assert (rows, places) == (40, 40)


async def test_a_question_and_an_end_are_news_too(cluster: OpenCluster):
    async with cluster() as both:
        bed = both.beds[0]
        run = await bed.running()
        await bed.ask(run)
        await all_in_place(both)
        await bed.finish(run)
        await all_in_place(both)
        assert await both.sql(TOLD) == [("run.created", True), ("interrupt.opened", True), ("run.ended", True)]


async def test_who_finds_another_one_numbering_comes_again(cluster: OpenCluster):
    async with cluster() as both:
        house = both.stores[0].journal.upkeep.house
        lock = "SELECT pg_advisory_lock(x'52495049454E4F'::bigint)"
        connection = await asyncpg.connect(both.url)
        await connection.execute(lock)
        await both.beds[0].start()
        assert await house.number() is None
        assert await both.sql(MISSING) == [(1,)]
        await connection.close()
        await all_in_place(both)
