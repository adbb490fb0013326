"""`http`: whole runs with five tool calls over HTTP, against the real server in its own process."""

import asyncio
import statistics
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from bench.programs import run_json
from bench.report import Aim, Report, Table
from bench.servers import ScriptedServer, scripted_server
from bench.sizes import Size
from bench.spread import spread

RUNS = {1: 100, 50: 500, 200: 1000}
"""How many runs are done, by how many are under way at once."""

SLOTS = 200
LOAD_SECONDS = 600.0


@dataclass(frozen=True, slots=True)
class Round:
    """One load, seen from both sides."""

    runs: int
    seconds: float
    times_ms: Sequence[float]
    server_cpu_seconds: float
    client_cpu_seconds: float


def measure(folder: Path, size: Size) -> Report:
    """Load the server.

    Raises:
        BenchFailed: A run did not complete, or is not whole in the server's database.
    """
    return asyncio.run(_measure(folder, rounds=size.of(1, 3, 9)))


async def _measure(folder: Path, rounds: int) -> Report:
    measured: dict[int, list[Round]] = {at_once: [] for at_once in RUNS}
    async with scripted_server(folder, SLOTS) as server:
        warm_up = await _load(server, 10, 100)
        for _ in range(rounds):
            for at_once, runs in RUNS.items():
                measured[at_once].append(await _load(server, at_once, runs))
        await server.stop()
    server.check(warm_up.runs + sum(one.runs for rounds in measured.values() for one in rounds))
    return _report(measured)


async def _load(server: ScriptedServer, at_once: int, runs: int) -> Round:
    cpu_began = server.cpu_seconds()
    arguments = ["-m", "bench.load", server.url, str(at_once), str(runs)]
    seen = await asyncio.to_thread(run_json, arguments, LOAD_SECONDS)
    cpu = server.cpu_seconds() - cpu_began
    return Round(runs, seen["seconds"], seen["times_ms"], cpu, seen["client_cpu_seconds"])


def _report(measured: dict[int, list[Round]]) -> Report:
    median = statistics.median
    rows: list[list[str | float]] = []
    speeds: dict[int, float] = {}
    cpu_ms: dict[int, float] = {}
    for at_once, rounds in measured.items():
        speeds[at_once] = median(one.runs / one.seconds for one in rounds)
        cpu_ms[at_once] = median(one.server_cpu_seconds * 1000 / one.runs for one in rounds)
        client_ms = median(one.client_cpu_seconds * 1000 / one.runs for one in rounds)
        spreads = [spread(one.times_ms) for one in rounds]
        p50, p95, p99 = (median(values) for values in zip(*((s.p50, s.p95, s.p99) for s in spreads), strict=True))
        rows.append([at_once, speeds[at_once], p50, p95, p99, cpu_ms[at_once], client_ms, len(rounds)])
    columns = ("at once", "runs/s", "p50 ms", "p95 ms", "p99 ms", "server CPU ms/run", "client CPU ms/run", "rounds")
    aims = [
        Aim("runs/s, 200 at once", speeds[200], 100, "runs/s"),
        Aim("CPU of the server for one run, 200 at once", cpu_ms[200], 15, "ms", at_most=True),
    ]
    notes = (
        "A run: POST /v1/runs?wait=60, five answers of a model, five tool calls, the answer; p50 of that whole time.",
        "Server and clients share the machine's cores; the clients' own CPU is shown beside.",
    )
    numbers = {"columns": columns, "rows": rows}
    return Report("http: whole runs with five tool calls over HTTP", [Table(columns, rows)], aims, notes, numbers)
