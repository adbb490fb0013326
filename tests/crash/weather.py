"""Bad weather for a cluster: disturbances at random, from a seed that brings the same ones again.

What a seed fixes is what happens and after how many calls; when that is in each process's work is up to the machine.
"""

import asyncio
import logging
import random
import signal
import subprocess
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

from tests.crash.cluster import Scene, opened
from tests.crash.postgres_worker import TIMES
from tests.servers.cutting_proxy import Cut, CuttingProxy
from tests.servers.postgres import PostgresServer

log = logging.getLogger(__name__)

WORKERS, SLOTS, RUNS = 3, 4, 16
"""`RUNS` are started before each disturbance, so that there is always something to disturb."""

CALLS_BETWEEN = 40


@dataclass
class Weather:
    """A scene, what it stands on, and the dice."""

    scene: Scene
    server: PostgresServer
    proxy: CuttingProxy
    dice: random.Random
    done: list[str] = field(default_factory=list[str])

    def alive(self) -> subprocess.Popen[bytes]:
        return self.dice.choice([worker for worker in self.scene.workers if worker.poll() is None])

    async def join(self) -> None:
        """One more worker, with a dispatch that may lose and double what it carries."""
        noise = self.dice.choice([None, self.dice.randrange(1000)])
        await self.scene.work(SLOTS, noise=noise)

    async def kill(self) -> None:
        victim = self.alive()
        victim.kill()
        victim.wait()
        await self.join()

    async def freeze(self) -> None:
        """Longer than the lease, so that others take its runs; then it goes on as if nothing had been."""
        victim = self.alive()
        victim.send_signal(signal.SIGSTOP)
        try:
            await asyncio.sleep(TIMES.lease * self.dice.uniform(0.5, 2.0))
        finally:
            victim.send_signal(signal.SIGCONT)

    async def pull_the_plug(self) -> None:
        await asyncio.to_thread(self.server.restart, immediate=True)

    async def restart(self) -> None:
        await asyncio.to_thread(self.server.restart, immediate=False)

    async def cut(self) -> None:
        self.proxy.cut(self.dice.choice(list(Cut)))

    async def split(self) -> None:
        """Nobody reaches the database for a while, which is still there."""
        self.proxy.refusing = True
        self.proxy.cut(Cut.NOW)
        await asyncio.sleep(TIMES.lease * self.dice.uniform(0.2, 1.5))
        self.proxy.refusing = False

    async def come(self, disturbances: int) -> None:
        """Do so many things, each after a few more calls, then let it clear up and look at what is left."""
        kinds = list(KINDS)
        for _ in range(disturbances):
            calls = len(self.scene.calls())
            await self.scene.start(RUNS)
            name = self.dice.choice(kinds)
            more = self.dice.randrange(1, CALLS_BETWEEN)
            await self.until_or_over(calls + more)
            self.done.append(name)
            log.info("weather: %s after %d calls", name, calls)
            await KINDS[name](self)
        await self.scene.to_the_end()
        await self.scene.check(RUNS * disturbances)

    async def until_or_over(self, calls: int) -> None:
        """Until so many calls were made or none is left to make; meanwhile questions are answered."""
        waiting = asyncio.create_task(self.scene.to_the_end())
        reached = asyncio.create_task(self.scene.called(calls))
        await asyncio.wait({waiting, reached}, return_when=asyncio.FIRST_COMPLETED)
        for task in (waiting, reached):
            task.cancel()
        await asyncio.gather(waiting, reached, return_exceptions=True)


KINDS: dict[str, Callable[[Weather], Awaitable[None]]] = {
    "kill": Weather.kill,
    "freeze": Weather.freeze,
    "pull_the_plug": Weather.pull_the_plug,
    "restart": Weather.restart,
    "cut": Weather.cut,
    "split": Weather.split,
    "another cut": Weather.cut,
}


@asynccontextmanager
async def weather(server: PostgresServer, seed: int, folder: Path) -> AsyncGenerator[Weather]:
    """A cluster at work on a server that it may do anything to."""
    async with opened(server, f"weather{seed}", folder) as scene, CuttingProxy(server.socket) as proxy:
        scene.way = f"postgresql://postgres@127.0.0.1:{proxy.port}/weather{seed}?sslmode=disable"
        dice = random.Random(seed)  # noqa: S311 - a dice, no secret
        bad = Weather(scene, server, proxy, dice)
        for _ in range(WORKERS):
            await bad.join()
        yield bad
