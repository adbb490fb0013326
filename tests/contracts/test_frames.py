"""Verbs that are written once, on both databases."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from ripieno.domain.errors import Defect, JournalMismatch, NotFound, RunEnded
from ripieno.domain.hints import HintKind
from ripieno.domain.runs import RunStatus
from ripieno.store.bodies import dump
from ripieno.store.dispatch_local import LocalDispatch
from ripieno.store.embedded import EmbeddedStore
from ripieno.store.portable.frame import Cancel, Frame, Frames, Record, Send, Work
from ripieno.store.postgres.opening import PostgresStore
from ripieno.testing.fake_clock import FakeClock
from tests.contracts.bed import STORES, TENANT, Bed
from tests.servers import postgres

KINDS = [pytest.param("sqlite"), pytest.param("postgres", marks=postgres.NEEDS)]


@pytest.fixture(params=KINDS)
async def bed(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Bed]:
    clock, dispatch = FakeClock(), LocalDispatch()
    async with STORES[request.param](tmp_path / "data", clock, dispatch) as store:
        yield Bed(store, clock, dispatch)


def frames(bed: Bed) -> Frames:
    assert isinstance(bed.store, EmbeddedStore | PostgresStore)
    return bed.store.frames


def keep(frame: Frame, key: str, body: object) -> Work[Record | None]:
    return (
        yield from frame.one(
            "INSERT INTO replies (scope, key, body_hash, resource_id, status, headers, body, at) "
            "VALUES ('s', :key, '', '', :status::int, :headers, '', :now) RETURNING *",
            key=key,
            status=200,
            headers=dump(body),
            now=frame.now,
        )
    )


def kept(frame: Frame, keys: list[str]) -> Work[list[Record]]:
    sql = "SELECT * FROM replies WHERE key = ANY(:keys::text[]) ORDER BY key"
    return (yield from frame.all(sql, keys=keys))


async def test_times_bodies_flags_and_lists(bed: Bed):
    await frames(bed).write(keep, "a", {"n": [1, "two", None]})
    await frames(bed).write(keep, "b", {})
    await frames(bed).write(keep, "c", {})
    first, second = await frames(bed).read(kept, ["a", "c", "nobody"])
    assert (first["key"], second["key"]) == ("a", "c")
    assert first.json("headers") == {"n": [1, "two", None]}
    assert first.time("at") == bed.clock.now()
    assert first.time_or_none("at") == bed.clock.now()


async def test_what_is_missing_is_none(bed: Bed):
    run_id = await bed.start()

    def look(frame: Frame) -> Work[Record | None]:
        return (yield from frame.one("SELECT hold, ended_at, result FROM runs WHERE id = :id FOR UPDATE", id=run_id))

    row = await frames(bed).write(look)
    assert row is not None
    assert row.flag("hold") is False
    assert row.time_or_none("ended_at") is None
    assert row.json("result") is None
    assert await frames(bed).read(kept, []) == []


async def test_all_or_nothing(bed: Bed):
    def twice(frame: Frame) -> Work[None]:
        yield from keep(frame, "a", {})
        yield from keep(frame, "a", {})

    with pytest.raises(JournalMismatch):
        await frames(bed).write(twice)
    assert await frames(bed).read(kept, ["a"]) == []


async def test_runs_are_started_told_and_cancelled_within(bed: Bed):
    waiting = await bed.parked()
    new = bed.new()

    def work(frame: Frame) -> Work[tuple[bool, bool, int]]:
        first = yield from frame.start(new)
        again = yield from frame.start(new)
        n = yield from frame.send(Send(TENANT, waiting.id, "note", {"n": 1}, "d1"))
        yield from frame.tell(TENANT, "audit", new.id, {"action": "TRY_FRAME"})
        return first, again, n

    bed.hints.clear()
    assert await frames(bed).write(work) == (True, False, 1)
    assert {hint.run_id for hint in bed.hints if hint.kind is HintKind.WORK} == {new.id, waiting.id}
    assert (await bed.row(waiting)).status is RunStatus.QUEUED

    def stop(frame: Frame) -> Work[list[str]]:
        return (yield from frame.cancel(Cancel(TENANT, new.id, "alice", "enough")))

    assert await frames(bed).write(stop) == []
    assert (await bed.row_of(new.id)).status is RunStatus.CANCELLED


async def test_a_verb_may_take_a_refusal_as_an_answer(bed: Bed):
    over = await bed.ended()

    def work(frame: Frame) -> Work[str]:
        try:
            yield from frame.send(Send(TENANT, over.id, "note", {}, "d1"))
        except RunEnded:
            return "over"
        return "sent"

    assert await frames(bed).write(work) == "over"

    def unknown(frame: Frame) -> Work[int]:
        return (yield from frame.send(Send(TENANT, "run_nobody", "note", {}, "d1")))

    with pytest.raises(NotFound):
        await frames(bed).write(unknown)


async def test_hints_go_out_after_the_commit_alone(bed: Bed):
    def work(frame: Frame) -> Work[None]:
        frame.hint("run_x", HintKind.WORK)
        yield from keep(frame, "a", {})
        yield from keep(frame, "a", {})

    bed.hints.clear()
    with pytest.raises(JournalMismatch):
        await frames(bed).write(work)
    assert bed.hints == []


async def test_reading_changes_nothing(bed: Bed):
    if isinstance(bed.store, EmbeddedStore):
        new = bed.new()

        def work(frame: Frame) -> Work[bool]:
            frame.hint(new.id, HintKind.WORK)
            return (yield from frame.start(new))

        with pytest.raises(Defect):
            await frames(bed).read(work)
