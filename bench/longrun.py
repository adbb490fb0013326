"""`longrun`: what a step costs late in a long run, against what it cost early, beside LangGraph.

One run of a thousand steps at a time. A single step is noise, so windows are compared: the median of the fifty steps
from the tenth on, and that of the last fifty.
"""

import shutil
import statistics
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from dataclasses import asdict, dataclass, replace
from pathlib import Path

from bench import peers
from bench.databases import Databases
from bench.programs import Job, Measured, Program
from bench.report import Aim, Cell, Report, Table
from bench.sizes import Size
from bench.steps import NO_TRACING

STEPS = 1000
FIRST, WINDOW = 10, 50
JOB_SECONDS = 900.0
STORES = ("SQLite", "PostgreSQL")


@dataclass(frozen=True, slots=True)
class Growth:
    """Medians of early and late steps in milliseconds: by the clock, and of the process's CPU."""

    early_ms: float
    late_ms: float
    early_cpu_ms: float
    late_cpu_ms: float

    @property
    def factor(self) -> float:
        """How many times as much CPU as an early step a late one takes: the clock also tells of other programs."""
        return self.late_cpu_ms / self.early_cpu_ms


def measure(folder: Path, size: Size) -> Report:
    """Do the runs, turn by turn.

    Raises:
        BenchFailed: A run failed, a step is missing, or PostgreSQL cannot be started.
    """
    measured: dict[tuple[str, str], list[Growth]] = {}
    with ExitStack() as stack:
        programs = {
            "ripieno": stack.enter_context(Program("bench.steps_ripieno")),
            "langgraph": stack.enter_context(Program("bench.steps_langgraph", peers.ready(), NO_TRACING)),
        }
        databases = stack.enter_context(Databases.running())
        for _ in range(size.of(1, 3, 7)):
            for store in STORES:
                for name, program in programs.items():
                    job = Job(1, 1, str(folder / name), steps=STEPS)
                    with databases.fresh(tables=name == "ripieno") as url:
                        placed = job if store == "SQLite" else replace(job, database=url)
                        grown = growth(program.perform(placed, JOB_SECONDS))
                    shutil.rmtree(job.folder, ignore_errors=True)
                    measured.setdefault((store, name), []).append(grown)
    return report(measured)


def growth(measured: Measured) -> Growth:
    """Early and late steps of one run."""
    windows = slice(FIRST, FIRST + WINDOW), slice(-WINDOW, None)
    gaps, cpu = measured.gaps_ms, measured.cpu_ms
    median = statistics.median
    return Growth(*(median(gaps[window]) for window in windows), *(median(cpu[window]) for window in windows))


def report(measured: Mapping[tuple[str, str], Sequence[Growth]]) -> Report:
    """Table and aims of the rounds, by store and system."""
    median = statistics.median
    rows: list[list[Cell]] = []
    aims: list[Aim] = []
    for (store, name), rounds in measured.items():
        factor = median(one.factor for one in rounds)
        early, late = median(one.early_ms for one in rounds), median(one.late_ms for one in rounds)
        early_cpu, late_cpu = median(one.early_cpu_ms for one in rounds), median(one.late_cpu_ms for one in rounds)
        rows.append([store, name, early, late, early_cpu, late_cpu, f"{factor:.2f}x", len(rounds)])
        if name == "ripieno":
            aims.append(Aim(f"{store}: step {STEPS:,} against step {FIRST}", factor, 1.3, "x", at_most=True))
    columns = ("on", "system", "early ms", "late ms", "early CPU ms", "late CPU ms", "late is", "rounds")
    notes = (
        f"One run of {STEPS:,} steps at a time. Early: steps {FIRST} to {FIRST + WINDOW}; late: the last {WINDOW}.",
        "Medians of all such steps, from the commit before to its own; CPU of the process, without PostgreSQL's.",
    )
    numbers = {f"{store} {name}": [asdict(one) for one in rounds] for (store, name), rounds in measured.items()}
    return Report("longrun: a step late in a long run", [Table(columns, rows)], aims, notes, numbers)
