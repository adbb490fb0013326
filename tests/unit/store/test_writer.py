"""The writer: one commit for many, and each failure its own."""

import asyncio
import sqlite3
import threading
from collections.abc import AsyncIterator, Generator
from contextlib import contextmanager
from pathlib import Path

import pytest

from ripieno.domain.errors import Invalid, JournalMismatch, StoreBusy
from ripieno.domain.hints import Hint, HintKind
from ripieno.store.dispatch_local import LocalDispatch
from ripieno.store.sqlite import connection
from ripieno.store.sqlite.transaction import Transaction
from ripieno.store.sqlite.writer import BATCH, Writer
from ripieno.testing.fake_clock import FakeClock


class Desk:
    """A writer over one table, with the batches and hints it brought about."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.hints: list[str] = []
        self.dispatch = LocalDispatch()
        self.dispatch.subscribe(lambda hint: self.hints.append(hint.run_id))
        self.connection = connection.for_writing(path)
        self.connection.execute("CREATE TABLE notes (id INTEGER PRIMARY KEY, text)")
        self.statements: list[str] = []
        self.connection.set_trace_callback(self.statements.append)
        loop = asyncio.get_running_loop()
        self.writer = Writer(self.connection, FakeClock(), self.dispatch, loop.call_soon_threadsafe)

    @property
    def commits(self) -> int:
        return self.statements.count("COMMIT")

    @contextmanager
    def busy(self) -> Generator[None]:
        """What is submitted meanwhile becomes one batch."""
        begun, may_end = threading.Event(), threading.Event()

        def hold(_: Transaction) -> None:
            begun.set()
            may_end.wait()

        self.writer.submit(hold)
        begun.wait()
        yield
        may_end.set()

    def notes(self) -> list[int]:
        reader = sqlite3.connect(self.path)
        found = [number for (number,) in reader.execute("SELECT id FROM notes ORDER BY id")]
        reader.close()
        return found


@pytest.fixture
async def desk(tmp_path: Path) -> AsyncIterator[Desk]:
    desk = Desk(tmp_path / "desk.db")
    yield desk
    await asyncio.to_thread(desk.writer.close)


def note(tx: Transaction, number: int) -> int:
    return note_text(tx, number, "")


def note_text(tx: Transaction, number: int, text: str) -> int:
    tx.run("INSERT INTO notes VALUES (?, ?)", (number, text))
    tx.hints.append(Hint(HintKind.WORK, f"note {number}"))
    return number


def note_and_fail(tx: Transaction, number: int) -> int:
    note(tx, number)
    raise Invalid("changed my mind")


def allow_pages(tx: Transaction, count: int) -> None:
    tx.run(f"PRAGMA max_page_count = {count}")


def refuse(_: Transaction, __: int) -> int:
    raise Invalid("no")


async def test_what_queues_up_shares_a_commit(desk: Desk):
    with desk.busy():
        asked = [desk.writer.submit(note, number) for number in range(300)]
    assert await asyncio.gather(*asked) == list(range(300))
    assert desk.notes() == list(range(300))
    assert desk.hints == [f"note {number}" for number in range(300)]
    assert desk.commits == 2


async def test_a_batch_has_an_end(desk: Desk):
    with desk.busy():
        asked = [desk.writer.submit(note, number) for number in range(2 * BATCH + 1)]
    await asyncio.gather(*asked)
    assert desk.commits == 4


async def test_refusals_before_the_first_write_cost_nobody_anything(desk: Desk):
    with desk.busy():
        asked = [desk.writer.submit(refuse if number % 2 else note, number) for number in range(10)]
    outcomes = await asyncio.gather(*asked, return_exceptions=True)
    assert [outcome for outcome in outcomes if isinstance(outcome, int)] == [0, 2, 4, 6, 8] == desk.notes()
    assert sum(isinstance(outcome, Invalid) for outcome in outcomes) == 5
    assert "SAVEPOINT operation" not in desk.statements


async def test_failures_after_the_first_write_are_undone_alone(desk: Desk):
    with desk.busy():
        asked = [desk.writer.submit(note_and_fail if number % 2 else note, number) for number in range(10)]
    outcomes = await asyncio.gather(*asked, return_exceptions=True)
    assert [outcome for outcome in outcomes if isinstance(outcome, int)] == [0, 2, 4, 6, 8] == desk.notes()
    assert desk.hints == [f"note {number}" for number in (0, 2, 4, 6, 8)]
    assert "SAVEPOINT operation" in desk.statements


async def test_broken_constraint_is_a_mismatch(desk: Desk):
    first, second, third = (desk.writer.submit(note, number) for number in (1, 1, 2))
    assert (await first, await third) == (1, 2)
    with pytest.raises(JournalMismatch):
        await second
    assert desk.hints == ["note 1", "note 2"]


async def test_full_disk_refuses_the_batch_and_the_writer_goes_on(desk: Desk):
    await desk.writer.submit(allow_pages, 8)
    outcomes = await asyncio.gather(
        *(desk.writer.submit(note_text, number, "x" * 3000) for number in range(50)), return_exceptions=True
    )
    assert any(isinstance(outcome, StoreBusy) for outcome in outcomes)
    assert desk.notes() == [outcome for outcome in outcomes if isinstance(outcome, int)]
    assert len(desk.hints) == len(desk.notes())
    await desk.writer.submit(allow_pages, 10_000)
    assert await desk.writer.submit(note_text, 99, "x" * 3000) == 99


async def test_failed_commit_refuses_everybody_in_it(desk: Desk):
    """A constraint that SQLite checks at COMMIT stands for a disk that fails there."""

    def doom(tx: Transaction, _: int) -> int:
        tx.run("CREATE TABLE parents (id INTEGER PRIMARY KEY)")
        tx.run("CREATE TABLE children (p REFERENCES parents (id) DEFERRABLE INITIALLY DEFERRED)")
        return tx.run("INSERT INTO children VALUES (1)")

    desk.connection.execute("PRAGMA foreign_keys = ON")
    with desk.busy():
        asked = [desk.writer.submit(work, number) for number, work in enumerate((note, doom, note))]
    outcomes = await asyncio.gather(*asked, return_exceptions=True)
    assert [type(outcome) for outcome in outcomes] == [StoreBusy] * 3
    assert (desk.notes(), desk.hints) == ([], [])
    assert await desk.writer.submit(note, 3) == 3


async def test_caller_that_left_is_not_missed(desk: Desk):
    left = desk.writer.submit(note, 1)
    left.cancel()
    assert await desk.writer.submit(note, 2) == 2
    assert desk.notes() == [1, 2]


async def test_closed_writer_refuses(desk: Desk):
    last = desk.writer.submit(note, 1)
    desk.writer.refuse()
    with pytest.raises(StoreBusy):
        await desk.writer.submit(note, 2)
    await asyncio.to_thread(desk.writer.close)
    assert await last == 1
    assert desk.notes() == [1]
