"""The file that makes a data folder one process's own.

The kernel's lock on it says that somebody holds the folder, and ends with the process whatever kills it. The JSON in
it says who: `{"pid", "url", "started_at"}`.
"""

import fcntl
import json
import os
import threading
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from ripieno.domain.errors import StoreBusy

NAME = "lock"

_TRIES = 25
_PAUSE = 0.02
"""Seconds between them: whoever only looks holds the lock for less than a millisecond."""


@dataclass(frozen=True, slots=True)
class Holder:
    """The process that has a folder. `url` is set once its server listens."""

    pid: int
    url: str | None
    started_at: datetime


class LockFile:
    """A lock that is held from construction to `release`."""

    def __init__(self, folder: Path, started_at: datetime) -> None:
        """Take the lock.

        Raises:
            StoreBusy: Another process has it.
        """
        self._started_at = started_at
        self._descriptor = os.open(folder / NAME, os.O_RDWR | os.O_CREAT, 0o600)
        if not _taken(self._descriptor):
            os.close(self._descriptor)
            raise StoreBusy(f"{folder} is in use{_by(holder(folder))}") from None
        self._write(None)

    def announce(self, url: str) -> None:
        """Say in the file where the server listens."""
        self._write(url)

    def release(self) -> None:
        """Let go. The file stays: deleting it would let two processes lock two files of one name."""
        os.ftruncate(self._descriptor, 0)
        os.close(self._descriptor)

    def _write(self, url: str | None) -> None:
        content = {"pid": os.getpid(), "url": url, "started_at": self._started_at.isoformat()}
        text = json.dumps(content).encode()
        os.pwrite(self._descriptor, text, 0)
        os.ftruncate(self._descriptor, len(text))


def holder(folder: Path) -> Holder | None:
    """Read who holds the folder; None when nobody alive does."""
    try:
        descriptor = os.open(folder / NAME, os.O_RDONLY)
    except FileNotFoundError:
        return None
    try:
        return None if _locked(descriptor, fcntl.LOCK_SH) else _parsed(os.pread(descriptor, 4096, 0))
    finally:
        os.close(descriptor)


def _taken(descriptor: int) -> bool:
    """Take the lock, unless somebody has it. Those who only look share it for an instant, and are waited for."""
    for _ in range(_TRIES):
        if _locked(descriptor, fcntl.LOCK_EX):
            return True
        if not _locked(descriptor, fcntl.LOCK_SH):
            return False
        fcntl.flock(descriptor, fcntl.LOCK_UN)
        threading.Event().wait(_PAUSE)
    return False


def _locked(descriptor: int, kind: int) -> bool:
    try:
        fcntl.flock(descriptor, kind | fcntl.LOCK_NB)
    except OSError:
        return False
    return True


def _parsed(content: bytes) -> Holder | None:
    """None for the instant between taking the lock and writing the name."""
    try:
        found: dict[str, Any] = json.loads(content)
        return Holder(found["pid"], found["url"], datetime.fromisoformat(found["started_at"]))
    except ValueError:
        return None


def _by(who: Holder | None) -> str:
    if who is None:
        return ""
    where = f" at {who.url}" if who.url else ""
    return f" by process {who.pid}{where} since {who.started_at:%Y-%m-%d %H:%M:%S} UTC"
