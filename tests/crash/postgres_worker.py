"""A worker on PostgreSQL that is to be killed, frozen or cut off: a process of its own, and what stands around it.

    python postgres_worker.py WORKER_AS_JSON

It works until SIGTERM. Its model and tools leave a line with the outside witness.
"""

import asyncio
import json
import logging
import os
import random
import signal
import sys
from collections.abc import Callable, Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, cast

from ripieno import bootstrap
from ripieno.bootstrap import Platform
from ripieno.clock import SystemClock
from ripieno.domain import jsons
from ripieno.domain.batches import Append
from ripieno.domain.effects import EffectClass
from ripieno.domain.entries import Entry
from ripieno.domain.hints import Hint
from ripieno.domain.messages import ModelRequest, Reply
from ripieno.engine.worker import Options
from ripieno.integrations.brokers.opening import open_dispatch
from ripieno.ports import Dispatch, Journal
from ripieno.store.postgres.lease import LeaseTimes
from ripieno.store.postgres.opening import PostgresStore, open_postgres
from ripieno.testing.crashtest.recorders import WitnessedTools
from ripieno.testing.crashtest.witness import Witness
from ripieno.testing.recording_tools import RecordingTools, Scripted
from ripieno.testing.scripted_model import ScriptedModel, calls, says, turn_of
from tests.crash.engines import Players, ports_on

TIMES = LeaseTimes(beat=0.2, lease=2.0)
TURN_TOOLS = ("shop.look", "shop.put", "shop.pay") * 2
"""One call a turn, so that nothing else is under way when a worker freezes before a batch."""

SCRIPT = {
    "shop.look": Scripted("cheap", latency=0.01),
    "shop.put": Scripted("stored", effect=EffectClass.IDEMPOTENT, latency=0.01),
    "shop.pay": Scripted("paid", effect=EffectClass.IRREVERSIBLE, latency=0.01),
}


@dataclass(frozen=True, slots=True)
class Job:
    """What one worker process is told.

    With `freeze_before` it stops itself (SIGSTOP) just before it sends its N-th batch to the journal: at a moment when
    no call is on its way to a tool. Hints go over the broker at `broker`, where one is named; with `noise`, a seed,
    they are lost, doubled and late at random.
    """

    url: str
    folder: Path
    witness: Path
    slots: int
    freeze_before: int | None = None
    broker: str | None = None
    noise: int | None = None


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


class NoisyDispatch:
    """Loses, doubles and shuffles hints."""

    def __init__(self, inner: Dispatch, seed: int) -> None:
        self._inner = inner
        self._dice = random.Random(seed)  # noqa: S311 - a dice, no secret

    def publish(self, hints: Sequence[Hint]) -> None:
        chosen = [hint for hint in hints for _ in range(self._dice.choice([0, 0, 1, 2]))]
        self._dice.shuffle(chosen)
        self._inner.publish(chosen)

    def subscribe(self, listener: Callable[[Hint], None]) -> Callable[[], None]:
        return self._inner.subscribe(listener)


def answer(request: ModelRequest) -> Reply:
    turn = turn_of(request)
    return calls((TURN_TOOLS[turn], {"n": turn})) if turn < len(TURN_TOOLS) else says("done")


def platform(store: PostgresStore, job: Job) -> Platform:
    """The engine and a worker on a store, not yet running."""
    tools = WitnessedTools(RecordingTools(SCRIPT), Witness(job.witness, os.getpid()))
    players = Players(ScriptedModel(answer, record=False), tools)
    dispatch = store.dispatch if job.noise is None else NoisyDispatch(store.dispatch, job.noise)
    ports = ports_on(store, dispatch, players, job.folder / "workspaces")
    frozen = replace(ports, journal=cast("Journal", FreezingJournal(store.journal, job.freeze_before)))
    return bootstrap.assemble(frozen, Options(slots=job.slots, poll_seconds=0.5, drain_seconds=5.0))


async def main(job: Job) -> None:
    stop = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, stop.set)
    async with AsyncExitStack() as stack:
        broker = await stack.enter_async_context(open_dispatch(job.broker, SystemClock())) if job.broker else None
        store = await open_postgres(job.url, SystemClock(), TIMES, dispatch=broker)
        stack.push_async_callback(store.close)
        async with bootstrap.running(platform(store, job)):
            Witness(job.witness).tell("works", pid=os.getpid())
            await stop.wait()


if __name__ == "__main__":
    logging.basicConfig(stream=sys.stderr)
    asyncio.run(main(jsons.decode(Job, json.loads(sys.argv[1]))))
