"""`steps`: durable steps through the whole engine, beside LangGraph and beside a bare insert, on the same database.

Once on SQLite and once on PostgreSQL. Rounds alternate between the three, so that noise hits all of them. Ratios are
medians of the rounds' ratios.
"""

import shutil
import statistics
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, replace
from pathlib import Path

from bench import peers
from bench.databases import Databases
from bench.programs import STEPS, Job, Measured, Program
from bench.report import Aim, Cell, Report, Table
from bench.sizes import Size
from bench.spread import spread

CONCURRENCIES = (1, 50, 200, 1000)
RUNS: Mapping[str, Mapping[int, int]] = {
    "ripieno": {1: 100, 50: 400, 200: 800, 1000: 2000},
    "langgraph": {1: 30, 50: 100, 200: 400, 1000: 1000},
    "bare": {1: 200, 50: 1000, 200: 2000, 1000: 4000},
}
"""Enough runs for a second or more of work, and no fewer than are under way at once."""

JOB_SECONDS = 900.0
SAVERS = 20
NO_TRACING = {"LANGSMITH_TRACING": "false", "LANGCHAIN_TRACING_V2": "false"}

Rounds = Sequence[Mapping[str, Measured]]
"""What each system did, round by round."""


@dataclass(frozen=True, slots=True)
class Summary:
    """One system at one concurrency: the medians of its rounds."""

    steps_per_second: float
    commits_per_second: float
    p50: float
    p95: float
    p99: float
    cpu_ms: float


def measure(folder: Path, size: Size) -> Report:
    """Run all rounds.

    Raises:
        BenchFailed: A run failed, a step is missing, or PostgreSQL cannot be started.
    """
    concurrencies = size.of(CONCURRENCIES[:3], CONCURRENCIES, CONCURRENCIES)
    rounds = dict.fromkeys(concurrencies, size.of(1, 3, 7))
    if size is Size.USUAL:
        rounds[1000] = 1  # the slow side needs half a minute for each
    python = peers.ready()
    many = {**NO_TRACING, "BENCH_SAVERS": str(SAVERS)}
    with ExitStack() as stack:
        both = {
            "ripieno": stack.enter_context(Program("bench.steps_ripieno")),
            "langgraph": stack.enter_context(Program("bench.steps_langgraph", python, NO_TRACING)),
        }
        bare = stack.enter_context(Program("bench.steps_bare"))
        sqlite = _rounds({**both, "bare": bare}, rounds, folder, None)
        stronger = {
            f"langgraph x {SAVERS}": stack.enter_context(Program("bench.steps_langgraph", python, many)),
            "bare": stack.enter_context(Program("bench.steps_bare_postgres")),
        }
        databases = stack.enter_context(Databases.running())
        postgres = _rounds({**both, **stronger}, rounds, folder, databases)
    return report({"SQLite": sqlite, "PostgreSQL": postgres})


def _rounds(
    programs: Mapping[str, Program], rounds: Mapping[int, int], folder: Path, databases: Databases | None
) -> dict[int, Rounds]:
    for name, program in programs.items():
        _perform(name, program, Job(1, 3, str(folder / name)), databases)  # imports and caches
    return {
        concurrency: [
            {
                name: _perform(
                    name, program, Job(concurrency, RUNS[name.split()[0]][concurrency], str(folder / name)), databases
                )
                for name, program in programs.items()
            }
            for _ in range(count)
        ]
        for concurrency, count in rounds.items()
    }


def _perform(name: str, program: Program, job: Job, databases: Databases | None) -> Measured:
    try:
        if databases is None:
            return program.perform(job, JOB_SECONDS)
        with databases.fresh(tables=name == "ripieno") as url:
            return program.perform(replace(job, database=url), JOB_SECONDS)
    finally:
        shutil.rmtree(job.folder, ignore_errors=True)


def summary(rounds: Sequence[Measured]) -> Summary:
    """The medians of one system's rounds."""
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


def ratio(rounds: Rounds, other: str) -> float:
    """How many times as fast as the other system Ripieno was."""

    def speed(measured: Measured) -> float:
        return measured.steps / measured.seconds

    return statistics.median(speed(one["ripieno"]) / speed(one[other]) for one in rounds)


def report(stores: Mapping[str, Mapping[int, Rounds]]) -> Report:
    """Tables, aims and numbers of what was measured, by store and concurrency."""
    rows: list[list[Cell]] = []
    numbers: dict[str, object] = {}
    aims: list[Aim] = []
    for store, measured in stores.items():
        for concurrency, rounds in measured.items():
            for name in rounds[0]:
                row, number = _figures(rounds, name)
                rows.append([store, concurrency, name, *row])
                numbers[f"{store} {name}@{concurrency}"] = number
        at_200 = summary([by_name["ripieno"] for by_name in measured[200]])
        aims += [
            Aim(f"{store}: durable steps/s, 200 at once", at_200.steps_per_second, 3000, "steps/s"),
            Aim(f"{store}: faster than LangGraph, 200 at once", ratio(measured[200], "langgraph"), 8, "x"),
            Aim(f"{store}: overhead of a step, p95, 200 at once", at_200.p95, 60, "ms", at_most=True),
        ]
    columns = (
        "on",
        "at once",
        "system",
        "steps/s",
        "p50 ms",
        "p95 ms",
        "p99 ms",
        "CPU ms/step",
        "Ripieno is",
        "rounds",
    )
    return Report("steps: durable steps through the engine", [Table(columns, rows)], aims, NOTES, numbers)


def _figures(rounds: Rounds, name: str) -> tuple[list[Cell], dict[str, object]]:
    """One system at one concurrency: as cells of its row, and as numbers."""
    one = summary([by_name[name] for by_name in rounds])
    faster = None if name == "ripieno" else ratio(rounds, name)
    shown = "" if faster is None else f"{faster:.2f}x"
    row: list[Cell] = [one.steps_per_second, one.p50, one.p95, one.p99, one.cpu_ms, shown, len(rounds)]
    return row, {
        "steps_per_second": one.steps_per_second,
        "commits_per_second": one.commits_per_second,
        "overhead_ms": {"p50": one.p50, "p95": one.p95, "p99": one.p99},
        "cpu_ms_per_step": one.cpu_ms,
        "ripieno_is_faster_by": faster,
        "rounds": [
            {"seconds": each[name].seconds, "steps": each[name].steps, "cpu_seconds": each[name].cpu_seconds}
            for each in rounds
        ],
    }


NOTES = (
    f"A run has {STEPS} counted steps (5 answers of a model, 5 tool results), each committed before the next.",
    "Start, last answer and end are committed too, and not counted. The model takes no time: all time is overhead.",
    "p50, p95, p99: from one committed step of a run to its next. CPU: of the whole process, without PostgreSQL's.",
    "langgraph: the same conversation on LangGraph and its asynchronous saver for that database, durability=sync.",
    f"langgraph x {SAVERS}: with so many savers, each with its connection, because one does one thing at a time.",
    "bare: one fenced row for each step, committed in groups, no engine; on SQLite through Ripieno's writer thread.",
)
