"""A process in which one run calls a tool that kills it, while others do honest work.

    python deadly.py WITNESS FOLDER [URL]

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
from ripieno.bootstrap import Platform, Ports
from ripieno.clock import SystemClock
from ripieno.domain.agents import AgentDefinition
from ripieno.domain.effects import EffectClass
from ripieno.domain.messages import ModelRequest, Reply
from ripieno.domain.tools import Risk
from ripieno.engine.worker import Options
from ripieno.governance.risk import RiskGate
from ripieno.store.dispatch_local import LocalDispatch
from ripieno.store.embedded import open_store
from ripieno.store.postgres.lease import LeaseTimes
from ripieno.store.postgres.opening import open_postgres
from ripieno.testing.crashtest.witness import Witness
from ripieno.testing.given_definitions import GivenDefinitions
from ripieno.testing.memory_secrets import MemorySecrets
from ripieno.testing.recording_tools import RecordingTools, Scripted
from ripieno.testing.scripted_model import ScriptedModel, calls, says, turn_of
from ripieno.tools import schemas

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
async def opened(folder: Path, url: str | None) -> AsyncGenerator[dict[str, Any]]:
    clock = SystemClock()
    if url is None:
        dispatch = LocalDispatch()
        store = await open_store(folder, clock, dispatch)
    else:
        store = await open_postgres(url, clock, TIMES)
        dispatch = store.dispatch
    yield {
        "clock": clock,
        "dispatch": dispatch,
        "journal": store.journal,
        "records": store.records,
        "replies": store.replies,
    }
    await store.close()


def assemble(given: dict[str, Any], folder: Path, witness: Witness) -> Platform:
    agents = [AgentDefinition(name=name, model=name, tools=("*",)) for name in AGENTS]
    ports = Ports(
        **given,
        secrets=MemorySecrets(given["clock"]),
        definitions=GivenDefinitions(agents),
        model=ScriptedModel(answer, record=False),
        tools=tools(witness),
        gate=RiskGate(Risk.HIGH),
        check=schemas.check,
        workspaces=folder / "workspaces",
        default_model="scripted",
    )
    return bootstrap.assemble(ports, Options(poll_seconds=0.1))


async def left(platform: Platform) -> int:
    counts = await platform.ports.records.counts()
    return counts.queued + counts.running + counts.parked


async def main(witness: Witness, folder: Path, url: str | None) -> None:
    async with opened(folder, url) as given:
        await given["journal"].recover()
        platform = assemble(given, folder, witness)
        async with bootstrap.running(platform):
            while await left(platform):
                await asyncio.sleep(0.05)


if __name__ == "__main__":
    logging.basicConfig(stream=sys.stderr)
    asyncio.run(
        main(Witness(Path(sys.argv[1]), os.getpid()), Path(sys.argv[2]), sys.argv[3] if len(sys.argv) > 3 else None)
    )
