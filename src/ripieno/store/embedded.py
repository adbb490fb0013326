"""The store of one process in one folder: SQLite, a lock file, nothing to install."""

import asyncio
import logging
import sys
from collections.abc import Callable
from pathlib import Path

from ripieno.domain.errors import StoreBusy
from ripieno.ports import Clock, Dispatch
from ripieno.store import migrate
from ripieno.store.history import StoredHistory
from ripieno.store.lockfile import LockFile
from ripieno.store.portable.frame import Frames
from ripieno.store.sqlite import connection
from ripieno.store.sqlite.frames import SqliteFrames
from ripieno.store.sqlite.journal import SqliteJournal
from ripieno.store.sqlite.readers import Readers
from ripieno.store.sqlite.records import SqliteRecords
from ripieno.store.sqlite.replies import SqliteReplies
from ripieno.store.sqlite.writer import Writer

log = logging.getLogger(__name__)

FILE = "ripieno.db"

TURN = 0.001
"""For how many seconds one thread may keep the interpreter while another waits for it. With Python's 5 ms a busy event
loop lets the writer do one statement in 5 ms; with 1 ms half as many steps again were committed per second."""


class EmbeddedStore:
    """An open store. Made by `open_store`."""

    def __init__(self, lock: LockFile, writer: Writer, readers: Readers, clock: Clock) -> None:
        self.frames: Frames = SqliteFrames(writer, readers, clock)
        self.journal = SqliteJournal(writer, readers, self.frames)
        self.records = SqliteRecords(readers)
        self.replies = SqliteReplies(writer)
        self.history = StoredHistory(self.frames, self.records)
        self._lock = lock
        self._writer = writer
        self._readers = readers

    def announce(self, url: str) -> None:
        """Say in the lock file where the server listens, so that the command line finds it."""
        self._lock.announce(url)

    async def close(self) -> None:
        """Commit what is queued, close every connection, free the folder."""
        self._writer.refuse()
        await asyncio.to_thread(self._close)

    def _close(self) -> None:
        self._readers.close()
        self._writer.close()
        self._lock.release()


async def open_store(folder: Path, clock: Clock, dispatch: Dispatch) -> EmbeddedStore:
    """Open the store in a folder, making it where it is not there. What is made is for this user alone.

    Raises:
        StoreBusy: Another process has the folder (the error names it), or its file cannot be used.
    """
    loop = asyncio.get_running_loop()
    return await asyncio.to_thread(_open, folder, clock, dispatch, loop.call_soon_threadsafe)


def _open(folder: Path, clock: Clock, dispatch: Dispatch, on_loop: Callable[..., object]) -> EmbeddedStore:
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    _warn_if_open(folder)
    lock = LockFile(folder, clock.now())
    try:
        path = folder / FILE
        _make(path)
        migrate.upgrade(path)
        sys.setswitchinterval(min(TURN, sys.getswitchinterval()))
        writer = Writer(connection.for_writing(path), clock, dispatch, on_loop)
        return EmbeddedStore(lock, writer, Readers(path), clock)
    except BaseException:
        lock.release()
        raise


def _make(path: Path) -> None:
    """SQLite itself would let everybody read a new file; its side files take the mode of this one."""
    try:
        path.touch(mode=0o600)
    except OSError as error:
        raise StoreBusy(f"{path} cannot be opened: {error.strerror}") from error


def _warn_if_open(folder: Path) -> None:
    mode = folder.stat().st_mode & 0o777
    if mode & 0o077:
        log.warning("the data folder %s is open to other users of this machine (mode %03o); chmod 700 it", folder, mode)
