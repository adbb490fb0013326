"""What only a store on disk does: it outlives its process, numbers its outbox, remembers deaths."""

import asyncio
import os
import sqlite3
from collections.abc import AsyncGenerator
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from ripieno.domain.errors import StoreBusy
from ripieno.domain.filters import RunFilter
from ripieno.domain.interrupts import Decision, DecisionKind
from ripieno.domain.runs import RunStatus
from ripieno.store.dispatch_local import LocalDispatch
from ripieno.store.embedded import FILE, open_store
from ripieno.testing.fake_clock import FakeClock
from tests.contracts.bed import TENANT, Bed


@asynccontextmanager
async def opened(folder: Path, clock: FakeClock) -> AsyncGenerator[Bed]:
    dispatch = LocalDispatch()
    store = await open_store(folder, clock, dispatch)
    try:
        yield Bed(store, clock, dispatch)
    finally:
        await store.close()


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock()


def rows(folder: Path, sql: str) -> list[Any]:
    connection = sqlite3.connect(folder / FILE)
    found = connection.execute(sql).fetchall()
    connection.close()
    return found


async def test_everything_outlives_the_process(tmp_path: Path, clock: FakeClock):
    async with opened(tmp_path, clock) as bed:
        run = await bed.running()
        await bed.append(run, "a", "b")
        interrupt_id = await bed.ask(run)
        await bed.send(run, "d", n=1)
        before = (await bed.row(run), await bed.records.entries(TENANT, run.id))
    async with opened(tmp_path, clock) as bed:
        assert (await bed.row(run), await bed.records.entries(TENANT, run.id)) == before
        assert await bed.journal.recover() == 1
        claimed = await bed.claim(run.id)
        assert (claimed.run.epoch, len(claimed.entries), len(claimed.inbox)) == (3, 3, 1)
        await bed.journal.decide(TENANT, interrupt_id, Decision(DecisionKind.APPROVE, "bob"))


async def test_deaths_count_only_legs_that_committed_nothing(tmp_path: Path, clock: FakeClock):
    async with opened(tmp_path, clock) as bed:
        busy, idle = await bed.running(), await bed.running()
        await bed.append(busy, "a")
    async with opened(tmp_path, clock) as bed:
        await bed.journal.recover()
    deaths = dict(rows(tmp_path, "SELECT id, deaths FROM runs"))
    assert deaths == {busy.id: 0, idle.id: 1}


async def test_outbox_is_numbered_in_order_of_commit(tmp_path: Path, clock: FakeClock):
    async with opened(tmp_path, clock) as bed:
        run = await bed.running()
        interrupt_id = await bed.ask(run)
        await bed.journal.decide(TENANT, interrupt_id, Decision(DecisionKind.DENY, "bob"))
        await bed.finish(run)
        await asyncio.gather(*(bed.start() for _ in range(50)))
    told = rows(tmp_path, "SELECT pos, type FROM outbox ORDER BY id")
    of_the_run = ["run.created", "interrupt.opened", "interrupt.decided", "audit", "run.ended"]
    assert [kind for _, kind in told[:5]] == of_the_run
    assert [pos for pos, _ in told] == list(range(1, 56))
    connection = sqlite3.connect(tmp_path / FILE)
    connection.execute("DELETE FROM outbox")
    connection.commit()
    connection.close()
    async with opened(tmp_path, clock) as bed:
        await bed.start()
    assert rows(tmp_path, "SELECT pos FROM outbox") == [(56,)]  # a cursor never sees a number twice


async def test_unread_messages_of_an_ended_run_are_kept_as_undelivered(tmp_path: Path, clock: FakeClock):
    async with opened(tmp_path, clock) as bed:
        run = await bed.running()
        await bed.send(run, "read")
        await bed.send(run, "unread", n=2)
        await bed.append(run, "a", consumed=(1,))
        await bed.finish(run)
    assert rows(tmp_path, "SELECT dedupe, state, body FROM inbox ORDER BY n") == [
        ("read", "consumed", "{}"),
        ("unread", "undelivered", '{"n":2}'),
    ]


async def test_children_left_behind_by_a_crash_are_cancelled_by_the_pump(tmp_path: Path, clock: FakeClock):
    async with opened(tmp_path, clock) as bed:
        parent = await bed.parked()
        child = await bed.parked(parent_id=parent.id)
        grandchild = await bed.start(parent_id=child.id)
    connection = sqlite3.connect(tmp_path / FILE)
    connection.execute(
        "UPDATE runs SET status = 'cancelled', ended_at = 1, cancel_at = 1, cancel_by = 'bob', cancel_reason = ''"
        " WHERE id = ?",
        (parent.id,),
    )
    connection.commit()
    connection.close()
    async with opened(tmp_path, clock) as bed:
        await bed.journal.pump()
        await bed.journal.pump()
        assert (await bed.row(child)).status is RunStatus.CANCELLED
        assert (await bed.row_of(grandchild)).status is RunStatus.CANCELLED


async def test_closing_commits_what_was_asked_before_and_refuses_the_rest(tmp_path: Path, clock: FakeClock):
    store = await open_store(tmp_path, clock, LocalDispatch())
    bed = Bed(store, clock, LocalDispatch())
    async with asyncio.TaskGroup() as group:
        asked = [group.create_task(bed.start()) for _ in range(20)]
        await clock.sleep(0)
        group.create_task(store.close())
    assert len({task.result() for task in asked}) == 20
    for refused in (bed.start(), bed.records.counts()):
        with pytest.raises(StoreBusy, match="the store is closed"):
            await refused
    async with opened(tmp_path, clock) as bed:
        assert len(await bed.records.runs(TENANT, RunFilter(), 100)) == 20


async def test_folder_is_free_again_when_its_database_cannot_be_opened(tmp_path: Path, clock: FakeClock):
    (tmp_path / FILE).write_bytes(b"nonsense" * 1000)
    opening: AbstractAsyncContextManager[Bed] = opened(tmp_path, clock)
    with pytest.raises(StoreBusy, match="not a database"):
        await opening.__aenter__()
    (tmp_path / FILE).unlink()
    async with opened(tmp_path, clock) as bed:
        await bed.start()


def modes(folder: Path) -> dict[str, int]:
    return {path.name: path.stat().st_mode & 0o777 for path in (folder, *folder.iterdir())}


async def test_a_folder_in_the_place_of_the_database_is_refused(tmp_path: Path, clock: FakeClock):
    (tmp_path / FILE).mkdir()
    with pytest.raises(StoreBusy, match="cannot be opened"):
        await open_store(tmp_path, clock, LocalDispatch())


async def test_what_is_made_is_for_this_user_alone(tmp_path: Path, clock: FakeClock, caplog: pytest.LogCaptureFixture):
    before = os.umask(0o022)
    try:
        async with opened(tmp_path / "data", clock) as bed:
            await bed.start()
            found = modes(tmp_path / "data")
    finally:
        os.umask(before)
    assert found == {"data": 0o700, "lock": 0o600, FILE: 0o600, f"{FILE}-wal": 0o600, f"{FILE}-shm": 0o600}
    assert caplog.messages == []


async def test_a_folder_that_is_open_to_others_is_used_with_a_warning(
    tmp_path: Path, clock: FakeClock, caplog: pytest.LogCaptureFixture
):
    folder = tmp_path / "data"
    folder.mkdir()
    folder.chmod(0o755)
    async with opened(folder, clock) as bed:
        await bed.start()
    assert modes(folder) == {"data": 0o755, "lock": 0o600, FILE: 0o600}
    assert caplog.messages == [
        f"the data folder {folder} is open to other users of this machine (mode 755); chmod 700 it"
    ]
