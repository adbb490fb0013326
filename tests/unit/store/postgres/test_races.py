"""What went wrong on PostgreSQL once, between processes: each must be impossible."""

import asyncio
import random
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager, suppress

import asyncpg
import pytest

from ripieno.domain.batches import ANY_RUN, Append, ClaimTerms, Park
from ripieno.domain.entries import EntryType, NewEntry
from ripieno.domain.errors import LegLost, NotHeld, RunEnded, StoreBusy
from ripieno.domain.hints import HintKind
from ripieno.domain.runs import Multitask, Run, RunStatus
from ripieno.store.postgres.connections import connect
from ripieno.store.postgres.database import Transaction
from ripieno.store.postgres.dispatch import PostgresDispatch
from ripieno.store.postgres.verbs import claim, reap
from ripieno.store.rotation import Turn, Wish
from tests.contracts.bed import TENANT, Bed, intent
from tests.servers import postgres
from tests.unit.store.postgres.conftest import Cluster, OpenCluster

pytestmark = postgres.NEEDS

PATIENCE = 20.0


async def many(bed: Bed, count: int) -> list[Run]:
    for _ in range(count):
        await bed.start()
    return [claimed.run for claimed in await bed.journal.claim("a", count)]


# -- wake-ups --------------------------------------------------------------------------------------------------------


async def test_no_wake_up_is_lost_between_processes(cluster: OpenCluster):
    async with cluster() as both:
        a, b = both.beds
        runs = await many(a, 200)

        async def leg(run: Run) -> None:
            seq = 0
            while not await a.journal.park(Park(run.id, run.epoch, RunStatus.WAITING, seq)):
                seq, letters = await a.journal.unread(run.id, run.epoch)
                if letters:
                    await a.append(run, "read", consumed=tuple(letter.n for letter in letters))
                    await a.finish(run)
                    return

        async def sender(run: Run) -> None:
            await b.send(run, "hello")

        order = [part(run) for run in runs for part in (leg, sender)]
        random.Random(1).shuffle(order)  # noqa: S311 - a dice, not a secret
        await asyncio.gather(*order)
        asleep = await both.sql(
            "SELECT id FROM runs JOIN inbox ON run_id = id WHERE state = 'unread' AND status = 'waiting'"
        )
        assert asleep == []


async def waiting_for_a_lock(both: Cluster, count: int) -> None:
    """Until so many statements wait for rows that somebody holds."""
    async with asyncio.timeout(PATIENCE):
        while len(await both.sql("SELECT 1 FROM pg_stat_activity WHERE wait_event_type = 'Lock'")) < count:
            await asyncio.sleep(0.01)


@asynccontextmanager
async def held_up(both: Cluster, run: Run, count: int) -> AsyncGenerator[None]:
    """The block's statements on a run begin, `count` of them, and wait for its lock; then they go on."""
    other = await asyncpg.connect(both.url)
    async with other.transaction():
        await other.execute("SELECT 1 FROM runs WHERE id = $1 FOR UPDATE", run.id)
        yield
        await waiting_for_a_lock(both, count)
    await other.close()


async def test_double_that_was_sent_at_the_same_time_gets_the_number_of_the_first(cluster: OpenCluster):
    """Neither statement sees what the other writes; the second must look again."""
    async with cluster() as both:
        a, b = both.beds
        run = await a.running()
        async with asyncio.TaskGroup() as group, held_up(both, run, 2):
            sends = [group.create_task(bed.send(run, "same")) for bed in (a, b)]
        assert [send.result() for send in sends] == [1, 1]
        assert (await b.row(run)).inbox_seq == 1
        assert await b.send(run, "other") == 2


async def test_end_of_a_run_drops_the_message_that_came_in_the_same_moment(cluster: OpenCluster):
    async with cluster() as both:
        a, b = both.beds
        run = await a.running()
        async with asyncio.TaskGroup() as group, held_up(both, run, 2):
            group.create_task(b.send(run, "late"))
            await waiting_for_a_lock(both, 1)  # first in the queue
            group.create_task(a.finish(run))
        assert (await b.row(run)).status is RunStatus.COMPLETED
        assert await both.sql("SELECT state FROM inbox") == [("undelivered",)]


# -- readers behind a cursor -----------------------------------------------------------------------------------------


async def test_reader_by_seq_misses_nothing_of_parallel_branches(cluster: OpenCluster):
    async with cluster() as both:
        a, b = both.beds
        (run,) = await many(a, 1)
        read: list[int] = []

        async def branch(name: str) -> None:
            for turn in range(30):
                body = {"text": "x" * (50_000 if turn % 7 == 0 else 10)}
                entry = NewEntry(f"{name}{turn}", EntryType.MODEL_REPLIED, body)
                await a.journal.append(Append(run.id, run.epoch, (entry,)))

        async def follow() -> None:
            while len(read) < 240:
                read.extend(entry.seq for entry in await b.records.entries(TENANT, run.id, read[-1] if read else 0))
                await asyncio.sleep(0)

        async with asyncio.timeout(PATIENCE):
            await asyncio.gather(follow(), *(branch(name) for name in "abcdefgh"))
        assert read == list(range(1, 241))


async def test_reader_of_the_outbox_misses_no_late_commit(cluster: OpenCluster):
    async with cluster() as both:
        slow, house = await asyncpg.connect(both.url), both.stores[0].journal.upkeep.house
        tell = "INSERT INTO outbox (tenant, type, run_id, body, at) VALUES ('t', 'x', $1, '{}', now())"
        late = slow.transaction()
        await late.start()
        await slow.execute(tell, "early in number, late in commit")
        await both.sql(tell, "second")
        assert await house.number() == 1
        ((cursor, first),) = await both.sql("SELECT pos, run_id FROM outbox WHERE pos > 0 ORDER BY pos")
        assert first == "second"
        await late.commit()
        assert await house.number() == 1
        behind = await both.sql("SELECT run_id FROM outbox WHERE pos > $1 ORDER BY pos", cursor)
        assert behind == [("early in number, late in commit",)]
        await slow.close()


async def test_two_sequencers_give_each_row_one_position(cluster: OpenCluster):
    async with cluster() as both:
        a, _ = both.beds
        houses = [store.journal.upkeep.house for store in both.stores]

        async def write() -> None:
            for _ in range(40):
                await a.start()

        async def number() -> int:
            return sum([await house.number() or 0 for _ in range(20) for house in houses])

        await asyncio.gather(write(), write(), number(), number())
        while await houses[0].number() is None:  # the other one is at it
            await asyncio.sleep(0)
        ((rows, positions, missing),) = await both.sql(
            "SELECT count(*), count(DISTINCT pos), count(*) FILTER (WHERE pos IS NULL) FROM outbox"
        )
        assert (rows, positions, missing) == (80, 80, 0)


# -- the frozen and the dead -----------------------------------------------------------------------------------------


async def test_frozen_batch_holds_up_nobody_and_not_for_long(cluster: OpenCluster):
    async with cluster() as both:
        a, b = both.beds
        frozen, free = await many(a, 2)
        held = await connect(both.url)
        await held.execute("BEGIN")
        await held.execute("SELECT 1 FROM runs WHERE id = $1 FOR UPDATE", frozen.id)
        await both.sql("UPDATE workers SET dead = true")
        upkeep = both.stores[1].journal.upkeep
        async with asyncio.timeout(PATIENCE):
            assert await upkeep.reap() == 1
            assert (await b.row(free)).status is RunStatus.QUEUED
            assert (await b.row(frozen)).status is RunStatus.RUNNING
            while not await upkeep.reap():  # until the server has closed the frozen transaction
                await asyncio.sleep(0.05)
        assert (await b.row(frozen)).status is RunStatus.QUEUED
        held.terminate()


async def test_claim_of_a_worker_that_is_just_declared_dead_is_no_orphan(cluster: OpenCluster):
    async with cluster() as both:
        a, b = both.beds
        await many(a, 1)
        waiting = await a.start()
        name = both.stores[0].lease.worker_id
        upkeep = both.stores[1].journal.upkeep
        slow = await asyncpg.connect(both.url)
        claiming = slow.transaction()
        await claiming.start()
        (taken,) = await claim.take(Transaction(slow, None), Wish(str(name), 1, ANY_RUN), [Turn(TENANT, None)])
        assert taken.id == waiting
        await both.sql("UPDATE workers SET dead = true")  # does not wait for the claim
        assert await upkeep.reap() == 1  # what is visible
        await claiming.commit()
        assert await upkeep.reap() == 1  # and the rest
        assert (await b.row_of(waiting)).status is RunStatus.QUEUED
        await b.start()  # not one that may have killed its worker: those are taken apart
        assert await claim.take(Transaction(slow, None), Wish(str(name), 1, ANY_RUN), [Turn(TENANT, None)]) == []
        await slow.close()


async def test_after_an_outage_nobody_reaps_the_healthy(cluster: OpenCluster):
    async with cluster() as both:
        a, b = both.beds
        runs = await many(a, 20)
        await b.start()
        await b.journal.claim("b", 1)
        await both.sql("UPDATE workers SET seen_at = clock_timestamp() - interval '30 s'")
        await b.journal.pump()
        assert await both.sql("SELECT id FROM workers WHERE dead") == []
        assert {(await b.row(run)).status for run in runs} == {RunStatus.RUNNING}


async def test_answer_to_a_claim_that_was_lost_gives_the_run_back(cluster: OpenCluster):
    async with cluster() as both:
        a, _ = both.beds
        await many(a, 1)
        run_id = await a.start()
        name = str(both.stores[0].lease.worker_id)
        await both.sql("UPDATE runs SET status = 'running', owner = $1, epoch = 1 WHERE id = $2", name, run_id)
        both.stores[0].journal._doubtful = True
        assert [claimed.run.epoch for claimed in await a.journal.claim("a", 5)] == [2]


# -- fences ----------------------------------------------------------------------------------------------------------


async def test_append_that_waited_for_the_fence_writes_nothing(cluster: OpenCluster):
    async with cluster() as both:
        a, b = both.beds
        (run,) = await many(a, 1)
        other = await asyncpg.connect(both.url)
        taking = other.transaction()
        await taking.start()
        await other.execute("UPDATE runs SET epoch = epoch + 1 WHERE id = $1", run.id)
        async with asyncio.TaskGroup() as group:
            append = group.create_task(refused(a, run))
            while not await both.sql("SELECT 1 FROM pg_locks WHERE NOT granted"):
                await asyncio.sleep(0.01)
            await taking.commit()
        assert append.result()
        assert await b.keys(run) == []
        await other.close()


async def refused(bed: Bed, run: Run) -> bool:
    try:
        await bed.append(run, "late", intents=(intent(run, "late"),))
    except LegLost:
        return True
    return False


async def test_connection_cut_in_the_middle_of_commits_loses_and_doubles_nothing(cluster: OpenCluster):
    async with cluster() as both:
        a, b = both.beds
        runs = await many(a, 20)
        done = asyncio.Event()

        async def work(run: Run) -> None:
            for turn in range(40):
                (entry,) = await a.append(run, f"k{turn}")
                assert entry.seq == turn + 1

        async def cut() -> None:
            while not done.is_set():
                await both.sql(
                    "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
                    " WHERE pid <> pg_backend_pid() AND query LIKE '%asked AS MATERIALIZED%'"
                )
                await asyncio.sleep(0.03)

        async with asyncio.timeout(60), asyncio.TaskGroup() as group:
            group.create_task(cut())
            await asyncio.gather(*map(work, runs))
            done.set()
        for run in runs:
            assert await b.keys(run) == [f"k{turn}" for turn in range(40)]


# -- locks -----------------------------------------------------------------------------------------------------------


async def test_nothing_deadlocks(cluster: OpenCluster):
    """Batches over whole families, their members' ends, and everything that others do to them meanwhile."""
    async with cluster() as both:
        a, b = both.beds
        before = len(postgres.shared().log())
        parents = await many(a, 5)
        for number in range(80):
            await b.start(parent_id=parents[number % 5].id, session_id=f"ses_{number % 3}")
        children = [claimed.run for claimed in await a.journal.claim("a", 100)]
        dice = random.Random(3)  # noqa: S311 - a dice, not a secret

        async def append(run: Run, turns: int) -> None:
            for turn in range(turns):
                fresh = a.new(parent_id=run.id, session_id=f"ses_{dice.randrange(3)}")
                await a.append(run, f"k{turn}", children=(fresh,) if turn % 3 == 0 else ())

        async def end(run: Run) -> None:
            await append(run, dice.randrange(1, 12))
            await a.finish(run)

        async def disturb(number: int) -> None:
            for turn in range(15):
                run = dice.choice([*parents, *children])
                with suppress(RunEnded, NotHeld):
                    await b.send(run, f"{number}/{turn}")
                    await b.journal.pause(TENANT, run.id, "alice")
                    await b.journal.resume(TENANT, run.id, "alice")

        work = [append(run, 40) for run in parents] + [end(run) for run in children]
        await asyncio.gather(*work, *(disturb(number) for number in range(4)))
        await b.journal.cancel(TENANT, parents[0].id, "bob", "")
        assert "deadlock" not in postgres.shared().log()[before:]
        assert {(await b.row(run)).status for run in children} == {RunStatus.COMPLETED}


# -- fairness and limits ---------------------------------------------------------------------------------------------


async def queue(both: Cluster, tenant: str, count: int) -> None:
    for _ in range(count):
        await both.beds[0].start(tenant=tenant)


async def test_every_tenant_is_served_within_one_rotation(cluster: OpenCluster):
    async with cluster() as both:
        a, _ = both.beds
        await queue(both, "big", 200)
        small = {f"t{number:02}" for number in range(20)}
        for tenant in small:
            await queue(both, tenant, 1)
        served = [claimed.run.tenant for _ in range(2) for claimed in await a.journal.claim("a", 32)]
        assert small <= set(served)
        assert "big" in served


async def test_two_workers_never_exceed_a_tenants_limit(cluster: OpenCluster):
    async with cluster() as both:
        a, b = both.beds
        await both.sql("INSERT INTO tenants (id, max_running) VALUES ('small', 3), ('acme', NULL)")
        await queue(both, "small", 30)
        await queue(both, TENANT, 5)
        claims = [bed.journal.claim(name, 4) for _ in range(4) for name, bed in (("a", a), ("b", b))]
        claimed = [one.run for taken in await asyncio.gather(*claims) for one in taken]
        assert len({run.id for run in claimed}) == len(claimed)
        assert sorted(run.tenant for run in claimed) == [TENANT] * 5 + ["small"] * 3
        mine = next(run for run in claimed if run.tenant == "small")
        for bed, store in zip(both.beds, both.stores, strict=True):
            if mine.id in store.journal._legs.ids():
                await bed.finish(mine)
        again = [*await a.journal.claim("a", 9), *await b.journal.claim("b", 9)]
        assert len(again) == 1


async def test_two_workers_never_exceed_an_agents_limit(cluster: OpenCluster):
    async with cluster() as both:
        for tenant in ("one", "two"):
            await queue(both, tenant, 30)
        terms = ClaimTerms(agent_running={"clerk": 5})
        claims = [bed.journal.claim("w", 3, terms) for _ in range(8) for bed in both.beds]
        claimed = [one.run for taken in await asyncio.gather(*claims) for one in taken]
        assert len({run.id for run in claimed}) == len(claimed) == 5
        assert {run.tenant for run in claimed} == {"one", "two"}


# -- sessions --------------------------------------------------------------------------------------------------------


async def test_message_that_comes_while_the_run_before_ends_is_not_left_waiting(cluster: OpenCluster):
    async with cluster() as both:
        a, b = both.beds
        for turn in range(60):
            session = f"ses_{turn}"
            (first,) = [await a.start(session_id=session, multitask=Multitask.ENQUEUE)]
            run = (await a.claim(first)).run
            new = [bed.new(session_id=session, multitask=Multitask.ENQUEUE) for bed in (a, b, a)]
            starts = [bed.journal.start(one) for bed, one in zip((a, b, a), new, strict=True)]
            doings = [*starts, a.finish(run)]
            random.Random(turn).shuffle(doings)  # noqa: S311 - a dice, not a secret
            await asyncio.gather(*doings)
            worked: list[str] = []
            while claimed := await b.journal.claim("b", 9):
                (one,) = claimed
                worked.append(one.run.id)
                await b.finish(one.run)
            assert sorted(worked) == sorted(one.id for one in new)


async def test_chain_of_a_session_holds_while_runs_leave_it_at_both_ends_and_in_the_middle(cluster: OpenCluster):
    async with cluster() as both:
        a, b = both.beds
        for turn in range(40):
            session = f"ses_{turn}"
            ids = [await a.start(session_id=session, multitask=Multitask.ENQUEUE) for _ in range(5)]
            run = (await a.claim(ids[0])).run
            new = a.new(session_id=session, multitask=Multitask.ENQUEUE)
            doings = [
                a.finish(run),
                b.journal.cancel(TENANT, ids[1], "bob", ""),
                a.journal.cancel(TENANT, ids[2], "bob", ""),
                b.journal.cancel(TENANT, ids[4], "bob", ""),
                b.journal.start(new),
            ]
            random.Random(turn).shuffle(doings)  # noqa: S311 - a dice, not a secret
            await asyncio.gather(*doings)
            for expected in (ids[3], new.id):
                (one,) = await b.journal.claim("b", 9)
                assert one.run.id == expected
                await b.finish(one.run)


async def test_hints_of_one_process_reach_the_other(cluster: OpenCluster):
    async with cluster() as both:
        a, b = both.beds
        for store in both.stores:
            assert isinstance(store.dispatch, PostgresDispatch)
            await store.dispatch.linked.wait()
        heard: asyncio.Queue[str] = asyncio.Queue()
        both.stores[1].dispatch.subscribe(
            lambda hint: heard.put_nowait(hint.run_id) if hint.kind is HintKind.WORK else None
        )
        run_id = await a.start()
        async with asyncio.timeout(PATIENCE):
            assert await heard.get() == run_id
        assert b.hints == []


async def test_reaper_takes_more_than_a_slice(cluster: OpenCluster):
    async with cluster() as both:
        a, b = both.beds
        runs = await many(a, 2 * reap.SLICE + 1)
        await both.sql("UPDATE workers SET dead = true")
        assert await both.stores[1].journal.upkeep.reap() == len(runs)
        assert {(await b.row(run)).epoch for run in runs} == {2}


async def test_claim_whose_reading_failed_gives_the_runs_back(cluster: OpenCluster):
    async with cluster() as both:
        a, b = both.beds
        run = await a.running()
        await a.append(run, "k")
        await a.journal.release(run.id, run.epoch)
        await both.sql("ALTER TABLE effects RENAME TO hidden")
        try:
            with pytest.raises(StoreBusy):
                await a.journal.claim("a", 1)
        finally:
            await both.sql("ALTER TABLE hidden RENAME TO effects")
        assert (await b.row(run)).status is RunStatus.RUNNING
        await a.journal.pump()
        assert (await b.row(run)).status is RunStatus.QUEUED
        assert [claimed.run.epoch for claimed in await a.journal.claim("a", 1)] == [run.epoch + 2]
