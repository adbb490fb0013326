"""Retention on both databases: whole families go, nothing else does, and a crash in the middle is made good."""

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from ripieno.domain.dead_letters import DeadLetterFilter
from ripieno.domain.errors import Invalid, NotFound
from ripieno.domain.interrupts import Decision, DecisionKind, Terms
from ripieno.domain.outbox import AuditFilter
from ripieno.domain.principals import Principal
from ripieno.domain.retention import Kept, Pruned
from ripieno.domain.runs import Run
from ripieno.store import bundles, retention, side_tables
from ripieno.store.dispatch_local import LocalDispatch
from ripieno.store.embedded import EmbeddedStore
from ripieno.store.portable.frame import Frame, Frames, Record, Work
from ripieno.store.postgres.opening import PostgresStore
from ripieno.store.retention import BELONGINGS, Retention
from ripieno.testing.fake_clock import FakeClock
from tests.contracts.bed import STORES, TENANT, Bed, intent
from tests.servers import postgres

KINDS = [pytest.param("sqlite"), pytest.param("postgres", marks=postgres.NEEDS)]
BOB = Principal("bob", TENANT)
DAY = 86400


@pytest.fixture(params=KINDS)
async def bed(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Bed]:
    clock, dispatch = FakeClock(), LocalDispatch()
    async with STORES[request.param](tmp_path / "data", clock, dispatch) as store:
        yield Bed(store, clock, dispatch)


def frames(bed: Bed) -> Frames:
    assert isinstance(bed.store, EmbeddedStore | PostgresStore)
    return bed.store.frames


def keeper(bed: Bed, folder: Path, **kept: Any) -> Retention:
    return Retention(frames(bed), bed.clock, Kept(**kept), folder / "archive")


async def count(bed: Bed, table: str) -> int:
    def counted(frame: Frame) -> Work[list[Record]]:
        return (yield from frame.all(f"SELECT count(*) AS n FROM {table}"))  # noqa: S608

    return (await frames(bed).read(counted))[0]["n"]


async def full(bed: Bed, **fields: object) -> Run:
    """An ended run with something in every table."""
    run = await bed.running(**fields)
    await bed.append(run, *(f"line {n}" for n in range(20)))
    await bed.append(run, "pay/intent/1", intents=(intent(run, "pay"),))
    asked = await bed.ask(run, terms=Terms(required=2))
    await bed.journal.decide(TENANT, asked, Decision(DecisionKind.APPROVE, "bob"))
    await bed.send(run, "d1", n=1)
    await bed.finish(run)
    return run


async def gone(bed: Bed, run: Run) -> bool:
    try:
        await bed.row(run)
    except NotFound:
        return True
    return False


async def test_old_families_go_whole_and_young_ones_stay(bed: Bed, tmp_path: Path):
    old = await full(bed)
    parent = await bed.running()
    child = await bed.running(parent_id=parent.id, root_id=parent.id)
    await bed.finish(child)
    waiting = await bed.parked()
    bed.clock.advance(10 * DAY)
    await bed.finish(parent)
    young = await full(bed)
    kept = keeper(bed, tmp_path)
    assert await kept.prune(BOB, 5, dry_run=True) == Pruned(runs=1)
    assert not await gone(bed, old)
    assert await kept.prune(BOB, 5) == Pruned(runs=1)
    assert await gone(bed, old)
    assert not [run for run in (parent, child, waiting, young) if await gone(bed, run)]
    bed.clock.advance(6 * DAY)
    assert await kept.prune(BOB, 5) == Pruned(runs=3)
    assert not await gone(bed, waiting)
    assert {table: await count(bed, table) for table in BELONGINGS} == dict.fromkeys(BELONGINGS, 0)
    assert await count(bed, "leftovers") == 0
    assert not list(tmp_path.glob("**/*.gz"))
    rows = await bed.outbox.audits(TENANT, AuditFilter(action="PRUNE_RUNS"), 10)
    assert [(row.actor, row.detail) for row in rows] == [
        ("bob", {"runs": 3, "archived": 0, "days": 5}),
        ("bob", {"runs": 1, "archived": 0, "days": 5}),
    ]


async def test_bundle_has_every_row_and_proves_itself(bed: Bed, tmp_path: Path):
    run = await full(bed)
    row = await bed.row(run)
    bed.clock.advance(DAY)
    assert await keeper(bed, tmp_path, archive=True).prune(BOB, 0.5) == Pruned(runs=1, archived=1)
    (path,) = tmp_path.glob("archive/*/*")
    assert path == tmp_path / "archive" / f"{row.created_at:%Y-%m}" / f"{run.id}.jsonl.gz"
    assert path.stat().st_mode & 0o077 == 0
    about, *lines = bundles.read(path)
    assert (about["run_id"], about["tenant"], about["last_seq"]) == (run.id, TENANT, row.last_seq)
    tables_of_lines = [line["type"] for line in lines]
    assert tables_of_lines == ["runs", *["entries"] * row.last_seq, "effects", "votes", "interrupts", "inbox"]
    whole = lines[0]["row"]
    assert (whole["id"], whole["status"], whole["hold"]) == (run.id, "completed", False)
    assert whole["created_at"] == row.created_at.isoformat()
    assert whole["input"]["goal"] == "count to ten"
    assert [line["row"]["seq"] for line in lines if line["type"] == "entries"] == list(range(1, row.last_seq + 1))


async def test_archive_alone_deletes_nothing_and_writes_once(bed: Bed, tmp_path: Path):
    runs = [await full(bed) for _ in range(3)]
    bed.clock.advance(DAY)
    kept = keeper(bed, tmp_path)
    assert await kept.archive(0.5) == Pruned(archived=3)
    assert await kept.archive(0.5) == Pruned()
    assert not [run for run in runs if await gone(bed, run)]
    path = next(tmp_path.glob("archive/*/*.gz"))
    path.write_bytes(path.read_bytes()[:-20])
    with pytest.raises(Invalid, match="damaged"):
        list(bundles.read(path))
    assert await kept.archive(0.5) == Pruned(archived=1)
    assert list(bundles.read(path))


async def test_many_families_go_page_by_page(bed: Bed, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(retention, "FAMILIES", 2)
    monkeypatch.setattr(retention, "ROWS", 3)
    monkeypatch.setattr(retention, "CLEARED_AT_ONCE", 1)
    for _ in range(5):
        await full(bed)
    bed.clock.advance(DAY)
    kept = keeper(bed, tmp_path, runs=0.5)
    first = await kept.archive(0.5)
    second = await kept.archive(0.5, first.more)
    third = await kept.archive(0.5, second.more)
    assert [page.archived for page in (first, second, third)] == [2, 2, 1]
    assert third.more is None
    await kept.turn()
    assert await count(bed, "runs") == 0
    assert await count(bed, "entries") == 0


async def test_turn_completes_what_a_crash_cut_off(bed: Bed, tmp_path: Path):
    run = await full(bed)

    def cut_off(frame: Frame) -> Work[None]:
        yield from frame.all("INSERT INTO leftovers (run_id) VALUES (:id)", id=run.id)
        yield from frame.all("DELETE FROM runs WHERE id = :id", id=run.id)

    await frames(bed).write(cut_off)
    assert await count(bed, "entries") > 0
    await keeper(bed, tmp_path).turn()
    assert await count(bed, "entries") == await count(bed, "leftovers") == 0


async def test_each_kind_goes_by_its_own_age(bed: Bed, tmp_path: Path):
    run = await full(bed)
    (letter, *_) = await bed.dead_letters.page(TENANT, DeadLetterFilter(), 10)
    await bed.dead_letters.discard(TENANT, letter.id, "bob")
    await bed.journal.pump()
    bed.clock.advance(10 * DAY)
    await keeper(bed, tmp_path).turn()
    assert await count(bed, "dead_letters") > 0
    await keeper(bed, tmp_path, outbox=5, dead_letters=5, sessions=5).turn()
    assert await count(bed, "dead_letters") == 0
    assert await bed.outbox.events(TENANT, "run.*", 0, 10) == []
    assert len(await bed.outbox.audits(TENANT, AuditFilter(action="DISCARD_DEAD_LETTER"), 10)) == 1
    assert await count(bed, "sessions") == 1
    await keeper(bed, tmp_path, runs=5, audit=5, sessions=5).turn()
    assert await gone(bed, run)
    assert await count(bed, "sessions") == 0


def test_every_table_of_a_run_is_thought_of():
    """A new table with a run's rows must be pruned with the run, or be named here with its reason."""
    outlive = {
        "outbox",  # has an age of its own
        "dead_letters",  # the same
        "leftovers",  # says what is still to be deleted
        "reservations",  # the sums of budgets are counted from them
        "schedule_ticks",  # a tick starts one run, also when that is gone
    }
    with_runs = {table.name for table in side_tables.metadata.sorted_tables if "run_id" in table.c}
    assert (with_runs - outlive) | {"votes"} == set(BELONGINGS)
    for name in ("runs", *BELONGINGS):
        for column in side_tables.metadata.tables[name].c:
            kind = str(column.type)
            assert (kind == "DATETIME") == (column.name in retention.TIMES), column
            assert (kind == "JSON") == (column.name in retention.BODIES), column
            assert (kind == "BOOLEAN") == (column.name in retention.FLAGS), column
