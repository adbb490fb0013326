"""Two ends of a pipe: a bench gives jobs to a program in a process of its own, one line of JSON each way.

So every program imports once, is measured alone (its CPU time is the process's), and rounds of several programs can
alternate. This module needs the standard library alone, because one of the programs runs in another environment.
"""

import asyncio
import json
import os
import subprocess
import sys
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from itertools import pairwise
from pathlib import Path
from threading import Timer
from types import TracebackType
from typing import Any, Self

ROOT = Path(__file__).resolve().parents[1]
STEPS = 10
"""Persisted steps that each run is counted for: five answers of the model, five tool results."""


class BenchFailed(Exception):
    """A run failed, a step is missing, or a program did not end in time: there is nothing to report."""


@dataclass(frozen=True, slots=True)
class Job:
    """Do `runs` runs of `steps` steps, `concurrency` at a time. Without a database: on SQLite below `folder`."""

    concurrency: int
    runs: int
    folder: str
    database: str = ""
    steps: int = STEPS

    @property
    def all_steps(self) -> int:
        """How many steps the job has."""
        return self.runs * self.steps


@dataclass(frozen=True, slots=True)
class Measured:
    """What came of a job. `gaps_ms` are the times from one committed step of a run to its next, run after run.

    `cpu_ms` is what the process used in each of them; it says something where one run is under way at a time.
    `commits` counts everything that was written durably, also what is no step (the start, the last answer, the end).
    """

    steps: int
    commits: int
    seconds: float
    cpu_seconds: float
    gaps_ms: list[float]
    cpu_ms: list[float] = field(default_factory=list[float])


class Stopwatch:
    """Times since the start, and the moments at which each run's steps were committed."""

    def __init__(self, steps: int = STEPS) -> None:
        self._steps = steps
        self._moments: dict[str, list[tuple[float, float]]] = {}
        self._began = time.perf_counter()
        self._cpu_began = time.process_time()

    def committed(self, run: str) -> None:
        """Note that a step of the run is on disk now."""
        self._moments.setdefault(run, []).append((time.perf_counter(), time.process_time()))

    def stop(self, *, steps: int, commits: int) -> Measured:
        """The measurement, ending now. Of each run the first steps count, as many as it has."""
        seconds, cpu = time.perf_counter() - self._began, time.process_time() - self._cpu_began
        pairs = [pair for moments in self._moments.values() for pair in pairwise(moments[: self._steps + 1])]
        gaps = [(after - before) * 1000 for (before, _), (after, _) in pairs]
        used = [(after - before) * 1000 for (_, before), (_, after) in pairs]
        return Measured(steps, commits, seconds, cpu, gaps, used)


async def closed_loop(concurrency: int, runs: int, one: Callable[[int], Awaitable[Any]]) -> None:
    """Keep `concurrency` runs under way until `runs` were done."""
    numbers = iter(range(runs))

    async def client() -> None:
        for number in numbers:
            await one(number)

    async with asyncio.TaskGroup() as group:
        for _ in range(min(concurrency, runs)):
            group.create_task(client())


def serve(perform: Callable[[Job], Awaitable[Measured]]) -> None:
    """Be a program: perform each job that comes in, until there are no more."""
    for line in sys.stdin:
        measured = asyncio.run(perform(Job(**json.loads(line))))
        print(json.dumps(asdict(measured)), flush=True)


class Program:
    """A running program, from the side of the bench."""

    def __init__(self, module: str, python: str = sys.executable, environ: Mapping[str, str] | None = None) -> None:
        self._module = module
        self._process = subprocess.Popen(
            [python, "-m", module],
            cwd=ROOT,
            env={**os.environ, **(environ or {})},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._process.kill()
        self._process.wait()

    def perform(self, job: Job, seconds: float) -> Measured:
        """Have a job done.

        Raises:
            BenchFailed: The program died, took longer than `seconds`, or did not do all steps.
        """
        if self._process.stdin is None or self._process.stdout is None:
            raise BenchFailed(f"{self._module} has no pipe")
        timer = Timer(seconds, self._process.kill)
        timer.start()
        try:
            self._process.stdin.write(json.dumps(asdict(job)) + "\n")
            self._process.stdin.flush()
            line = self._process.stdout.readline()
        except BrokenPipeError:
            line = ""
        finally:
            timer.cancel()
        if not line:
            raise BenchFailed(f"{self._module} gave no answer to {job} within {seconds:g} s; its own words are above")
        measured = Measured(**json.loads(line))
        if measured.steps != job.all_steps:
            raise BenchFailed(f"{self._module} lost steps: {measured.steps} of {job.all_steps} in {job}")
        return measured


def run_json(arguments: Sequence[str], seconds: float, environ: Mapping[str, str] | None = None) -> Any:
    """Run a Python program of this environment to its end; the last line it prints is JSON.

    Raises:
        BenchFailed: It failed or took longer than `seconds`.
    """
    try:
        ended = subprocess.run(
            [sys.executable, *arguments],
            cwd=ROOT,
            env={**os.environ, **(environ or {})},
            stdout=subprocess.PIPE,
            text=True,
            timeout=seconds,
            check=True,
        )
    except (subprocess.CalledProcessError, subprocess.TimeoutExpired) as error:
        raise BenchFailed(f"{' '.join(arguments)}: {error}") from None
    return json.loads(ended.stdout.splitlines()[-1])
