"""Processes killed around a schedule's ticks, and around waits for time, a signal and messages."""

import asyncio
import json
import os
import signal
import subprocess
import sys
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import replace
from datetime import datetime, timedelta
from itertools import pairwise
from pathlib import Path

import pytest

from ripieno.clock import SystemClock
from ripieno.domain import ids, jsons, mail
from ripieno.domain.entries import Entry, EntryType
from ripieno.domain.filters import RunFilter
from ripieno.domain.principals import DEFAULT_TENANT
from ripieno.domain.runs import RunStatus
from ripieno.domain.schedules import TickOutcome
from ripieno.store import migrate
from ripieno.store.mailboxes import StoredMailboxes
from ripieno.store.schedules import StoredSchedules
from tests.crash.given import ROOT
from tests.crash.past_worker import opened
from tests.crash.postgres_worker import Job
from tests.crash.talk_worker import LETTERS, TICKS, Order
from tests.servers import postgres

pytestmark = [pytest.mark.crash, pytest.mark.timeout(400)]

PATIENCE = 180.0
KILLED = -signal.SIGKILL


@pytest.fixture(params=["sqlite", pytest.param("postgres", marks=postgres.NEEDS)])
async def job(request: pytest.FixtureRequest, tmp_path: Path) -> Job:
    return await job_on(request.param, tmp_path)


async def job_on(kind: str, folder: Path) -> Job:
    url = ""
    if kind == "postgres":
        url = postgres.shared().create(f"talk_{folder.name}")
        await migrate.upgrade_database(url)
    return Job(url, folder, folder / "witness", slots=4)


async def lives(order: Order, places: Sequence[str], log: str = "log") -> list[int]:
    """Processes that are to die at these places, one after the other, and one that is left in peace: how they ended."""
    orders = [replace(order, job=replace(order.job, dies=place)) for place in (*places, "")]
    command = [sys.executable, "-m", "tests.crash.talk_worker", json.dumps(jsons.encode(orders))]
    with (order.job.folder / log).open("wb") as told:
        mother = await asyncio.create_subprocess_exec(
            *command, stdout=subprocess.PIPE, stderr=told, cwd=ROOT, start_new_session=True
        )
        try:
            async with asyncio.timeout(PATIENCE):
                said, _ = await mother.communicate()
        finally:
            with suppress(ProcessLookupError):
                os.killpg(mother.pid, signal.SIGKILL)
    assert said, (order.job.folder / log).read_text()
    return json.loads(said)


async def check_ticks(job: Job) -> None:
    """Every second has its tick, and every tick its run, which has ended."""
    async with opened(job) as (store, _):
        lines = (await StoredSchedules(store.frames).ticks(DEFAULT_TENANT, "often", 100))[::-1]
        runs = await store.records.runs(DEFAULT_TENANT, RunFilter(), 100)
    assert len(lines) >= TICKS
    assert {line.outcome for line in lines} == {TickOutcome.STARTED}
    assert {later.at - line.at for line, later in pairwise(lines)} == {timedelta(seconds=1)}
    assert sorted(line.run_id or "" for line in lines) == sorted(run.id for run in runs)
    assert {run.status for run in runs} == {RunStatus.COMPLETED}


async def test_each_tick_has_one_run_whoever_is_killed_around_it(job: Job):
    places = ["before tick 1", "after tick 1", "after claim 1"]
    assert await lives(Order(job), places) == [*(KILLED for _ in places), 0]
    await check_ticks(job)


@postgres.NEEDS
async def test_two_schedulers_at_once_that_are_killed(tmp_path: Path):
    job = await job_on("postgres", tmp_path)
    """Whoever comes to a tick first is killed there; the other one may never come to any before all is done."""
    one, other = await asyncio.gather(
        lives(Order(job), ["after tick 1"], "log1"), lives(Order(job), ["before tick 1"], "log2")
    )
    assert {one[-1], other[-1]} == {0}
    assert KILLED in {one[0], other[0]}
    await check_ticks(job)


async def test_waits_end_once_whoever_is_killed_around_them(job: Job):
    """Asleep; about to be told; told; waiting for a message; sent and nobody woken; taken and not written down."""
    run_id = SystemClock().new_id(ids.RUN)
    places = ["after park 1", "before send 1", "after send 1", "after take 1", "after post 1", "before append 1"]
    assert await lives(Order(job, run_id), places) == [*(KILLED for _ in places), 0]
    async with opened(job) as (store, _):
        run = await store.records.run(DEFAULT_TENANT, run_id)
        entries: Sequence[Entry] = await store.records.entries(DEFAULT_TENANT, run_id)
        left = await StoredMailboxes(store.frames).unread(DEFAULT_TENANT, mail.agent_box("clerk"), 10)
    assert (run.status, list(left)) == (RunStatus.COMPLETED, [])
    began = [entry for entry in entries if entry.type is EntryType.WAIT_BEGAN]
    ended = [entry for entry in entries if entry.type is EntryType.WAIT_ENDED]
    assert [each.body["came"] for each in ended] == ["time", "signal", *["message" for _ in LETTERS]]
    assert [each.body["message"]["body"] for each in ended[2:]] == list(LETTERS)
    assert len(began) == len(ended)
    assert ended[0].at >= datetime.fromisoformat(began[0].body["until"])
