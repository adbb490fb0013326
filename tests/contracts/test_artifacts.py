"""Artifacts in memory and on both databases, with their bytes in a folder and in rows."""

import asyncio
import hashlib
from collections.abc import AsyncIterator
from dataclasses import dataclass, replace
from pathlib import Path

import pytest

from ripieno.domain.artifacts import ArtifactFilter, NewArtifact
from ripieno.domain.errors import Defect, NotFound, TooLarge
from ripieno.domain.outbox import AuditFilter
from ripieno.domain.principals import Principal
from ripieno.domain.retention import Kept
from ripieno.ports import Artifacts, Clock
from ripieno.store.artifacts import StoredArtifacts
from ripieno.store.dispatch_local import LocalDispatch
from ripieno.store.embedded import EmbeddedStore
from ripieno.store.outbox import StoredOutbox
from ripieno.store.portable.frame import Frames
from ripieno.store.postgres.opening import PostgresStore
from ripieno.store.retention import Retention
from ripieno.store.shelves import CHUNK, DatabaseShelf, FolderShelf, Shelf
from ripieno.testing.fake_clock import FakeClock
from ripieno.testing.memory_artifacts import MemoryArtifacts
from tests.contracts.bed import STORES, Bed
from tests.servers import postgres

ALICE, MALLORY = Principal("alice", "acme"), Principal("mallory", "other")
NOTES = NewArtifact("acme", "notes.txt", "text/plain", "alice")
LIMIT = 3 * CHUNK
DAY = 86400


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock()


@dataclass
class Bench:
    """Artifacts that are really kept, and what is below them."""

    artifacts: StoredArtifacts
    frames: Frames
    bed: Bed
    folder: Path
    shelf: Shelf

    async def places(self) -> list[str]:
        return list(await self.shelf.older("blb_g", "", 100))


def shelves(frames: Frames, folder: Path) -> dict[str, Shelf]:
    return {"database": DatabaseShelf(frames), "folder": FolderShelf(folder)}


WHERE = [
    ("sqlite", "folder"),
    ("sqlite", "database"),
    pytest.param(("postgres", "folder"), marks=postgres.NEEDS),
    pytest.param(("postgres", "database"), marks=postgres.NEEDS),
]


@pytest.fixture(params=WHERE, ids="-".join)
async def kept(request: pytest.FixtureRequest, tmp_path: Path, clock: FakeClock) -> AsyncIterator[Bench]:
    kind, into = request.param
    dispatch = LocalDispatch()
    async with STORES[kind](tmp_path / "data", clock, dispatch) as store:
        assert isinstance(store, EmbeddedStore | PostgresStore)
        all_shelves = shelves(store.frames, tmp_path / "bytes")
        artifacts = StoredArtifacts(store.frames, clock, all_shelves, into, LIMIT)
        yield Bench(artifacts, store.frames, Bed(store, clock, dispatch), tmp_path, all_shelves[into])


@pytest.fixture(params=["memory", "stored"])
async def artifacts(request: pytest.FixtureRequest, tmp_path: Path, clock: FakeClock) -> AsyncIterator[Artifacts]:
    if request.param == "memory":
        yield MemoryArtifacts(clock, LIMIT)
        return
    async with STORES["sqlite"](tmp_path / "data", clock, LocalDispatch()) as store:
        assert isinstance(store, EmbeddedStore)
        yield StoredArtifacts(store.frames, clock, shelves(store.frames, tmp_path / "bytes"), "folder", LIMIT)


async def in_pieces(data: bytes, size: int = 100_000) -> AsyncIterator[bytes]:
    for first in range(0, len(data), size):
        yield data[first : first + size]


async def test_what_is_kept_comes_back(artifacts: Artifacts):
    data = bytes(range(256)) * 5000
    one = await artifacts.put(NOTES, data)
    assert (one.name, one.media_type, one.size, one.created_by) == ("notes.txt", "text/plain", len(data), "alice")
    assert one.sha256 == hashlib.sha256(data).hexdigest()
    assert await artifacts.get("acme", one.id) == one
    assert await artifacts.read("acme", one.id) == data
    assert await artifacts.read("acme", one.id, CHUNK - 3, 7) == data[CHUNK - 3 : CHUNK + 4]
    assert await artifacts.read("acme", one.id, len(data) - 2, 100) == data[-2:]
    assert await artifacts.read("acme", one.id, len(data) + 5) == b""


async def test_nothing_at_all_is_a_file_too(artifacts: Artifacts):
    one = await artifacts.put(NOTES, b"")
    assert (one.size, await artifacts.read("acme", one.id)) == (0, b"")


async def test_what_is_too_large_is_not_kept(artifacts: Artifacts):
    for content in (bytes(LIMIT + 1), in_pieces(bytes(LIMIT + 1))):
        with pytest.raises(TooLarge):
            await artifacts.put(NOTES, content)
    assert list(await artifacts.page("acme", ArtifactFilter(), 10)) == []
    assert (await artifacts.put(NOTES, in_pieces(bytes(LIMIT)))).size == LIMIT


async def test_tenants_see_their_own(artifacts: Artifacts):
    one = await artifacts.put(NOTES, b"secret")
    for attempt in (artifacts.get("other", one.id), artifacts.read("other", one.id), artifacts.delete(MALLORY, one.id)):
        with pytest.raises(NotFound):
            await attempt
    assert list(await artifacts.page("other", ArtifactFilter(), 10)) == []
    assert await artifacts.read("acme", one.id) == b"secret"


async def test_pages_are_newest_first(artifacts: Artifacts, clock: FakeClock):
    made: list[str] = []
    for n in range(5):
        clock.advance(1)
        new = replace(NOTES, name=str(n), run_id="run_1" if n % 2 else None)
        made.append((await artifacts.put(new, b"same")).id)
    first = await artifacts.page("acme", ArtifactFilter(), 3)
    second = await artifacts.page("acme", ArtifactFilter(), 3, first[-1].id)
    assert [one.id for one in (*first, *second)] == made[::-1]
    assert [one.name for one in await artifacts.page("acme", ArtifactFilter("run_1"), 10)] == ["3", "1"]
    assert [one.name for one in await artifacts.page("acme", ArtifactFilter("run_1"), 10, made[3])] == ["1"]


async def test_a_second_try_keeps_it_once(artifacts: Artifacts):
    mine = replace(NOTES, id="art_1", run_id="run_1")
    await artifacts.put(mine, b"first")
    again = await artifacts.put(mine, b"second")
    assert [one.id for one in await artifacts.page("acme", ArtifactFilter(), 10)] == ["art_1"]
    assert await artifacts.read("acme", "art_1") == b"second"
    assert again.size == 6


async def test_what_was_deleted_is_gone(artifacts: Artifacts):
    one, same = await artifacts.put(NOTES, b"x"), await artifacts.put(NOTES, b"x")
    await artifacts.delete(ALICE, one.id)
    for attempt in (artifacts.get("acme", one.id), artifacts.read("acme", one.id), artifacts.delete(ALICE, one.id)):
        with pytest.raises(NotFound):
            await attempt
    assert await artifacts.read("acme", same.id) == b"x"


# -- on real stores ----------------------------------------------------------------------------------------------------


async def test_ranges_across_chunks(kept: Bench):
    data = bytes(range(251)) * (LIMIT // 251)
    one = await kept.artifacts.put(NOTES, in_pieces(data))
    assert await kept.artifacts.read("acme", one.id) == data
    for offset, length in ((0, 1), (CHUNK - 1, 2), (CHUNK, CHUNK), (5, 2 * CHUNK), (len(data) - 1, 9)):
        assert await kept.artifacts.read("acme", one.id, offset, length) == data[offset : offset + length]


async def test_the_same_content_is_kept_once_for_each_tenant(kept: Bench):
    await kept.artifacts.put(NOTES, b"same")
    await kept.artifacts.put(replace(NOTES, name="other.txt"), in_pieces(b"same"))
    assert len(await kept.places()) == 1
    await kept.artifacts.put(replace(NOTES, tenant="other"), b"same")
    assert len(await kept.places()) == 2


async def test_many_at_once_keep_one_content(kept: Bench):
    made = await asyncio.gather(*(kept.artifacts.put(NOTES, in_pieces(b"same" * 1000)) for _ in range(8)))
    assert len({one.id for one in made}) == 8
    assert len(await kept.places()) == 1
    assert {await kept.artifacts.read("acme", one.id) for one in made} == {b"same" * 1000}


async def test_bytes_go_a_day_after_their_last_name(kept: Bench, clock: FakeClock):
    one = await kept.artifacts.put(NOTES, b"going")
    await kept.artifacts.put(NOTES, b"staying")
    clock.advance(2 * DAY)
    assert await kept.artifacts.sweep() == 0
    await kept.artifacts.delete(ALICE, one.id)
    assert await kept.artifacts.sweep() == 1
    assert len(await kept.places()) == 1


async def test_what_was_just_written_again_stays(kept: Bench, clock: FakeClock):
    one = await kept.artifacts.put(NOTES, b"again")
    await kept.artifacts.delete(ALICE, one.id)
    clock.advance(2 * DAY)
    two = await kept.artifacts.put(NOTES, b"again")
    await kept.artifacts.delete(ALICE, two.id)
    assert await kept.artifacts.sweep() == 0
    three = await kept.artifacts.put(NOTES, b"again")
    clock.advance(2 * DAY)
    assert await kept.artifacts.sweep() == 0
    assert await kept.artifacts.read("acme", three.id) == b"again"


async def test_what_a_crash_left_without_a_name_goes(kept: Bench, clock: FakeClock):
    place = clock.new_id("blb")
    await kept.shelf.put(place, in_pieces(b"lost"))
    assert await kept.artifacts.sweep() == 0
    clock.advance(2 * DAY)
    assert await kept.artifacts.sweep() == 1
    assert await kept.places() == []


async def test_an_upload_that_is_cut_off_leaves_nothing(kept: Bench):
    async def cut_off() -> AsyncIterator[bytes]:
        yield b"x" * CHUNK
        raise ConnectionError

    with pytest.raises(ConnectionError):
        await kept.artifacts.put(NOTES, cut_off())
    assert await kept.places() == []
    assert not [path for path in kept.folder.glob("bytes/*/*") if path.is_file()]


async def test_an_id_is_never_taken_from_another_tenant(kept: Bench):
    await kept.artifacts.put(replace(NOTES, id="art_1"), b"mine")
    with pytest.raises(Defect):
        await kept.artifacts.put(replace(NOTES, id="art_1", tenant="other"), b"theirs")
    assert await kept.artifacts.read("acme", "art_1") == b"mine"


async def test_bytes_of_another_shelf_are_read_where_they_are(kept: Bench, clock: FakeClock):
    one = await kept.artifacts.put(NOTES, b"moved")
    both = shelves(kept.frames, kept.folder / "bytes")
    for into in both:
        moved = StoredArtifacts(kept.frames, clock, both, into)
        assert await moved.read("acme", one.id) == b"moved"
    lacking = StoredArtifacts(kept.frames, clock, {}, "folder")
    with pytest.raises(Defect):
        await lacking.read("acme", one.id)


async def test_what_people_do_is_audited(kept: Bench):
    one = await kept.artifacts.put(NOTES, b"x")
    await kept.artifacts.put(replace(NOTES, run_id="run_1"), b"x")
    await kept.artifacts.delete(ALICE, one.id)
    rows = await StoredOutbox(kept.frames).audits("acme", AuditFilter(), 10)
    assert [(row.action, row.target) for row in rows] == [("DELETE_ARTIFACT", one.id), ("CREATE_ARTIFACT", one.id)]


async def test_a_run_takes_its_artifacts_with_it(kept: Bench, clock: FakeClock):
    run = await kept.bed.ended(tenant="acme")
    await kept.artifacts.put(replace(NOTES, run_id=run.id), b"of the run")
    mine = await kept.artifacts.put(NOTES, b"uploaded")
    clock.advance(3 * DAY)
    retention = Retention(kept.frames, clock, Kept(runs=2), kept.folder / "archive", kept.artifacts)
    await retention.turn()
    assert [one.id for one in await kept.artifacts.page("acme", ArtifactFilter(), 10)] == [mine.id]
    assert len(await kept.places()) == 1


async def test_places_are_ours_alone(tmp_path: Path, clock: Clock):
    shelf = FolderShelf(tmp_path)
    for place in ("../../etc/passwd", "blb_", "", clock.new_id("run")):
        with pytest.raises(Defect):
            await shelf.read(place, 0, 1)
