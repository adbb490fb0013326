"""The one thread that writes.

It takes whatever was submitted while it committed the batch before, runs it in one transaction, commits once, and hands
all answers to the event loop in one call. So the cost of the disk is shared by everybody who waits for it.

An operation that fails harms no other. Nearly all failures are refusals that come before the first write (a lost leg, a
second decision): nothing has to be undone. One that fails after it wrote spoils its batch, which is then taken back and
run again with a savepoint around each operation; those would cost a fifth of an append if they were always there.
"""

import asyncio
import sqlite3
import threading
from collections.abc import Callable
from queue import SimpleQueue
from typing import Any, NamedTuple, TypeVar, TypeVarTuple

from ripieno.domain.errors import JournalMismatch, StoreBusy
from ripieno.domain.hints import Hint
from ripieno.ports import Clock, Dispatch
from ripieno.store.sqlite.transaction import Transaction

BATCH = 500
"""How many operations share one commit, at most."""

T = TypeVar("T")
Ts = TypeVarTuple("Ts")


class _Spoiled(Exception):
    """An operation failed half done, and its batch with it."""


class _Job(NamedTuple):
    future: asyncio.Future[Any]
    work: Callable[..., Any]
    arguments: tuple[Any, ...]


class _Outcome(NamedTuple):
    future: asyncio.Future[Any]
    value: Any
    error: Exception | None


class Writer:
    """Runs operations in order of submission, many to a transaction.

    `on_loop` calls a function on the event loop from any thread (`loop.call_soon_threadsafe`).
    """

    def __init__(
        self, connection: sqlite3.Connection, clock: Clock, dispatch: Dispatch, on_loop: Callable[..., object]
    ) -> None:
        self._connection = connection
        self._clock = clock
        self._dispatch = dispatch
        self._on_loop = on_loop
        self._jobs: SimpleQueue[_Job | None] = SimpleQueue()
        self._closed = False
        self._thread = threading.Thread(target=self._work, name="ripieno-writer", daemon=True)
        self._thread.start()

    def submit(self, work: Callable[[Transaction, *Ts], T], *arguments: *Ts) -> asyncio.Future[T]:
        """Have `work` done; the future ends when it is committed, or with the error that undid it.

        Raises (through the future):
            StoreBusy: The commit failed, or the store is closed; nothing was written.
        """
        future: asyncio.Future[T] = asyncio.get_running_loop().create_future()
        if self._closed:
            future.set_exception(StoreBusy("the store is closed"))
        else:
            self._jobs.put(_Job(future, work, arguments))
        return future

    def refuse(self) -> None:
        """Take no more work. Call it on the loop, where work is submitted; `close` then waits for the rest."""
        if not self._closed:
            self._closed = True
            self._jobs.put(None)

    def close(self) -> None:
        """Finish what was submitted and end the thread. Blocks."""
        self.refuse()
        self._thread.join()

    def _work(self) -> None:
        while batch := self._take():
            outcomes, hints = self._committed(batch)
            self._on_loop(self._settle, outcomes, hints)
        self._connection.close()

    def _take(self) -> list[_Job]:
        """Wait for work; answers nothing when the end has come."""
        batch: list[_Job] = []
        job = self._jobs.get()
        while job is not None:
            batch.append(job)
            if len(batch) == BATCH or self._jobs.empty():
                return batch
            job = self._jobs.get()
        if batch:
            self._jobs.put(None)  # the end comes after this batch
        return batch

    def _committed(self, batch: list[_Job]) -> tuple[list[_Outcome], list[Hint]]:
        now = self._clock.now()
        try:
            try:
                return self._transact(batch, Transaction(self._connection, now), self._trust)
            except _Spoiled:
                self._connection.execute("ROLLBACK")
                return self._transact(batch, Transaction(self._connection, now), self._isolate)
        except sqlite3.Error as error:
            if self._connection.in_transaction:
                self._connection.execute("ROLLBACK")
            return [_Outcome(job.future, None, _refused(error)) for job in batch], []

    def _transact(
        self, batch: list[_Job], transaction: Transaction, attempt: Callable[[_Job, Transaction], _Outcome]
    ) -> tuple[list[_Outcome], list[Hint]]:
        self._connection.execute("BEGIN IMMEDIATE")
        outcomes = [attempt(job, transaction) for job in batch]
        transaction.number()
        self._connection.execute("COMMIT")
        return outcomes, transaction.hints

    def _trust(self, job: _Job, transaction: Transaction) -> _Outcome:
        """Run one operation and hope.

        Raises:
            _Spoiled: It failed after it had written.
        """
        changes = self._connection.total_changes
        try:
            return _Outcome(job.future, job.work(transaction, *job.arguments), None)
        except Exception as error:
            if self._connection.total_changes != changes or isinstance(error, sqlite3.Error):
                raise _Spoiled from error
            return _Outcome(job.future, None, error)

    def _isolate(self, job: _Job, transaction: Transaction) -> _Outcome:
        """Run one operation; what it did wrong is undone and is its own affair.

        Raises:
            sqlite3.Error: SQLite gave up the whole transaction (a full disk can do that).
        """
        execute = self._connection.execute
        hints = len(transaction.hints)
        execute("SAVEPOINT operation")
        try:
            value = job.work(transaction, *job.arguments)
        except Exception as error:  # noqa: BLE001 - whatever it is, it belongs to the one who asked
            execute("ROLLBACK TO operation")
            execute("RELEASE operation")
            del transaction.hints[hints:]
            return _Outcome(job.future, None, _typed(error))
        execute("RELEASE operation")
        return _Outcome(job.future, value, None)

    def _settle(self, outcomes: list[_Outcome], hints: list[Hint]) -> None:
        """On the loop: wake those who wait, then tell everybody else."""
        for future, value, error in outcomes:
            if future.done():  # its caller was cancelled
                continue
            if error is None:
                future.set_result(value)
            else:
                future.set_exception(error)
        if hints:
            self._dispatch.publish(hints)


def _typed(error: Exception) -> Exception:
    if isinstance(error, sqlite3.IntegrityError):
        return JournalMismatch(f"the journal holds this already: {error}")
    return _refused(error) if isinstance(error, sqlite3.Error) else error


def _refused(error: sqlite3.Error) -> StoreBusy:
    return StoreBusy(f"the database did not take the change: {error}")
