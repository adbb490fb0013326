"""`steps`: durable steps through the whole engine, beside LangGraph and beside a bare insert, on the same disk.

Rounds alternate between the three, so that noise hits all of them. Ratios are medians of the rounds' ratios.
"""

import shutil
import statistics
from collections.abc import Mapping
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

from bench import peers
from bench.programs import STEPS, Job, Measured, Program
from bench.report import Aim, Report, Table
from bench.spread import spread

CONCURRENCIES = (1, 50, 200, 1000)
RUNS: Mapping[str, Mapping[int, int]] = {
    "ripieno": {1: 100, 50: 400, 200: 800, 1000: 2000},
    "langgraph": {1: 30, 50: 100, 200: 400, 1000: 1000},
    "bare": {1: 200, 50: 1000, 200: 2000, 1000: 4000},
}
"""Enough runs for a second or more of work, and no fewer than are under way at once."""

JOB_SECONDS = 120.0
NO_TRACING = {"LANGSMITH_TRACING": "false", "LANGCHAIN_TRACING_V2": "false"}


@dataclass(frozen=True, slots=True)
class Summary:
    """One system at one concurrency: the medians of its rounds."""

    steps_per_second: float
    commits_per_second: float
    p50: float
    p95: float
    p99: float
    cpu_ms: float


def measure(folder: Path, *, long: bool) -> Report:
    """Run all rounds.

    Raises:
        BenchFailed: A run failed or a step is missing.
    """
    rounds = dict.fromkeys(CONCURRENCIES, 7 if long else 3)
    if not long:
        rounds[1000] = 1  # the slow side needs half a minute for each
    with ExitStack() as stack:
        programs = {
            "ripieno": stack.enter_context(Program("bench.steps_ripieno")),
            "langgraph": stack.enter_context(Program("bench.steps_langgraph", peers.ready(), NO_TRACING)),
            "bare": stack.enter_context(Program("bench.steps_bare")),
        }
        for name, program in programs.items():
            _perform(program, Job(1, 3, str(folder / name)))  # imports and caches
        measured: dict[int, list[dict[str, Measured]]] = {}
        for concurrency in CONCURRENCIES:
            measured[concurrency] = [
                {
                    name: _perform(program, Job(concurrency, RUNS[name][concurrency], str(folder / name)))
                    for name, program in programs.items()
                }
                for _ in range(rounds[concurrency])
            ]
    return _report(measured)


def _perform(program: Program, job: Job) -> Measured:
    try:
        return program.perform(job, JOB_SECONDS)
    finally:
        shutil.rmtree(job.folder, ignore_errors=True)


def _summary(rounds: list[Measured]) -> Summary:
    spreads = [spread(measured.gaps_ms) for measured in rounds]
    median = statistics.median
    return Summary(
        steps_per_second=median(measured.steps / measured.seconds for measured in rounds),
        commits_per_second=median(measured.commits / measured.seconds for measured in rounds),
        p50=median(one.p50 for one in spreads),
        p95=median(one.p95 for one in spreads),
        p99=median(one.p99 for one in spreads),
        cpu_ms=median(measured.cpu_seconds * 1000 / measured.steps for measured in rounds),
    )


def _ratio(rounds: list[dict[str, Measured]], other: str) -> float:
    def speed(measured: Measured) -> float:
        return measured.steps / measured.seconds

    return statistics.median(speed(one["ripieno"]) / speed(one[other]) for one in rounds)


def _report(measured: Mapping[int, list[dict[str, Measured]]]) -> Report:
    rows: list[list[str | float]] = []
    numbers: dict[str, object] = {}
    for concurrency, rounds in measured.items():
        for name in RUNS:
            one = _summary([by_name[name] for by_name in rounds])
            ratio = "" if name == "ripieno" else f"{_ratio(rounds, name):.2f}x"
            rows.append(
                [concurrency, name, one.steps_per_second, one.p50, one.p95, one.p99, one.cpu_ms, ratio, len(rounds)]
            )
            numbers[f"{name}@{concurrency}"] = {
                "steps_per_second": one.steps_per_second,
                "commits_per_second": one.commits_per_second,
                "overhead_ms": {"p50": one.p50, "p95": one.p95, "p99": one.p99},
                "cpu_ms_per_step": one.cpu_ms,
                "ripieno_is_faster_by": None if name == "ripieno" else _ratio(rounds, name),
                "rounds": [
                    {"seconds": each[name].seconds, "steps": each[name].steps, "cpu_seconds": each[name].cpu_seconds}
                    for each in rounds
                ],
            }
    columns = ("at once", "system", "steps/s", "p50 ms", "p95 ms", "p99 ms", "CPU ms/step", "Ripieno is", "rounds")
    at_200 = _summary([by_name["ripieno"] for by_name in measured[200]])
    aims = [
        Aim("durable steps/s, 200 at once", at_200.steps_per_second, 3000, "steps/s"),
        Aim("faster than LangGraph, 200 at once", _ratio(measured[200], "langgraph"), 8, "x"),
        Aim("overhead of a step, p95, 200 at once", at_200.p95, 60, "ms", at_most=True),
    ]
    notes = (
        f"A run has {STEPS} counted steps (5 answers of a model, 5 tool results), each committed before the next.",
        "Start, last answer and end are committed too, and not counted. The model takes no time: all time is overhead.",
        "p50, p95, p99: from one committed step of a run to its next. CPU: of the whole process, all threads.",
        "langgraph: the same conversation on LangGraph and its asynchronous SQLite saver, durability=sync.",
        "bare: one row for each step through Ripieno's own writer thread, no engine.",
    )
    return Report("steps: durable steps through the engine", [Table(columns, rows)], aims, notes, numbers)
