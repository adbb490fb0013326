"""Ripieno's side of `steps`: whole runs through the engine, on SQLite on disk."""

import sqlite3
from pathlib import Path

from bench import scripted
from bench.goals import AGENT, ENTRIES, LOOK_UP
from bench.programs import STEPS, BenchFailed, Job, Measured, Stopwatch, closed_loop, serve
from ripieno.bootstrap import Platform, opened
from ripieno.domain.hints import Hint, HintKind
from ripieno.domain.principals import Principal
from ripieno.domain.runs import RunStatus
from ripieno.engine.api import StartRun

SOMEBODY = Principal("bench")
PATIENCE_SECONDS = 300.0


async def perform(job: Job) -> Measured:
    """Do the runs of a job.

    Raises:
        BenchFailed: A run did not complete.
    """
    folder = Path(job.folder)
    async with opened(scripted.settings(folder, slots=job.concurrency), scripted.extras()) as platform:
        await run(platform)  # the warm-up
        watch = Stopwatch()

        def hear(hint: Hint) -> None:
            if hint.kind is HintKind.PROGRESS:
                watch.committed(hint.run_id)

        platform.ports.dispatch.subscribe(hear)
        before = counted(folder)
        await closed_loop(job.concurrency, job.runs, lambda _: run(platform))
        measured = watch.stop(steps=0, commits=0)
        after = counted(folder)
    steps, commits = after[0] - before[0], after[1] - before[1]
    return Measured(steps, commits, measured.seconds, measured.cpu_seconds, measured.gaps_ms)


async def run(platform: Platform) -> None:
    started = await platform.engine.start(StartRun(LOOK_UP, agent=AGENT), SOMEBODY)
    ended = await platform.engine.wait(SOMEBODY.tenant, started.id, PATIENCE_SECONDS)
    if ended.status is not RunStatus.COMPLETED:
        raise BenchFailed(f"{ended.id} is {ended.status}: {ended.result}")


def counted(folder: Path) -> tuple[int, int]:
    """Steps of whole runs, and all entries, that are in the file."""
    with sqlite3.connect(folder / "data" / "ripieno.db") as connection:
        rows = connection.execute("SELECT count(*) FROM entries GROUP BY run_id").fetchall()
    return sum(count == ENTRIES for (count,) in rows) * STEPS, sum(count for (count,) in rows)


if __name__ == "__main__":
    serve(perform)
