"""The task that appends: what it does when the database refuses, when the leg was lost unnoticed, and at the end."""

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import asynccontextmanager

import pytest

from ripieno.clock import SystemClock
from ripieno.domain.batches import Append
from ripieno.domain.entries import EntryType, NewEntry
from ripieno.domain.errors import JournalMismatch, LegLost, StoreBusy
from ripieno.domain.runs import Run, RunStatus
from ripieno.store import migrate
from ripieno.store.dispatch_local import LocalDispatch
from ripieno.store.postgres.opening import open_postgres
from ripieno.testing.fake_clock import FakeClock
from tests.contracts.bed import Bed, intent
from tests.servers import postgres
from tests.unit.store.postgres.conftest import Cluster, OpenCluster

pytestmark = postgres.NEEDS


@asynccontextmanager
async def failing(both: Cluster, sqlstate: str) -> AsyncGenerator[None]:
    """Every new entry is refused with an error of the server's."""
    await both.sql(
        f"CREATE FUNCTION fail() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN"
        f" RAISE EXCEPTION 'no' USING ERRCODE = '{sqlstate}'; END $$"
    )
    await both.sql("CREATE TRIGGER fails BEFORE INSERT ON entries FOR EACH ROW EXECUTE FUNCTION fail()")
    try:
        yield
    finally:
        await both.sql("DROP FUNCTION fail() CASCADE")


async def test_full_disk_is_told_and_leaves_nothing(cluster: OpenCluster):
    async with cluster() as both:
        a, b = both.beds
        run, other = await a.running(), await a.running()
        async with failing(both, "53100"):
            refused = await asyncio.gather(a.append(run, "k"), a.append(other, "k"), return_exceptions=True)
            assert [type(error) for error in refused] == [StoreBusy, StoreBusy]
            with pytest.raises(StoreBusy):
                await a.finish(run)
        assert await b.keys(run) == []
        assert [entry.seq for entry in await a.append(run, "k")] == [1]


async def reap(both: Cluster) -> None:
    """The other worker takes everything, and the first does not notice yet."""
    await both.sql("UPDATE workers SET dead = true")
    await both.stores[1].journal.upkeep.reap()


LATE: dict[str, Callable[[Bed, Run], Awaitable[object]]] = {
    "append": lambda bed, run: bed.append(run, "late"),
    "intent": lambda bed, run: bed.append(run, "late", intents=(intent(run, "x"),)),
    "park": lambda bed, run: bed.park(run, inbox_seq=0),
    "finish": lambda bed, run: bed.finish(run),
    "release": lambda bed, run: bed.journal.release(run.id, run.epoch),
    "unread": lambda bed, run: bed.journal.unread(run.id, run.epoch),
}


@pytest.mark.parametrize("verb", LATE)
async def test_leg_that_was_taken_unnoticed_changes_nothing(cluster: OpenCluster, verb: str):
    async with cluster() as both:
        a, b = both.beds
        run = await a.running()
        await reap(both)
        for _ in range(2):
            with pytest.raises(LegLost):
                await LATE[verb](a, run)
        row = await b.row(run)
        assert (row.status, row.epoch, row.last_seq) == (RunStatus.QUEUED, run.epoch + 1, 0)


async def test_foreign_entry_under_a_leg_is_told_loudly(cluster: OpenCluster):
    async with cluster() as both:
        a, _ = both.beds
        run = await a.running()
        await both.sql("UPDATE runs SET last_seq = 3 WHERE id = $1", run.id)
        with pytest.raises(JournalMismatch, match="did not write"):
            await a.append(run, "k")


async def test_more_than_one_statement_takes_is_committed_in_order(cluster: OpenCluster):
    async with cluster() as both:
        a, b = both.beds
        run = await a.running()

        async def append(turn: int) -> None:
            text = "x" * (300_000 if turn < 8 else 1)
            entries = tuple(NewEntry(f"{turn}/{n}", EntryType.MODEL_REPLIED, {"t": text}) for n in range(2))
            await a.journal.append(Append(run.id, run.epoch, entries))

        await asyncio.gather(*map(append, range(400)))
        assert await b.keys(run) == [f"{turn}/{n}" for turn in range(400) for n in range(2)]


async def test_nul_in_a_name_is_refused_alone(cluster: OpenCluster):
    async with cluster() as both:
        a, b = both.beds
        run, other = await a.running(), await a.running()
        outcomes = await asyncio.gather(a.append(run, "a\0b"), a.append(other, "k"), return_exceptions=True)
        assert [getattr(outcome, "code", "written") for outcome in outcomes] == ["invalid", "written"]
        assert await b.keys(run) == []


async def test_closed_store_takes_nothing_and_says_so(cluster: OpenCluster):
    async with cluster() as both:
        a, _ = both.beds
        run = await a.running()
        last = a.append(run, "last")
        entries, _ = await asyncio.gather(last, both.stores[0].close())
        assert [entry.key for entry in entries] == ["last"]
        with pytest.raises(StoreBusy, match="closed"):
            await a.append(run, "later")


async def test_cancelled_caller_harms_nobody(cluster: OpenCluster):
    async with cluster() as both:
        a, b = both.beds
        run = await a.running()
        gone = asyncio.ensure_future(a.append(run, "gone"))
        await asyncio.sleep(0)
        gone.cancel()
        assert [entry.seq for entry in await a.append(run, "next")] == [2]
        assert await b.keys(run) == ["gone", "next"]


async def test_appends_wait_for_a_server_that_is_restarted():
    """In `test_postgres_cluster` whole workers do; here the answer is watched."""
    with postgres.PostgresServer() as server:
        url = server.create("waits")
        await migrate.upgrade_database(url)
        store = await open_postgres(url, SystemClock())
        bed = Bed(store, FakeClock(), LocalDispatch())
        run = await bed.running()
        server.stop()
        with pytest.raises(StoreBusy):
            await bed.start()
        waiting = asyncio.ensure_future(bed.append(run, "k"))
        await asyncio.sleep(0)
        assert not waiting.done()
        server.start()
        async with asyncio.timeout(60):
            assert [entry.seq for entry in await waiting] == [1]
        await store.close()
