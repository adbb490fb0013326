"""`python -m bench.parked_ripieno JOB`: the process that is measured by `parked`; prints what it saw as JSON.

JOB is JSON: `folder`, `database` ("" for SQLite), `runs` to park, `singly` to answer one by one.
"""

import asyncio
import gc
import json
import os
import sys
import time
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import psutil

from bench import scripted
from bench.goals import AGENT, ASK
from bench.programs import BenchFailed, closed_loop
from bench.workers import until
from ripieno.bootstrap import Platform, opened
from ripieno.domain.filters import InterruptFilter
from ripieno.domain.interrupts import Decision, DecisionKind, InterruptStatus
from ripieno.domain.principals import Principal
from ripieno.domain.runs import RunStatus
from ripieno.engine.api import StartRun

SOMEBODY = Principal("bench")
AT_ONCE = 50
WARM_UP = 300
PATIENCE_SECONDS = 900.0
PAGE = 500


async def main(folder: Path, database: str, runs: int, singly: int) -> dict[str, Any]:
    place = scripted.Place(folder, database)
    async with opened(scripted.settings(place), scripted.extras()) as platform:
        gc.freeze()  # as `ripieno serve` does
        for _ in range(2):  # pools, caches and the memory that working takes, parked or not
            await park(platform, WARM_UP)
            await wake(platform, WARM_UP)
        before, tasks_before = resident_mb(), len(asyncio.all_tasks())
        began = time.perf_counter()
        await park(platform, runs)
        park_s = time.perf_counter() - began
        after, tasks_after = resident_mb(), len(asyncio.all_tasks())
        latencies = [await resume_ms(platform, one) async for one in waiting(platform, singly)]
        began = time.perf_counter()
        await wake(platform, runs - len(latencies))
        wake_s = time.perf_counter() - began
        counts = await platform.ports.records.counts()
    left = counts.queued + counts.running + counts.parked
    if left:
        raise BenchFailed(f"{left} of {runs + 2 * WARM_UP} runs have not ended")
    return {
        "grown_mb": after - before,
        "resident_mb": after,
        "tasks_before": tasks_before,
        "tasks_after": tasks_after,
        "park_s": park_s,
        "wake_s": wake_s,
        "resume_ms": latencies,
    }


async def park(platform: Platform, runs: int) -> None:
    """Start so many runs and see that all of them wait."""
    before = (await platform.ports.records.counts()).parked
    goal = StartRun(ASK, agent=AGENT)
    await closed_loop(AT_ONCE, runs, lambda _: platform.engine.start(goal, SOMEBODY))

    async def all_wait() -> bool:
        return (await platform.ports.records.counts()).parked == before + runs and not platform.worker.busy

    await until(all_wait, PATIENCE_SECONDS, f"{runs} runs wait")


async def wake(platform: Platform, runs: int) -> None:
    """Answer so many questions, and see that nothing waits or works any more."""
    ids = [one async for one in waiting(platform, runs)]
    await closed_loop(AT_ONCE, runs, lambda number: answer(platform, ids[number]))

    async def all_ended() -> bool:
        counts = await platform.ports.records.counts()
        return not (counts.parked or counts.queued or counts.running)

    await until(all_ended, PATIENCE_SECONDS, f"{runs} runs end")


async def waiting(platform: Platform, most: int) -> AsyncIterator[str]:
    """The ids of open questions."""
    which, before = InterruptFilter(status=InterruptStatus.PENDING), None
    while most > 0:
        page = await platform.ports.records.interrupts(SOMEBODY.tenant, which, min(PAGE, most), before)
        if not page:
            return
        for interrupt in page:
            yield interrupt.id
        most -= len(page)
        before = page[-1].id


async def answer(platform: Platform, interrupt_id: str) -> str:
    """Answer a question; the id of the run that asked."""
    decision = Decision(DecisionKind.ANSWER, SOMEBODY.id, answer="yes")
    return (await platform.engine.decide(SOMEBODY, interrupt_id, decision)).run_id


async def resume_ms(platform: Platform, interrupt_id: str) -> float:
    """Milliseconds from giving the answer until the run's model is asked again."""
    began = time.monotonic_ns()
    run_id = await answer(platform, interrupt_id)
    ended = await platform.engine.wait(SOMEBODY.tenant, run_id, PATIENCE_SECONDS)
    if ended.result is None or ended.status is not RunStatus.COMPLETED:
        raise BenchFailed(f"a run is {ended.status}")
    return (int(ended.result.answer) - began) / 1e6


def resident_mb() -> float:
    gc.collect()
    return psutil.Process(os.getpid()).memory_info().rss / 1e6


if __name__ == "__main__":
    given = json.loads(sys.argv[1])
    print(json.dumps(asyncio.run(main(**{**given, "folder": Path(given["folder"])}))))
