"""A process in which one run calls a tool that kills it, while others do honest work.

    python -m tests.crash.deadly WITNESS FOLDER [URL]

On SQLite in the folder, or on PostgreSQL. It ends with 0 when no run is left, unless it dies before.
"""

import asyncio
import logging
import os
import signal
import sys
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from ripieno import bootstrap
from ripieno.bootstrap import Platform
from ripieno.clock import SystemClock
from ripieno.domain.agents import AgentDefinition
from ripieno.domain.effects import EffectClass
from ripieno.domain.messages import ModelRequest, Reply
from ripieno.engine.worker import Options
from ripieno.ports import Dispatch
from ripieno.store.dispatch_local import LocalDispatch
from ripieno.store.embedded import open_store
from ripieno.store.postgres.lease import LeaseTimes
from ripieno.store.postgres.opening import open_postgres
from ripieno.testing.crashtest.witness import Witness
from ripieno.testing.recording_tools import RecordingTools, Scripted
from ripieno.testing.scripted_model import ScriptedModel, calls, says, turn_of
from tests.crash.engines import Players, Store, ports_on

TIMES = LeaseTimes(beat=0.1, lease=1.5)
AGENTS = {
    "exits": ("bomb.exit",),
    "killed": ("desk.work", "bomb.kill"),
    "honest": ("desk.work", "desk.work"),
}
"""Agents, which are the names of their models too, and the tools that each calls, one a turn."""


def tools(witness: Witness) -> RecordingTools:
    def exits(_: dict[str, Any]) -> None:
        witness.tell("exits")
        os._exit(9)

    def kill(_: dict[str, Any]) -> None:
        witness.tell("kills")
        os.kill(os.getpid(), signal.SIGKILL)

    return RecordingTools(
        {
            "bomb.exit": Scripted(exits),
            "bomb.kill": Scripted(kill, effect=EffectClass.IDEMPOTENT),  # with an intent before each try
            "desk.work": "worked",
        }
    )


def answer(request: ModelRequest) -> Reply:
    mine = AGENTS[request.model]
    turn = turn_of(request)
    return calls((mine[turn], {})) if turn < len(mine) else says("done")


@asynccontextmanager
async def opened(folder: Path, url: str | None) -> AsyncGenerator[tuple[Store, Dispatch]]:
    if url is None:
        dispatch = LocalDispatch()
        store = await open_store(folder, SystemClock(), dispatch)
    else:
        store = await open_postgres(url, SystemClock(), TIMES)
        dispatch = store.dispatch
    yield store, dispatch
    await store.close()


def assemble(store: Store, dispatch: Dispatch, folder: Path, witness: Witness) -> Platform:
    agents = [AgentDefinition(name=name, model=name, tools=("*",)) for name in AGENTS]
    players = Players(ScriptedModel(answer, record=False), tools(witness), agents)
    return bootstrap.assemble(ports_on(store, dispatch, players, folder), Options(poll_seconds=0.1))


async def left(platform: Platform) -> int:
    counts = await platform.ports.records.counts()
    return counts.queued + counts.running + counts.parked


async def main(witness: Witness, folder: Path, url: str | None) -> None:
    async with opened(folder, url) as (store, dispatch):
        await store.journal.recover()
        platform = assemble(store, dispatch, folder, witness)
        async with bootstrap.running(platform):
            while await left(platform):
                await asyncio.sleep(0.05)


if __name__ == "__main__":
    logging.basicConfig(stream=sys.stderr)
    asyncio.run(
        main(Witness(Path(sys.argv[1]), os.getpid()), Path(sys.argv[2]), sys.argv[3] if len(sys.argv) > 3 else None)
    )
