"""Ripieno's side of `steps` and `longrun`: whole runs through the engine, on SQLite on disk or on PostgreSQL."""

import gc
import sqlite3
from dataclasses import replace
from pathlib import Path

import asyncpg

from bench import scripted
from bench.goals import AGENT, entries, look_up
from bench.programs import BenchFailed, Job, Measured, Stopwatch, closed_loop, serve
from ripieno.bootstrap import Platform, opened
from ripieno.domain.hints import Hint, HintKind
from ripieno.domain.principals import Principal
from ripieno.domain.runs import RunStatus
from ripieno.engine.api import StartRun

SOMEBODY = Principal("bench")
PATIENCE_SECONDS = 900.0
COUNT = "SELECT count(*) FROM entries GROUP BY run_id"


async def perform(job: Job) -> Measured:
    """Do the runs of a job.

    Raises:
        BenchFailed: A run did not complete.
    """
    place = scripted.Place(Path(job.folder), job.database, slots=job.concurrency)
    async with opened(scripted.settings(place), scripted.extras()) as platform:
        gc.freeze()  # as `ripieno serve` does
        await run(platform, job.steps)  # the warm-up
        watch = Stopwatch(job.steps)

        def hear(hint: Hint) -> None:
            if hint.kind is HintKind.PROGRESS:
                watch.committed(hint.run_id)

        platform.ports.dispatch.subscribe(hear)
        before = await counted(job)
        await closed_loop(job.concurrency, job.runs, lambda _: run(platform, job.steps))
        measured = watch.stop(steps=0, commits=0)
        after = await counted(job)
    return replace(measured, steps=after[0] - before[0], commits=after[1] - before[1])


async def run(platform: Platform, steps: int) -> None:
    started = await platform.engine.start(StartRun(look_up(steps), agent=AGENT), SOMEBODY)
    ended = await platform.engine.wait(SOMEBODY.tenant, started.id, PATIENCE_SECONDS)
    if ended.status is not RunStatus.COMPLETED:
        raise BenchFailed(f"{ended.id} is {ended.status}: {ended.result}")


async def counted(job: Job) -> tuple[int, int]:
    """Steps of whole runs, and all entries, that are in the database."""
    counts = await in_postgres(job.database) if job.database else in_file(Path(job.folder) / "data" / "ripieno.db")
    return sum(count == entries(job.steps) for count in counts) * job.steps, sum(counts)


def in_file(path: Path) -> list[int]:
    with sqlite3.connect(path) as connection:
        return [count for (count,) in connection.execute(COUNT)]


async def in_postgres(url: str) -> list[int]:
    connection = await asyncpg.connect(url)
    try:
        return [row["count"] for row in await connection.fetch(COUNT)]
    finally:
        await connection.close()


if __name__ == "__main__":
    serve(perform)
