"""Processes that let a schedule tick, or a run wait for time, a signal and messages, and may be killed on the way.

    python -m tests.crash.talk_worker ORDERS_AS_JSON

As in `past_worker`, one process after the other carries out an order, and the exit codes are printed as a list.
"""

import asyncio
import json
import logging
import os
import signal
import sys
from collections import Counter
from dataclasses import dataclass, replace
from functools import partial
from typing import Any, cast

from ripieno import bootstrap
from ripieno.bootstrap import Operating, Platform
from ripieno.domain import jsons, mail
from ripieno.domain.agents import AgentDefinition
from ripieno.domain.entries import EntryType
from ripieno.domain.filters import RunFilter
from ripieno.domain.messages import ModelRequest, Reply
from ripieno.domain.principals import DEFAULT_TENANT, Principal
from ripieno.domain.runs import TERMINAL, Run, RunStatus
from ripieno.domain.schedules import CatchUp, NewSchedule, Overlap, ScheduleChange, ScheduleSpec
from ripieno.engine.api import StartRun
from ripieno.engine.post import Outgoing
from ripieno.engine.worker import Options
from ripieno.ports import Dispatch, Journal
from ripieno.store.embedded import EmbeddedStore
from ripieno.store.portable.frame import Frames
from ripieno.store.postgres.opening import PostgresStore
from ripieno.testing.recording_tools import RecordingTools
from ripieno.testing.scripted_model import ScriptedModel, calls, says, turn_of
from tests.crash.engines import Players, ports_on
from tests.crash.past_worker import in_a_process, opened
from tests.crash.postgres_worker import FaultyJournal, Job

CLERK = AgentDefinition(name="clerk", tools=("message.*", "run.*"))
SOMEBODY = Principal("somebody")
SCHEDULE = "sch_often"
TICKS = 4
LETTERS = ("first", "second")
WAITS: tuple[tuple[str, dict[str, Any]], ...] = (
    ("run.sleep", {"seconds": 0.5}),
    ("run.wait_event", {"topic": "paid"}),
    *(("message.receive", {}) for _ in LETTERS),
)


@dataclass(frozen=True, slots=True)
class Order:
    """What the process is to do: let the run with this id wait, or without one a schedule tick."""

    job: Job
    run_id: str = ""


class FaultyFrames:
    """Kills its process before or after a transaction, by its verb: `after tick 1`."""

    def __init__(self, inner: Frames, job: Job) -> None:
        self._inner = inner
        self._dies = job.dies
        self._counts: Counter[str] = Counter()

    async def read(self, verb: Any, *given: Any, **named: Any) -> Any:
        return await self._inner.read(verb, *given, **named)

    async def write(self, verb: Any, *given: Any, **named: Any) -> Any:
        name = verb.__name__.strip("_")
        self._counts[name] += 1
        self._fall(f"before {name} {self._counts[name]}")
        done = await self._inner.write(verb, *given, **named)
        self._fall(f"after {name} {self._counts[name]}")
        return done

    def _fall(self, place: str) -> None:
        if place == self._dies:
            os.kill(os.getpid(), signal.SIGKILL)


def platform(store: EmbeddedStore | PostgresStore, dispatch: Dispatch, job: Job) -> Platform:
    """The engine, with a journal, schedules and boxes that die where they are told to."""
    players = Players(ScriptedModel(_answer, record=False), RecordingTools({}), (CLERK,))
    ports = ports_on(store, dispatch, players, job.folder / "workspaces")
    frames = cast("Frames", FaultyFrames(store.frames, job))
    journal = cast("Journal", FaultyJournal(store.journal, job))
    ports = replace(ports, journal=journal, operating=Operating.on(frames))
    return bootstrap.assemble(ports, Options(slots=job.slots, poll_seconds=0.1, deaths=1_000_000))


def _answer(request: ModelRequest) -> Reply:
    turn = turn_of(request)
    waits = turn < len(WAITS) and "Wait" in str(request.messages)
    return calls(WAITS[turn]) if waits else says("done")


async def _tick(made: Platform) -> None:
    """Let a schedule tick a few times, and then rest; several processes may want that."""
    spec = ScheduleSpec(every=1, overlap=Overlap.ALLOW, catch_up=CatchUp.ALL)
    rows = made.ports.operating.schedules
    await rows.create(NewSchedule(SCHEDULE, DEFAULT_TENANT, "often", "clerk", spec, SOMEBODY.id))
    while len(await rows.ticks(DEFAULT_TENANT, "often", 100)) < TICKS:
        await asyncio.sleep(0.02)
    await rows.change(SOMEBODY, "often", ScheduleChange(paused=True))
    while not all(run.status in TERMINAL for run in await made.ports.records.runs(DEFAULT_TENANT, RunFilter(), 100)):
        await asyncio.sleep(0.02)


async def _wait(made: Platform, run_id: str) -> None:
    """Start a run, and give it what it waits for once it is parked."""
    await made.engine.start(StartRun("Wait.", agent="clerk"), SOMEBODY, run_id)
    records = made.ports.records
    while (run := await records.run(DEFAULT_TENANT, run_id)).status not in TERMINAL:
        if run.status is RunStatus.WAITING:
            await _give(made, run)
        await asyncio.sleep(0.02)


async def _give(made: Platform, run: Run) -> None:
    """What was sent before is not sent again: whoever died since has left it to others to wake the run."""
    (wanted,) = (wait["for"] for wait in run.waits)
    if wanted == "event":
        await made.post.signal(SOMEBODY, run.id, "paid", {"eur": 3}, "payment")
    if wanted == "message":
        entries = await made.ports.records.entries(DEFAULT_TENANT, run.id)
        n = sum(entry.type == EntryType.WAIT_ENDED and entry.body["came"] == "message" for entry in entries)
        if not await made.post.boxes.unread(DEFAULT_TENANT, mail.agent_box("clerk"), 1):
            await made.post.send(DEFAULT_TENANT, Outgoing("clerk", LETTERS[n], SOMEBODY.id), f"msg_{n}")


async def main(order: Order) -> None:
    async with opened(order.job) as (store, dispatch):
        await store.journal.recover()
        made = platform(store, dispatch, order.job)
        async with bootstrap.running(made):
            await (_wait(made, order.run_id) if order.run_id else _tick(made))


if __name__ == "__main__":
    logging.basicConfig(stream=sys.stderr)
    given = [jsons.decode(Order, each) for each in json.loads(sys.argv[1])]
    sys.stdout.write(json.dumps([in_a_process(partial(main, each)) for each in given]))
