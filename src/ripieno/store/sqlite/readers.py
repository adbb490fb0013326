"""Reads beside the writer: a few threads, each with a connection of its own.

A read sees all that was committed before it began, and never waits for the writer nor makes it wait.
"""

import asyncio
import sqlite3
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TypeVar, TypeVarTuple

from ripieno.domain.errors import StoreBusy
from ripieno.store.sqlite import connection

THREADS = 3

T = TypeVar("T")
Ts = TypeVarTuple("Ts")


class Readers:
    """Runs functions on read-only connections."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._pool = ThreadPoolExecutor(THREADS, thread_name_prefix="ripieno-reader")
        self._mine = threading.local()
        self._open: list[sqlite3.Connection] = []

    async def read(self, work: Callable[[sqlite3.Connection, *Ts], T], *arguments: *Ts) -> T:
        """Do all of `work` on one snapshot.

        Raises:
            StoreBusy: The store is closed, or cannot be read.
        """
        try:
            future = asyncio.get_running_loop().run_in_executor(self._pool, self._read, work, *arguments)
        except RuntimeError:
            raise StoreBusy("the store is closed") from None
        return await future

    def close(self) -> None:
        """Let the reads under way end, then close the connections. Blocks."""
        self._pool.shutdown(wait=True)
        for opened in self._open:
            opened.close()

    def _read(self, work: Callable[[sqlite3.Connection, *Ts], T], *arguments: *Ts) -> T:
        mine = self._connection()
        try:
            mine.execute("BEGIN")
            try:
                return work(mine, *arguments)
            finally:
                mine.execute("COMMIT")
        except sqlite3.Error as error:
            raise StoreBusy(f"the database cannot be read: {error}") from error

    def _connection(self) -> sqlite3.Connection:
        mine: sqlite3.Connection | None = getattr(self._mine, "connection", None)
        if mine is None:
            mine = self._mine.connection = connection.for_reading(self._path)
            self._open.append(mine)
        return mine
