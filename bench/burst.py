"""`burst`: many queued runs of several tenants, worked off by one worker and by two, turn by turn.

Once with a model that takes no time, where the machine's cores are the limit, and once with a model that takes a tenth
of a second, where a worker's slots are, as in life.
"""

import asyncio
import statistics
from collections.abc import Mapping, Sequence
from contextlib import AsyncExitStack
from dataclasses import asdict, dataclass
from pathlib import Path

from bench.databases import Databases
from bench.fairness import jain, while_all_waited
from bench.goals import AGENT, entries, look_up
from bench.programs import BenchFailed, closed_loop
from bench.report import Aim, Cell, Report, Table
from bench.scripted import Place, extras, settings
from bench.sizes import Size
from bench.workers import connected, scripted_worker, until
from ripieno.bootstrap import opened
from ripieno.domain.principals import Principal
from ripieno.engine.api import StartRun

STEPS = 5
AT_ONCE = 50
TENANTS: Mapping[str, float] = {"giant": 0.7, "large": 0.2, "small": 0.08, "tiny": 0.02}
"""The part of all runs that each tenant has. The giant's come first."""

PATIENCE_SECONDS = 900.0

LEFT = "SELECT count(*) FROM runs WHERE ended_at IS NULL"
WHOLE = "SELECT count(*) FROM runs WHERE status = 'completed' AND last_seq = $1"
SECONDS = "SELECT extract(epoch FROM max(ended_at) - min(started_at))::float8 FROM runs"
ORDER = "SELECT tenant FROM runs ORDER BY started_at, id"


@dataclass(frozen=True, slots=True)
class Load:
    """How many runs, how long their model takes, how many a worker works on at once."""

    name: str
    runs: int
    think_ms: float
    slots: int


@dataclass(frozen=True, slots=True)
class Round:
    """One load worked off. `fairness` is Jain's index over the tenants, as long as each had runs in the queue."""

    seconds: float
    fairness: float


def measure(folder: Path, size: Size) -> Report:
    """Queue and work off.

    Raises:
        BenchFailed: A run was lost or did not complete, or PostgreSQL cannot be started.
    """
    loads = (
        Load("model takes no time, 100 slots", size.of(1000, 10_000, 10_000), 0, 100),
        Load("model takes 100 ms, 30 slots", size.of(300, 1500, 3000), 100, 30),
    )
    measured: dict[Load, dict[int, list[Round]]] = {load: {1: [], 2: []} for load in loads}
    with Databases.running() as databases:
        for load in loads:
            for _ in range(size.of(1, 2, 5)):
                for workers, rounds in measured[load].items():
                    with databases.fresh(tables=True) as url:
                        rounds.append(
                            asyncio.run(_round(Place(folder, url, role="worker", slots=load.slots), load, workers))
                        )
    return report(measured)


async def _round(place: Place, load: Load, count: int) -> Round:
    """Fill the queue, let the workers begin, wait until it is empty and all have ended."""
    await _queue(place, load)
    async with AsyncExitStack() as stack:
        looking = await stack.enter_async_context(connected(place.database))
        workers = [await stack.enter_async_context(scripted_worker(place)) for _ in range(count)]
        async with asyncio.TaskGroup() as group:
            for worker in workers:
                group.create_task(worker.begin())

        async def none_left() -> bool:
            return await looking.fetchval(LEFT) == 0

        await until(none_left, PATIENCE_SECONDS, "the queue is worked off")
        for worker in workers:
            await worker.stop()
        whole = await looking.fetchval(WHOLE, entries(STEPS))
        if whole != load.runs:
            raise BenchFailed(f"{whole} of {load.runs} runs are whole")
        order = [row["tenant"] for row in await looking.fetch(ORDER)]
        begun = while_all_waited(order)
        return Round(await looking.fetchval(SECONDS), jain(list(begun.values())))


async def _queue(place: Place, load: Load) -> None:
    goal = StartRun(look_up(STEPS, think_ms=load.think_ms), agent=AGENT)
    owners = [Principal("bench", tenant) for tenant, part in TENANTS.items() for _ in range(round(part * load.runs))]
    giving = Place(place.folder, place.database, role="api")
    async with opened(settings(giving), extras(work=False)) as platform:
        await closed_loop(AT_ONCE, load.runs, lambda number: platform.engine.start(goal, owners[number]))


def report(measured: Mapping[Load, Mapping[int, Sequence[Round]]]) -> Report:
    """Table and aims, by load and number of workers."""
    median = statistics.median
    rows: list[Sequence[Cell]] = []
    aims: list[Aim] = []
    for load, by_workers in measured.items():
        for workers, rounds in by_workers.items():
            seconds, fairness = median(one.seconds for one in rounds), median(one.fairness for one in rounds)
            rows.append(
                [load.name, workers, load.runs / seconds, load.runs * STEPS / seconds, fairness, load.runs, len(rounds)]
            )
        ratios = [one.seconds / two.seconds for one, two in zip(by_workers[1], by_workers[2], strict=True)]
        aims.append(Aim(f"two workers against one, {load.name}", median(ratios), 1.7, "x"))
    least = min(one.fairness for by_workers in measured.values() for rounds in by_workers.values() for one in rounds)
    aims.append(Aim("fairness across tenants, worst round", least, 0.95, "of 1"))
    columns = ("load", "workers", "runs/s", "steps/s", "fairness", "runs", "rounds")
    shares = ", ".join(f"{tenant} {part:.0%}" for tenant, part in TENANTS.items())
    notes = (
        f"A run has {STEPS} steps: three answers of a model, two tool results. All are queued before a worker begins.",
        f"Tenants and their part of the runs, in the order in which they were queued: {shares}.",
        "Fairness: Jain's index of runs begun by each tenant, as long as all have some in the queue; 1 is even.",
        "After each round all runs are there, completed, each with every one of its entries.",
    )
    numbers = {
        load.name: {workers: [asdict(one) for one in rounds] for workers, rounds in by_workers.items()}
        for load, by_workers in measured.items()
    }
    return Report("burst: a full queue, one worker and two", [Table(columns, rows)], aims, notes, numbers)
