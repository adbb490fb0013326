"""`takeover`: a worker is killed with SIGKILL; how long its runs stand still until they go on in another process."""

import asyncio
from collections.abc import Sequence
from pathlib import Path

import asyncpg

from bench.databases import Databases
from bench.goals import AGENT, entries, look_up
from bench.programs import BenchFailed, closed_loop
from bench.report import Aim, Report, Table
from bench.scripted import Place, extras, settings
from bench.sizes import Size
from bench.spread import spread
from bench.workers import connected, scripted_worker, until
from ripieno.bootstrap import opened
from ripieno.domain.principals import Principal
from ripieno.engine.api import StartRun
from ripieno.store.postgres.lease import LeaseTimes

RUNS = 40
STEPS, WORK_MS = 300, 100
"""Long enough to be under way for longer than a lease."""

SLOTS = 100
LEASE = LeaseTimes().lease
PATIENCE_SECONDS = 600.0

MINE = "SELECT id, epoch FROM runs WHERE status = 'running' AND owner = $1 AND last_seq > 2"
PROVEN = "SELECT count(*) FROM workers WHERE NOT dead AND seen_at > clock_timestamp() - interval '2 s'"
NOW = "SELECT clock_timestamp()"

# The first entry that a run got under a later epoch than that of the killed worker.
WENT_ON = """
SELECT extract(epoch FROM min(entries.at) - $3::timestamptz)::float8 * 1000 AS ms
FROM unnest($1::text[], $2::int[]) AS was (id, epoch)
JOIN entries ON entries.run_id = was.id AND entries.epoch > was.epoch GROUP BY was.id
"""
WHOLE = "SELECT count(*) FROM runs WHERE status = 'completed' AND last_seq = $1"


def measure(folder: Path, size: Size) -> Report:
    """Kill, several times.

    Raises:
        BenchFailed: A run did not go on, or PostgreSQL cannot be started.
    """
    gaps: list[list[float]] = []
    with Databases.running() as databases:
        for number in range(size.of(1, 3, 9)):
            with databases.fresh(tables=True) as url:
                place = Place(folder / str(number), url, role="worker", slots=SLOTS)
                gaps.append(asyncio.run(_round(place)))
    return report(gaps)


async def _round(place: Place) -> list[float]:
    """Milliseconds from the kill to the first entry elsewhere, of each run that the killed worker had."""
    async with connected(place.database) as looking, scripted_worker(place) as victim, scripted_worker(place) as other:
        await victim.begin()
        await until(lambda: _alive(looking, 1), PATIENCE_SECONDS, "one worker is alive")
        owner = await looking.fetchval("SELECT id FROM workers")
        await other.begin()
        await until(lambda: _alive(looking, 2), PATIENCE_SECONDS, "two workers are alive")
        await asyncio.sleep(LEASE + 2)  # only a worker with a full lease of beats behind it takes the runs of others
        await _start(place)

        async def all_begun() -> bool:
            return await looking.fetchval("SELECT count(*) FROM runs WHERE last_seq > 2") == RUNS

        await until(all_begun, PATIENCE_SECONDS, "all runs are under way")
        mine = await looking.fetch(MINE, owner)
        if not mine:
            raise BenchFailed("the worker to be killed had no runs")
        killed_at = await looking.fetchval(NOW)
        await victim.kill()
        bereft = [row["id"] for row in mine], [row["epoch"] for row in mine], killed_at

        async def all_went_on() -> bool:
            return len(await looking.fetch(WENT_ON, *bereft)) == len(mine)

        await until(all_went_on, PATIENCE_SECONDS, "all runs of the killed worker went on")
        gaps = [row["ms"] for row in await looking.fetch(WENT_ON, *bereft)]

        async def all_whole() -> bool:
            return await looking.fetchval(WHOLE, entries(STEPS)) == RUNS

        await until(all_whole, PATIENCE_SECONDS, "all runs ended, each with all of its steps")
        await other.stop()
        return gaps


async def _alive(looking: "asyncpg.Connection[asyncpg.Record]", count: int) -> bool:
    return await looking.fetchval(PROVEN) >= count


async def _start(place: Place) -> None:
    goal = StartRun(look_up(STEPS, work_ms=WORK_MS), agent=AGENT)
    giving = Place(place.folder, place.database, role="api")
    async with opened(settings(giving), extras(work=False)) as platform:
        await closed_loop(10, RUNS, lambda _: platform.engine.start(goal, Principal("bench")))


def report(rounds: Sequence[Sequence[float]]) -> Report:
    """Table and aim of the gaps in milliseconds, round by round."""
    rows = [[len(gaps), *(one / 1000 for one in (min(gaps), spread(gaps).p50, max(gaps)))] for gaps in rounds]
    worst = max(max(gaps) for gaps in rounds) / 1000
    columns = ("runs taken over", "first s", "median s", "last s")
    aims = [Aim("kill to first step elsewhere, worst run", worst, LEASE + 2, "s", at_most=True)]
    notes = (
        f"Two workers on one PostgreSQL, {RUNS} runs under way, a lease of {LEASE:g} s; one worker gets SIGKILL.",
        "A worker is known to be dead by its silence alone, so a lease must pass. Every run ended with all its steps.",
    )
    return Report("takeover: a worker is killed", [Table(columns, rows)], aims, notes, {"gaps_ms": list(rounds)})
