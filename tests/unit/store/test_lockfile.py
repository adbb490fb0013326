"""A data folder belongs to one process, and to nobody once that is dead."""

import fcntl
import os
import subprocess
import sys
import threading
from collections.abc import Generator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path

import pytest

from ripieno.domain.errors import StoreBusy
from ripieno.store.dispatch_local import LocalDispatch
from ripieno.store.embedded import open_store
from ripieno.store.lockfile import NAME, Holder, LockFile, holder
from ripieno.testing.fake_clock import START, FakeClock

HOLD = """
import pathlib, sys
from datetime import UTC, datetime
from ripieno.store.lockfile import LockFile
lock = LockFile(pathlib.Path(sys.argv[1]), datetime(2026, 5, 1, 12, tzinfo=UTC))
lock.announce("http://127.0.0.1:8000")
print("held", flush=True)
sys.stdin.read()
"""


@contextmanager
def held_elsewhere(folder: Path) -> Generator[subprocess.Popen[bytes]]:
    program = [sys.executable, "-c", HOLD, str(folder)]
    with subprocess.Popen(program, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as other:
        assert other.stdout is not None
        assert other.stdout.readline() == b"held\n"
        try:
            yield other
        finally:
            other.kill()


async def test_folder_of_another_process_is_refused_and_its_holder_named(tmp_path: Path):
    with held_elsewhere(tmp_path) as other:
        assert holder(tmp_path) == Holder(other.pid, "http://127.0.0.1:8000", datetime(2026, 5, 1, 12, tzinfo=UTC))
        with pytest.raises(StoreBusy) as refused:
            await open_store(tmp_path, FakeClock(), LocalDispatch())
        assert f"by process {other.pid} at http://127.0.0.1:8000 since 2026-05-01 12:00:00 UTC" in str(refused.value)
        assert not (tmp_path / "ripieno.db").exists()


async def test_lock_ends_with_its_process_however_that_dies(tmp_path: Path):
    with held_elsewhere(tmp_path) as other:
        other.kill()
        other.wait()
        assert holder(tmp_path) is None
        store = await open_store(tmp_path, FakeClock(), LocalDispatch())
        store.announce("http://127.0.0.1:1")
        assert holder(tmp_path) == Holder(os.getpid(), "http://127.0.0.1:1", START)
        await store.close()
        assert holder(tmp_path) is None


async def test_one_process_opens_a_folder_once(tmp_path: Path):
    store = await open_store(tmp_path, FakeClock(), LocalDispatch())
    with pytest.raises(StoreBusy, match=f"by process {os.getpid()} since"):
        await open_store(tmp_path, FakeClock(), LocalDispatch())
    await store.close()


def test_shorter_url_leaves_nothing_of_a_longer_one(tmp_path: Path):
    lock = LockFile(tmp_path, START)
    for url in ("http://a.long.name.example:8000", "http://b"):
        lock.announce(url)
        found = holder(tmp_path)
        assert found is not None
        assert found.url == url
    lock.release()


def test_holder_that_has_not_written_its_name_yet_is_nobody_in_particular(tmp_path: Path):
    lock = LockFile(tmp_path, START)
    (tmp_path / NAME).write_text("")
    assert holder(tmp_path) is None
    with pytest.raises(StoreBusy, match=r"is in use$"):
        LockFile(tmp_path, START)
    lock.release()


def test_those_who_only_look_keep_nobody_from_starting(tmp_path: Path):
    LockFile(tmp_path, START).release()
    done = threading.Event()

    def look() -> None:
        while not done.is_set():
            holder(tmp_path)

    looking = threading.Thread(target=look)
    looking.start()
    try:
        for _ in range(100):
            LockFile(tmp_path, START).release()
    finally:
        done.set()
        looking.join()


def test_somebody_who_never_stops_looking_is_not_waited_for_without_end(tmp_path: Path):
    LockFile(tmp_path, START).release()
    with (tmp_path / NAME).open("rb") as file:
        fcntl.flock(file, fcntl.LOCK_SH)
        with pytest.raises(StoreBusy, match=r"is in use$"):
            LockFile(tmp_path, START)
    LockFile(tmp_path, START).release()


def test_nobody_holds_a_folder_that_does_not_exist(tmp_path: Path):
    assert holder(tmp_path / "nowhere") is None
