"""Processes killed in a rollback, after a retry, after a fork: nothing undone twice, nothing repeated, all ends."""

import asyncio
import json
import os
import signal
import subprocess
import sys
from collections import Counter
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest

from ripieno.clock import SystemClock
from ripieno.domain import ids, jsons
from ripieno.domain.effects import EffectState
from ripieno.domain.entries import Entry
from ripieno.domain.filters import RunFilter
from ripieno.domain.runs import Run, RunKind, RunStatus
from ripieno.store import migrate
from ripieno.testing.crashtest.witness import Witness
from tests.crash.given import ROOT
from tests.crash.past_worker import Order, opened
from tests.crash.postgres_worker import Job
from tests.servers import postgres

pytestmark = [pytest.mark.crash, pytest.mark.timeout(400)]

PATIENCE = 120.0
ALL = RunFilter()
STORES = ["sqlite", pytest.param("postgres", marks=postgres.NEEDS)]
IN_THE_AIR = {EffectState.INTENDED, EffectState.UNKNOWN}


@dataclass(frozen=True)
class Past:
    """A run that paid twice and then failed, and what processes made of it that were killed one after the other."""

    order: Order

    async def die(self, wish: str, *places: str) -> None:
        """Processes let it fail, ask for something, are killed at each of the places, and at last left in peace."""
        steps = [("start", ""), *((wish, place) for place in places), (wish, "")]
        orders = [replace(self.order, wish=asked, job=replace(self.order.job, dies=place)) for asked, place in steps]
        command = [sys.executable, "-m", "tests.crash.past_worker", json.dumps(jsons.encode(orders))]
        with (self.order.job.folder / "log").open("wb") as log:
            mother = await asyncio.create_subprocess_exec(
                *command, stdout=subprocess.PIPE, stderr=log, cwd=ROOT, start_new_session=True
            )
            try:
                async with asyncio.timeout(PATIENCE):
                    said, _ = await mother.communicate()
            finally:
                with suppress(ProcessLookupError):
                    os.killpg(mother.pid, signal.SIGKILL)
        assert json.loads(said) == [0, *[-signal.SIGKILL] * len(places), 0], self.log()

    def log(self) -> str:
        return (self.order.job.folder / "log").read_text()

    async def runs(self) -> dict[str, Run]:
        """All runs; each has ended, its journal has no gaps, and no effect is in the air."""
        async with opened(self.order.job) as (store, _):
            found = {run.id: run for run in await store.records.runs("default", ALL, 100)}
            for run in found.values():
                entries: Sequence[Entry] = await store.records.entries("default", run.id)
                assert [entry.seq for entry in entries] == list(range(1, run.last_seq + 1))
                effects = await store.records.effects("default", run.id)
                assert not [effect for effect in effects if effect.state in IN_THE_AIR]
        return found

    async def states(self, run_id: str) -> list[EffectState]:
        async with opened(self.order.job) as (store, _):
            return [effect.state for effect in await store.records.effects("default", run_id)]

    def called(self, run_id: str) -> Counter[Any]:
        lines = Witness(self.order.job.witness).lines()
        calls = [line for line in lines if line["what"] == "called" and line["run"] == run_id]
        return Counter((line["tool"], line["key"]) for line in calls)


@pytest.fixture(params=STORES)
async def past(request: pytest.FixtureRequest, tmp_path: Path) -> Past:
    url = ""
    if request.param == "postgres":
        url = postgres.shared().create(f"past_{tmp_path.name}")
        await migrate.upgrade_database(url)
    job = Job(url, tmp_path, tmp_path / "witness", slots=4)
    return Past(Order(job, "start", SystemClock().new_id(ids.RUN)))


async def test_killed_in_the_middle_of_a_rollback(past: Past):
    """Asked for; an inverse undone and not marked; marked and not told; the next one called, and nobody saw it end."""
    await past.die("rollback", "after found 1", "before settle 1", "after settle 1", "before append 3")
    runs = await past.runs()
    (undo,) = [run for run in runs.values() if run.kind is RunKind.ROLLBACK]
    assert undo.status is RunStatus.COMPLETED
    assert await past.states(past.order.run_id) == [EffectState.COMPENSATED] * 2
    assert past.called(undo.id) == {("shop.refund", "g1/call/0"): 1, ("shop.refund", "g1/call/1"): 1}


async def test_killed_after_a_retry(past: Past):
    """Asked for; claimed; the call made, and nobody saw it end."""
    await past.die("retry", "after reopen 1", "after claim 1", "before append 3")
    (run,) = (await past.runs()).values()
    assert (run.status, run.generation) == (RunStatus.COMPLETED, 2)
    keys = ["g1/turn/1/call/0", "g1/turn/2/call/0", "g2/turn/3/call/0"]
    assert past.called(run.id) == {("shop.pay", key): 1 for key in keys}
    assert await past.states(run.id) == [EffectState.DONE] * 3


async def test_killed_after_a_fork(past: Past):
    """Asked for; claimed; the call made, and nobody saw it end."""
    await past.die("fork", "after found 1", "after claim 1", "before append 3")
    runs = await past.runs()
    assert set(runs) == {past.order.run_id, past.order.fork_id}
    assert runs[past.order.fork_id].status is RunStatus.COMPLETED
    assert past.called(past.order.fork_id) == {("shop.pay", "g1/turn/3/call/0"): 1}
    states = await past.states(past.order.fork_id)
    assert states == [EffectState.INHERITED, EffectState.INHERITED, EffectState.DONE]
