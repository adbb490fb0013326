"""Records: pages, filters, histories, counts."""

import asyncio

import pytest

from ripieno.domain.errors import NotFound
from ripieno.domain.filters import Counts, InterruptFilter, RunFilter
from ripieno.domain.interrupts import Decision, DecisionKind, InterruptKind, InterruptStatus
from ripieno.domain.runs import Run, RunInput, RunStatus
from ripieno.domain.sessions import Exchange
from tests.contracts.bed import TENANT, Bed


async def test_runs_come_newest_first_page_by_page(bed: Bed):
    made: list[str] = []
    for index in range(7):
        made.append(await bed.start())
        bed.clock.advance(index % 2)  # some of them in one moment
    await bed.start(tenant="other")
    seen: list[str] = []
    before = None
    while page := await bed.records.runs(TENANT, RunFilter(), 3, before):
        assert len(page) <= 3
        seen += [run.id for run in page]
        before = seen[-1]
    assert seen == made[::-1]
    assert list(await bed.records.runs(TENANT, RunFilter(), 3, "run_0")) == []


async def test_runs_are_filtered(bed: Bed):
    old = await bed.ended()
    moment = bed.clock.now()
    bed.clock.advance(1)
    other = await bed.start(target="other", session_id="ses_2")
    child = await bed.start(parent_id=other)

    async def found(which: RunFilter) -> set[str]:
        return {run.id for run in await bed.records.runs(TENANT, which, 10)}

    assert await found(RunFilter(status=RunStatus.COMPLETED)) == {old.id}
    assert await found(RunFilter(target="other")) == {other}
    assert await found(RunFilter(session_id="ses_1")) == {old.id, child}
    assert await found(RunFilter(parent_id=other)) == {child}
    assert await found(RunFilter(created_after=moment)) == {other, child}
    assert await found(RunFilter(status=RunStatus.QUEUED, target="clerk")) == {child}


async def test_entries_are_read_by_seq(bed: Bed):
    run = await bed.running()
    await bed.append(run, *"abcde")
    assert [entry.seq for entry in await bed.records.entries(TENANT, run.id, after=2, limit=2)] == [3, 4]
    assert [entry.seq for entry in await bed.records.entries(TENANT, run.id, after=4)] == [5]
    assert list(await bed.records.entries(TENANT, run.id, after=5)) == []
    assert list(await bed.records.entries(TENANT, "run_0")) == []


async def test_reader_by_seq_misses_nothing_while_others_write(bed: Bed):
    runs = [await bed.running() for _ in range(10)]
    read: dict[str, list[str]] = {run.id: [] for run in runs}

    async def write(run: Run) -> None:
        for turn in range(30):
            await bed.append(run, f"{turn}a", f"{turn}b")
        await bed.finish(run)

    async def follow(run: Run) -> None:
        after = 0
        while read[run.id][-1:] != ["end"]:
            for entry in await bed.records.entries(TENANT, run.id, after, 7):
                assert entry.seq == after + 1
                after = entry.seq
                read[run.id].append(entry.key)
            await bed.clock.sleep(0)

    await asyncio.gather(*(part(run) for run in runs for part in (write, follow)))
    expected = [f"{turn}{letter}" for turn in range(30) for letter in "ab"] + ["end"]
    assert all(keys == expected for keys in read.values())


async def test_interrupts_come_newest_first_and_filtered(bed: Bed):
    run, other = await bed.running(), await bed.running()
    asked: list[str] = []
    for key in "abc":
        asked.append(await bed.ask(run, key=key))
        bed.clock.advance(1)
    question = await bed.ask(other, kind=InterruptKind.QUESTION)
    await bed.journal.decide(TENANT, asked[0], Decision(DecisionKind.DENY, "bob"))

    async def found(which: InterruptFilter, limit: int = 10, before: str | None = None) -> list[str]:
        return [each.id for each in await bed.records.interrupts(TENANT, which, limit, before)]

    assert await found(InterruptFilter()) == [question, *asked[::-1]]
    assert await found(InterruptFilter(run_id=run.id), 2) == [asked[2], asked[1]]
    assert await found(InterruptFilter(run_id=run.id), 2, asked[1]) == [asked[0]]
    assert await found(InterruptFilter(kind=InterruptKind.QUESTION)) == [question]
    assert await found(InterruptFilter(status=InterruptStatus.DENIED)) == [asked[0]]
    assert list(await bed.records.interrupts("other", InterruptFilter(), 10)) == []


async def test_history_is_the_last_completed_roots_oldest_first(bed: Bed):
    roots: list[Run] = []
    for number in range(4):
        run = await bed.running(input=RunInput(f"goal {number}"))
        await bed.finish(run, answer=f"answer {number}")
        roots.append(run)
        bed.clock.advance(1)
    await bed.ended(parent_id=roots[0].id)
    await bed.ended(RunStatus.FAILED)
    await bed.ended(session_id="ses_2")
    await bed.ended(tenant="other")
    await bed.start()
    assert list(await bed.records.history(TENANT, "ses_1", 2)) == [
        Exchange(roots[2].id, "goal 2", "answer 2"),
        Exchange(roots[3].id, "goal 3", "answer 3"),
    ]


async def test_counts_are_over_all_tenants(bed: Bed):
    assert await bed.records.counts() == Counts()
    await bed.ended()
    await bed.parked()
    await bed.parked(RunStatus.AWAITING_APPROVAL, tenant="other")
    await bed.running()
    await bed.start()
    assert await bed.records.counts() == Counts(queued=1, running=1, parked=2)


async def test_queue_is_counted_no_further_than_asked(bed: Bed):
    for _ in range(3):
        await bed.start()
    await bed.start(tenant="other")
    await bed.running()
    await bed.start()
    await bed.start(tenant="other")
    assert [await bed.records.queued(None, most) for most in (1, 2, 9)] == [1, 2, 2]
    assert [await bed.records.queued(tenant, 9) for tenant in (TENANT, "other", "nobody")] == [1, 1, 0]


async def test_what_is_not_there_is_not_found(bed: Bed):
    for refused in (
        bed.records.run(TENANT, "run_0"),
        bed.records.interrupt(TENANT, "apr_0"),
        bed.records.session(TENANT, "ses_0"),
    ):
        with pytest.raises(NotFound):
            await refused
