"""Runs that kill their worker each time: it can be started again, others go on, and the deadly ones are given up."""

import asyncio
import subprocess
import sys
from collections import Counter
from pathlib import Path

import pytest

from ripieno.clock import SystemClock
from ripieno.domain import ids
from ripieno.domain.filters import RunFilter
from ripieno.domain.runs import ExitReason, NewRun, Run, RunInput, RunKind, RunStatus
from ripieno.store import migrate
from ripieno.testing.crashtest.witness import Witness
from tests.crash import deadly
from tests.crash.given import ROOT
from tests.servers import postgres

pytestmark = [pytest.mark.crash, pytest.mark.timeout(400)]  # a dozen lives, one after the other

LIVES = 14
"""Two deadly runs of three deaths each, and a first death of each that may not count, because its leg took steps."""


async def begin(folder: Path, url: str | None) -> None:
    """Queue two deadly runs among honest ones."""
    clock = SystemClock()
    async with deadly.opened(folder, url) as (store, _):
        for agent in ["honest", "exits", "honest", "killed", *["honest"] * 5]:
            new = NewRun(clock.new_id(ids.RUN), "default", RunKind.AGENT, agent, "v1", "", RunInput("go"), "alice")
            await store.journal.start(new)


async def ended(folder: Path, url: str | None) -> list[Run]:
    async with deadly.opened(folder, url) as (store, _):
        return list(await store.records.runs("default", RunFilter(), 100))


def live(tmp_path: Path, url: str | None) -> list[int]:
    """Start the process again and again, as an operating system would, until it has nothing left to do."""
    codes: list[int] = []
    given = [tmp_path / "witness", tmp_path / "data", *([url] if url else [])]
    while 0 not in codes:
        assert len(codes) < LIVES, codes
        with (tmp_path / f"log{len(codes)}").open("wb") as log:
            process = subprocess.run(
                [sys.executable, "-m", "tests.crash.deadly", *map(str, given)],
                cwd=ROOT,
                stderr=log,
                timeout=100,
                check=False,
            )
        codes.append(process.returncode)
        assert process.returncode in {0, 9, -9}, (tmp_path / f"log{len(codes) - 1}").read_text()
    return codes


def judge(tmp_path: Path, runs: list[Run], codes: list[int]) -> None:
    by_agent = {run.target: run for run in runs}
    for agent in ("exits", "killed"):
        run = by_agent[agent]
        assert (run.status, run.exit_reason) == (RunStatus.FAILED, ExitReason.DEFECT)
        assert run.result is not None
        assert run.result.error is not None
        assert run.result.error.code == "worker_died"
    assert all(run.status is RunStatus.COMPLETED for run in runs if run.target == "honest")
    told = Counter(line["what"] for line in Witness(tmp_path / "witness").lines())
    # The first time may not count, because the leg took steps before it; then three deaths do.
    assert 3 <= told["exits"] <= 4
    assert 3 <= told["kills"] <= 4
    assert Counter(codes) == {9: told["exits"], -9: told["kills"], 0: 1}


def test_deadly_runs_do_not_make_a_server_on_sqlite_unstartable(tmp_path: Path):
    (tmp_path / "data").mkdir(mode=0o700)
    asyncio.run(begin(tmp_path / "data", None))
    codes = live(tmp_path, None)
    judge(tmp_path, asyncio.run(ended(tmp_path / "data", None)), codes)


@postgres.NEEDS
def test_deadly_runs_do_not_take_down_a_cluster_for_ever(tmp_path: Path):
    server = postgres.shared()
    server.create("deadly")
    url = server.url("deadly")
    asyncio.run(migrate.upgrade_database(url))
    asyncio.run(begin(tmp_path / "data", url))
    codes = live(tmp_path, url)
    judge(tmp_path, asyncio.run(ended(tmp_path / "data", url)), codes)
