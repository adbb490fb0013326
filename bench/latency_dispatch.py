"""The part of `latency` that goes from process to process: who starts runs is one, who works on them another.

For each way in which hints travel: in process, LISTEN and NOTIFY, and the brokers that are installed here.
"""

import asyncio
import shutil
import time
from collections.abc import Callable, Generator, Iterator, Mapping
from contextlib import AsyncExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import asyncpg

from bench.databases import Databases
from bench.goals import AGENT, WHEN
from bench.programs import BenchFailed
from bench.report import Aim, Cell, Table
from bench.scripted import Place, extras, settings
from bench.spread import spread
from bench.workers import connected, scripted_worker
from ripieno.bootstrap import Platform, opened
from ripieno.domain.principals import Principal
from ripieno.domain.runs import RunStatus
from ripieno.engine.api import StartRun
from tests.servers import brokers

SOMEBODY = Principal("bench")
WARM_UP = 20
PATIENCE_SECONDS = 30.0
GAP_SECONDS = 0.02
"""Between two runs, so that each finds everybody at rest."""

PROGRAMS: Mapping[str, tuple[str, Callable[[Path], brokers.BrokerServer]]] = {
    "Redis": ("redis-server", brokers.redis),
    "NATS": ("nats-server", brokers.nats),
    "RabbitMQ": ("rabbitmq-server", brokers.rabbitmq),
}


@dataclass(slots=True)
class Delays:
    """In milliseconds: from asking for a run to its model's being asked; from an entry's time to its reader."""

    start: list[float] = field(default_factory=list[float])
    seen: list[float] = field(default_factory=list[float])
    numbered: list[float] = field(default_factory=list[float])


def measure(folder: Path, runs: int) -> dict[str, Delays | None]:
    """The delays by the way of the hints; None where the broker is not installed.

    Raises:
        BenchFailed: A run did not complete, or PostgreSQL or a broker cannot be started.
    """
    found: dict[str, Delays | None] = {}
    found["in process, SQLite"] = asyncio.run(_alone(Place(folder / "sqlite"), runs))
    with Databases.running() as databases:
        with databases.fresh(tables=True) as url:
            found["in process, PostgreSQL"] = asyncio.run(_alone(Place(folder / "alone", url), runs))
        with databases.fresh(tables=True) as url:
            found["LISTEN/NOTIFY"] = asyncio.run(_apart(Place(folder / "notify", url), runs))
        for name, (program, make) in PROGRAMS.items():
            found[name] = None
            if shutil.which(program):
                with _broker(make, folder / program) as dispatch, databases.fresh(tables=True) as url:
                    found[name] = asyncio.run(_apart(Place(folder / name, url, dispatch), runs))
    return found


@contextmanager
def _broker(make: Callable[[Path], brokers.BrokerServer], folder: Path) -> Generator[str]:
    """A private broker's URL."""
    folder.mkdir(parents=True)
    server = make(folder)
    servers = [brokers.epmd(server), server] if make is brokers.rabbitmq else [server]
    try:
        for one in servers:
            one.start()
        yield server.url
    except RuntimeError as error:
        raise BenchFailed(str(error)) from None
    finally:
        for one in reversed(servers):
            one.kill()


async def _alone(place: Place, runs: int) -> Delays:
    """One process does everything."""
    async with opened(settings(place), extras()) as platform:
        return await _ask(platform, place, runs)


async def _apart(place: Place, runs: int) -> Delays:
    """This process starts runs and follows them, another one works."""
    async with AsyncExitStack() as stack:
        worker = await stack.enter_async_context(
            scripted_worker(Place(place.folder, place.database, place.dispatch, role="worker"))
        )
        giving = Place(place.folder, place.database, place.dispatch, role="api")
        platform = await stack.enter_async_context(opened(settings(giving), extras(work=False)))
        await worker.begin()
        delays = await _ask(platform, place, runs)
        await worker.stop()
        return delays


async def _ask(platform: Platform, place: Place, runs: int) -> Delays:
    delays = Delays()
    for _ in range(WARM_UP):
        await _one(platform, Delays())
    for _ in range(runs):
        await _one(platform, delays)
        await asyncio.sleep(GAP_SECONDS)
    if place.database:
        async with connected(place.database) as looking:
            for _ in range(runs):
                delays.numbered.append(await _numbered_ms(platform, looking))
    return delays


async def _one(platform: Platform, delays: Delays) -> None:
    """Ask for a run, and follow it to its end."""
    began = time.monotonic_ns()
    started = await platform.engine.start(StartRun(WHEN, agent=AGENT), SOMEBODY)
    async for entry in platform.engine.watch(SOMEBODY.tenant, started.id):
        delays.seen.append((time.time() - entry.at.timestamp()) * 1000)
    ended = await platform.engine.wait(SOMEBODY.tenant, started.id, PATIENCE_SECONDS)
    if ended.result is None or ended.status is not RunStatus.COMPLETED:
        raise BenchFailed(f"a run is {ended.status}")
    delays.start.append((int(ended.result.answer) - began) / 1e6)


async def _numbered_ms(platform: Platform, looking: "asyncpg.Connection[asyncpg.Record]") -> float:
    """Milliseconds from the commit of a run's start until its news has its place in the order of all news."""
    started = await platform.engine.start(StartRun(WHEN, agent=AGENT), SOMEBODY)
    began = time.perf_counter()
    numbered = began

    async def has_place() -> bool:
        nonlocal numbered
        numbered = time.perf_counter()
        return await looking.fetchval("SELECT bool_and(pos IS NOT NULL) FROM outbox WHERE run_id = $1", started.id)

    async with asyncio.timeout(PATIENCE_SECONDS):
        while not await has_place():  # noqa: ASYNC110 - a database tells nobody
            await asyncio.sleep(0.001)
    await platform.engine.wait(SOMEBODY.tenant, started.id, PATIENCE_SECONDS)
    return (numbered - began) * 1000


def tables(found: Mapping[str, Delays | None]) -> Iterator[Table]:
    """What was measured, each in a table."""
    yield _table("start to model call", found, lambda delays: delays.start)
    yield _table("entry to reader", found, lambda delays: delays.seen)
    yield _table("news to its place", found, lambda delays: delays.numbered)


def aims(found: Mapping[str, Delays | None]) -> Iterator[Aim]:
    """The aims of each way."""
    for way, delays in found.items():
        if delays is not None:
            yield Aim(f"start to model call, p95, {way}", spread(delays.start).p95, 10, "ms", at_most=True)
            yield Aim(f"entry to reader, p95, {way}", spread(delays.seen).p95, 20, "ms", at_most=True)


def _table(what: str, found: Mapping[str, Delays | None], values: Callable[[Delays], list[float]]) -> Table:
    rows: list[list[Cell]] = []
    for way, delays in found.items():
        measured = values(delays) if delays else []
        if measured:
            one = spread(measured)
            rows.append([way, one.p50, one.p95, one.p99, str(len(measured))])
        elif delays is None:
            rows.append([way, None, None, None, "not installed"])
    return Table((what, "p50 ms", "p95 ms", "p99 ms", "measured"), rows)
