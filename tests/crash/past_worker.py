"""Processes that ask for a retry, a fork or a rollback, work until nothing is left, and may be killed on the way.

    python -m tests.crash.past_worker ORDERS_AS_JSON

Each order is carried out by a process of its own, one after the other, forked from one that has imported everything.
The exit codes are printed as a list.
"""

import asyncio
import json
import logging
import os
import sys
import traceback
from collections.abc import AsyncGenerator, Callable, Coroutine
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, replace
from functools import partial
from typing import cast

from ripieno import bootstrap
from ripieno.bootstrap import Platform
from ripieno.clock import SystemClock
from ripieno.domain import ids, jsons
from ripieno.domain.effects import EffectClass
from ripieno.domain.errors import ModelRefused, RunActive
from ripieno.domain.filters import RunFilter
from ripieno.domain.messages import ModelRequest, Reply
from ripieno.domain.runs import TERMINAL
from ripieno.domain.tools import Compensation
from ripieno.engine.api import StartRun
from ripieno.engine.past.fork import ForkWish
from ripieno.engine.past.retry import RetryWish
from ripieno.engine.past.rollback import RollbackWish
from ripieno.engine.worker import Options
from ripieno.ports import Dispatch, History, Journal
from ripieno.store.dispatch_local import LocalDispatch
from ripieno.store.embedded import EmbeddedStore, open_store
from ripieno.store.postgres.opening import PostgresStore, open_postgres
from ripieno.testing.crashtest.attendant import ATTENDANT, Attendant
from ripieno.testing.crashtest.recorders import WitnessedTools
from ripieno.testing.crashtest.witness import Witness
from ripieno.testing.recording_tools import RecordingTools, Scripted
from ripieno.testing.scripted_model import ScriptedModel, calls, says, turn_of
from tests.crash.engines import Players, ports_on
from tests.crash.postgres_worker import TIMES, FaultyJournal, Job

FORK_POINT = "g1/turn/2/call/0"
FAILS_AT, PAYS = 2, 3
SHOP = {
    "shop.pay": Scripted("paid", effect=EffectClass.IRREVERSIBLE, compensate=Compensation("shop.refund")),
    "shop.refund": Scripted("refunded", effect=EffectClass.IRREVERSIBLE),
}


@dataclass(frozen=True, slots=True)
class Order:
    """What the process is to do: `start` a run that fails, or `retry`, `fork`, `rollback` the run with this id.

    Without a `url` in its job it works on SQLite.
    """

    job: Job
    wish: str
    run_id: str

    @property
    def fork_id(self) -> str:
        """The run that asking for a fork again leads to."""
        return ids.derive(ids.RUN, self.run_id, "fork")


@asynccontextmanager
async def opened(job: Job) -> AsyncGenerator[tuple[EmbeddedStore | PostgresStore, Dispatch]]:
    """The store that all processes of a story share."""
    clock, dispatch = SystemClock(), LocalDispatch()
    if job.url:
        store = await open_postgres(job.url, clock, TIMES)
        yield store, store.dispatch
    else:
        store = await open_store(job.folder, clock, dispatch)
        yield store, dispatch
    await store.close()


def platform(store: EmbeddedStore | PostgresStore, dispatch: Dispatch, order: Order, tools: RecordingTools) -> Platform:
    """The engine, with a journal and a history that die where they are told to."""
    job = order.job
    witnessed = WitnessedTools(tools, Witness(job.witness, os.getpid()))
    players = Players(ScriptedModel(lambda request: _answer(order, request), record=False), witnessed)
    ports = ports_on(store, dispatch, players, job.folder / "workspaces")
    journal, history = FaultyJournal(store.journal, job), FaultyJournal(store.history, job)
    ports = replace(ports, journal=cast("Journal", journal), history=cast("History", history))
    return bootstrap.assemble(ports, Options(slots=job.slots, poll_seconds=0.1))


def _answer(order: Order, request: ModelRequest) -> Reply:
    turn = turn_of(request)
    if turn == FAILS_AT and order.wish == "start":
        raise ModelRefused("no credit")
    return calls(("shop.pay", {"n": turn})) if turn < PAYS else says("done")


async def _ask(made: Platform, order: Order) -> None:
    """Ask, as a client does that may not have heard the answer to the first time."""
    match order.wish:
        case "start":
            await made.engine.start(StartRun("pay", agent="clerk"), ATTENDANT, order.run_id)
        case "fork":
            await made.past.fork(ATTENDANT, order.run_id, ForkWish(FORK_POINT, {}), order.fork_id)
        case "rollback":
            await made.past.rollback(ATTENDANT, order.run_id, RollbackWish())
        case _:
            with suppress(RunActive):
                await made.past.retry(ATTENDANT, order.run_id, RetryWish())


async def main(order: Order) -> None:
    async with opened(order.job) as (store, dispatch):
        await store.journal.recover()
        tools = RecordingTools(SHOP)
        made = platform(store, dispatch, order, tools)
        person = Attendant(made, tools, Witness(order.job.witness, os.getpid()))
        async with bootstrap.running(made):
            await _ask(made, order)
            while not all(run.status in TERMINAL for run in await store.records.runs("default", RunFilter(), 100)):
                await person.attend()
                await asyncio.sleep(0.02)


def in_a_process(work: Callable[[], Coroutine[None, None, None]]) -> int:
    """Do some work; answers the exit code, or minus the signal that killed it."""
    pid = os.fork()
    if pid:
        return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
    code = 1
    try:
        asyncio.run(work())
        code = 0
    except BaseException:  # noqa: BLE001 - the edge of a process: the log is all that can be told
        traceback.print_exc()
    finally:
        sys.stderr.flush()
        os._exit(code)


if __name__ == "__main__":
    logging.basicConfig(stream=sys.stderr)
    given = [jsons.decode(Order, each) for each in json.loads(sys.argv[1])]
    sys.stdout.write(json.dumps([in_a_process(partial(main, each)) for each in given]))
