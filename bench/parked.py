"""`parked`: what runs that wait for a person cost, and how soon they go on when they are answered."""

import json
import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from bench.databases import Databases
from bench.programs import run_json
from bench.report import Aim, Cell, Report, Table
from bench.sizes import Size
from bench.spread import spread

SECONDS = 3600.0


def measure(folder: Path, size: Size) -> Report:
    """Park and wake, on SQLite and on PostgreSQL.

    Raises:
        BenchFailed: A run did not park or did not complete, or PostgreSQL cannot be started.
    """
    runs, singly = size.of(1000, 10_000, 10_000), size.of(100, 300, 1000)
    job: dict[str, Any] = {"folder": str(folder / "parked"), "database": "", "runs": runs, "singly": singly}
    measured = {"SQLite": _measured(job)}
    with Databases.running() as databases, databases.fresh(tables=True) as url:
        shutil.rmtree(folder / "parked")
        measured["PostgreSQL"] = _measured({**job, "database": url})
    return report(runs, measured)


def _measured(job: Mapping[str, Any]) -> Mapping[str, Any]:
    return run_json(["-m", "bench.parked_ripieno", json.dumps(job)], SECONDS)


def report(runs: int, measured: Mapping[str, Mapping[str, Any]]) -> Report:
    """Tables and aims, by store."""
    memory: list[Sequence[Cell]] = []
    soon: list[Sequence[Cell]] = []
    aims: list[Aim] = []
    for store, one in measured.items():
        new_tasks, resumed = max(0, one["tasks_after"] - one["tasks_before"]), spread(one["resume_ms"])
        park_speed, wake_speed = runs / one["park_s"], (runs - len(one["resume_ms"])) / one["wake_s"]
        memory.append([store, one["grown_mb"], one["resident_mb"], new_tasks, park_speed, wake_speed])
        soon.append([store, resumed.p50, resumed.p95, resumed.p99, len(one["resume_ms"])])
        aims += [
            Aim(f"{store}: memory of {runs:,} waiting runs", one["grown_mb"], 50, "MB", at_most=True),
            Aim(f"{store}: tasks of {runs:,} waiting runs", new_tasks, 0, "tasks", at_most=True),
            Aim(f"{store}: answer to model asked again, p95", resumed.p95, 15, "ms", at_most=True),
        ]
    tables = [
        Table(("on", "grown MB", "resident MB", "new tasks", "parked/s", "woken and ended/s"), memory),
        Table(("answer to model asked again", "p50 ms", "p95 ms", "p99 ms", "measured"), soon),
    ]
    notes = (
        f"{runs:,} runs ask a person and wait; the process has worked on as many as it can hold before it is weighed.",
        "Grown: resident memory with all waiting, less what it was before. Then some are answered one by one, while",
        "the others wait, and those at last by 50 clients at once.",
    )
    return Report("parked: runs that wait", tables, aims, notes, {"runs": runs, **measured})
