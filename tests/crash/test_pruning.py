"""A process that is killed while it prunes loses nothing: what is gone has its bundle, and the next one goes on."""

import asyncio
import signal
import sqlite3
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from ripieno.clock import SystemClock
from ripieno.store import bundles
from ripieno.store.dispatch_local import LocalDispatch
from ripieno.store.embedded import open_store
from ripieno.testing.fake_clock import FakeClock
from tests.contracts.bed import Bed

RUNS = 40
LINES = 30


async def filled(folder: Path) -> list[str]:
    """A data folder with ended runs."""
    clock, dispatch = FakeClock(), LocalDispatch()
    store = await open_store(folder, clock, dispatch)
    bed = Bed(store, clock, dispatch)
    made: list[str] = []
    for _ in range(RUNS):
        run = await bed.running()
        await bed.append(run, *(f"line {n}" for n in range(LINES)))
        await bed.finish(run)
        made.append(run.id)
    await store.close()
    return made


def rows(folder: Path, sql: str) -> list[Any]:
    connection = sqlite3.connect(folder / "ripieno.db")
    found = connection.execute(sql).fetchall()
    connection.close()
    return found


def bundle(folder: Path, run_id: str) -> int | None:
    """How many lines the journal in a run's bundle has; None where there is no bundle."""
    for path in folder.glob(f"archive/*/{run_id}.jsonl.gz"):
        return sum(line["type"] == "entries" for line in bundles.read(path))
    return None


@pytest.mark.parametrize("bundles_before", [1, 7, RUNS])
async def test_killed_pruner_loses_nothing(tmp_path: Path, bundles_before: int):
    folder = tmp_path / "data"
    made = await filled(folder)
    process = subprocess.Popen([sys.executable, "-m", "tests.crash.pruner", str(folder)])
    async with asyncio.timeout(60):
        while len(list(folder.glob("archive/*/*.gz"))) < bundles_before:
            await SystemClock().sleep(0.002)
    process.send_signal(signal.SIGKILL)
    process.wait()
    there = {str(run_id) for (run_id,) in rows(folder, "SELECT id FROM runs")}
    kept: dict[str, int] = dict(rows(folder, "SELECT run_id, count(*) FROM entries GROUP BY run_id"))
    assert {kept[run_id] for run_id in there} <= {LINES + 1}
    assert {bundle(folder, run_id) for run_id in made if run_id not in there} <= {LINES + 1}
    again = await asyncio.create_subprocess_exec(sys.executable, "-m", "tests.crash.pruner", str(folder))
    assert await again.wait() == 0
    assert {bundle(folder, run_id) for run_id in made} == {LINES + 1}
    for table in ("runs", "entries", "leftovers"):
        assert rows(folder, f"SELECT count(*) FROM {table}") == [(0,)]  # noqa: S608
