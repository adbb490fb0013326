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
from collections import Counter
from collections.abc import Callable, Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, cast

from ripieno import bootstrap
from ripieno.bootstrap import Platform
from ripieno.clock import SystemClock
from ripieno.domain import jsons
from ripieno.domain.effects import EffectClass
from ripieno.domain.hints import Hint
from ripieno.domain.messages import ModelRequest, Reply
from ripieno.engine.worker import Options
from ripieno.integrations.brokers.opening import open_dispatch
from ripieno.ports import Dispatch, History, Journal
from ripieno.store.postgres.lease import LeaseTimes
from ripieno.store.postgres.opening import PostgresStore, open_postgres
from ripieno.testing.crashtest.recorders import WitnessedTools
from ripieno.testing.crashtest.witness import Witness
from ripieno.testing.recording_tools import RecordingTools, Scripted
from ripieno.testing.scripted_model import ScriptedModel, calls, says, turn_of
from tests.crash.engines import Players, ports_on

VERBS = frozenset(
    {"claim", "append", "unread", "park", "finish", "release", "pump", "reopen", "found", "settle", "send"}
)

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
    they are lost, doubled and shuffled at random. `dies` is where it kills itself: `before append 3`, `after claim 1`.
    """

    url: str
    folder: Path
    witness: Path
    slots: int
    freeze_before: int | None = None
    broker: str | None = None
    noise: int | None = None
    dies: str = ""


class FaultyJournal:
    """Passes everything on, and once stops or kills its process, before or after a verb."""

    def __init__(self, inner: Journal | History, job: Job) -> None:
        self._inner = inner
        self._freeze = job.freeze_before
        self._dies = job.dies
        self._counts: Counter[str] = Counter()

    def __getattr__(self, name: str) -> Any:
        verb = getattr(self._inner, name)
        if name not in VERBS:
            return verb

        async def counted(*given: Any) -> Any:
            self._counts[name] += 1
            self._fall(f"before {name} {self._counts[name]}")
            done = await verb(*given)
            if not done and name != "settle":  # nothing was claimed, parked or released
                self._counts[name] -= 1
            self._fall(f"after {name} {self._counts[name]}")
            return done

        return counted

    def _fall(self, place: str) -> None:
        if place == self._dies:
            os.kill(os.getpid(), signal.SIGKILL)
        if place == f"before append {self._freeze}":
            os.kill(os.getpid(), signal.SIGSTOP)


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
    frozen = replace(ports, journal=cast("Journal", FaultyJournal(store.journal, job)))
    return bootstrap.assemble(frozen, Options(slots=job.slots, poll_seconds=0.5, drain_seconds=5.0, deaths=1_000_000))


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
