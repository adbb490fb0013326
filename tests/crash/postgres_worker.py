"""A worker on PostgreSQL that is to be killed, frozen or cut off: a process of its own, and what stands around it.

    python postgres_worker.py URL FOLDER WITNESS SLOTS [FREEZE_BEFORE]

It works until SIGTERM. Its model and tools leave a line with the outside witness. With FREEZE_BEFORE it stops itself
(SIGSTOP) just before it sends its N-th batch to the journal: at a moment when no call is on its way to a tool.
"""

import asyncio
import logging
import os
import signal
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any, cast

from ripieno import bootstrap
from ripieno.bootstrap import Operating, Platform, Ports
from ripieno.clock import SystemClock
from ripieno.domain.agents import AgentDefinition
from ripieno.domain.batches import Append
from ripieno.domain.effects import EffectClass
from ripieno.domain.entries import Entry
from ripieno.domain.messages import ModelRequest, Reply
from ripieno.domain.tools import Risk
from ripieno.engine.worker import Options
from ripieno.governance.risk import RiskGate
from ripieno.ports import Journal
from ripieno.store.postgres.lease import LeaseTimes
from ripieno.store.postgres.opening import PostgresStore, open_postgres
from ripieno.testing.crashtest.recorders import WitnessedTools
from ripieno.testing.crashtest.witness import Witness
from ripieno.testing.given_definitions import GivenDefinitions
from ripieno.testing.memory_secrets import MemorySecrets
from ripieno.testing.recording_tools import RecordingTools, Scripted
from ripieno.testing.scripted_model import ScriptedModel, calls, says, turn_of
from ripieno.tools import schemas

TIMES = LeaseTimes(beat=0.2, lease=2.0)
TURN_TOOLS = ("shop.look", "shop.put", "shop.pay") * 2
"""One call a turn, so that nothing else is under way when a worker freezes before a batch."""

SCRIPT = {
    "shop.look": Scripted("cheap", latency=0.01),
    "shop.put": Scripted("stored", effect=EffectClass.IDEMPOTENT, latency=0.01),
    "shop.pay": Scripted("paid", effect=EffectClass.IRREVERSIBLE, latency=0.01),
}


class FreezingJournal:
    """Passes everything on, and freezes its process once."""

    def __init__(self, inner: Journal, before: int | None) -> None:
        self._inner = inner
        self._before = before
        self._count = 0

    def __getattr__(self, name: str) -> Any:
        return getattr(self._inner, name)

    async def append(self, batch: Append) -> Sequence[Entry]:
        self._count += 1
        if self._count == self._before:
            os.kill(os.getpid(), signal.SIGSTOP)
        return await self._inner.append(batch)


def answer(request: ModelRequest) -> Reply:
    turn = turn_of(request)
    return calls((TURN_TOOLS[turn], {"n": turn})) if turn < len(TURN_TOOLS) else says("done")


def platform(store: PostgresStore, folder: Path, witness: Witness, slots: int, freeze: int | None = None) -> Platform:
    """The engine and a worker on a store, not yet running."""
    ports = Ports(
        clock=SystemClock(),
        dispatch=store.dispatch,
        journal=cast("Journal", FreezingJournal(store.journal, freeze)),
        records=store.records,
        replies=store.replies,
        history=store.history,
        operating=Operating.on(store.frames),
        definitions=GivenDefinitions([AgentDefinition(name="clerk", tools=("*",))]),
        secrets=MemorySecrets(SystemClock()),
        model=ScriptedModel(answer, record=False),
        tools=WitnessedTools(RecordingTools(SCRIPT), witness),
        gate=RiskGate(Risk.HIGH),
        check=schemas.check,
        workspaces=folder / "workspaces",
        default_model="scripted",
    )
    return bootstrap.assemble(ports, Options(slots=slots, poll_seconds=0.5, drain_seconds=5.0))


async def main(url: str, folder: Path, witness: Witness, slots: int, freeze: int | None) -> None:
    store = await open_postgres(url, SystemClock(), TIMES)
    stop = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, stop.set)
    async with bootstrap.running(platform(store, folder, witness, slots, freeze)):
        witness.tell("works", pid=os.getpid())
        await stop.wait()
    await store.close()


if __name__ == "__main__":
    logging.basicConfig(stream=sys.stderr)
    asyncio.run(
        main(
            sys.argv[1],
            Path(sys.argv[2]),
            Witness(Path(sys.argv[3]), os.getpid()),
            int(sys.argv[4]),
            int(sys.argv[5]) if len(sys.argv) > 5 else None,
        )
    )
