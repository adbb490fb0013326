"""`latency`: how soon a request becomes a model's work, and how soon a commit reaches a reader, at light load."""

import asyncio
import time
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

from bench import latency_dispatch
from bench.goals import AGENT, ENTRIES, SLOWLY, WHEN
from bench.latency_dispatch import Delays
from bench.programs import BenchFailed
from bench.report import Aim, Report, Table
from bench.servers import ScriptedServer, scripted_server
from bench.sizes import Size
from bench.spread import spread
from bench.wire import Connection

SLOTS = 100
WARM_UP = 20


def measure(folder: Path, size: Size) -> Report:
    """Ask, one request after the other.

    Raises:
        BenchFailed: A run did not complete, or a reader missed an entry.
    """
    starts, streams = size.of(100, 300, 1000), size.of(10, 30, 100)
    start_ms, stream_ms = asyncio.run(_measure(folder / "http", starts, streams))
    ways = latency_dispatch.measure(folder, size.of(50, 200, 1000))
    return report(start_ms, stream_ms, ways)


async def _measure(folder: Path, starts: int, streams: int) -> tuple[list[float], list[float]]:
    async with scripted_server(folder, SLOTS) as server:
        async with Connection.to(server.url) as connection:
            for _ in range(WARM_UP):
                await _start(connection)
            start_ms = [await _start(connection) for _ in range(starts)]
        seen = [await _follow(server) for _ in range(streams)]
        await server.stop()
    stream_ms = [delay for run_id, times in seen for delay in _delays(server.commits[run_id], times)]
    return start_ms, stream_ms


async def _start(connection: Connection) -> float:
    """Milliseconds from sending a request to the moment at which its model is asked."""
    began = time.monotonic_ns()
    ended = await connection.post("/v1/runs?wait=10", {"goal": WHEN, "agent": AGENT})
    if ended["status"] != "completed":
        raise BenchFailed(f"a run is {ended['status']}: {ended}")
    return (int(ended["answer"]) - began) / 1e6


async def _follow(server: ScriptedServer) -> tuple[str, dict[int, int]]:
    """Read a slow run's events as they come: when each came, by its number, and (as number 0) when reading began."""
    times: dict[int, int] = {}
    async with Connection.to(server.url) as asking, Connection.to(server.url) as reading:
        started = await asking.post("/v1/runs", {"goal": SLOWLY, "agent": AGENT})
        async for event in reading.events(f"/v1/runs/{started['run_id']}/events"):
            if event.kind == "connected":
                times[0] = event.at_ns
            elif event.id:
                times[int(event.id)] = event.at_ns
            if event.kind == "end":
                break
    if missing := set(range(1, ENTRIES + 1)) - times.keys():
        raise BenchFailed(f"the stream of {started['run_id']} left out {sorted(missing)}")
    return started["run_id"], times


def _delays(commits: list[int], times: dict[int, int]) -> list[float]:
    """Milliseconds from each commit that came after the reader to the reader's seeing it."""
    if len(commits) != ENTRIES:
        raise BenchFailed(f"{len(commits)} commits were counted, {ENTRIES} are expected")
    return [(times[seq] - at) / 1e6 for seq, at in enumerate(commits, 1) if at > times[0]]


def report(start_ms: list[float], stream_ms: list[float], ways: Mapping[str, Delays | None]) -> Report:
    """Tables and aims of all that was measured, in milliseconds."""
    named = {"POST to first model call": start_ms, "commit to SSE reader": stream_ms}
    spreads = {name: spread(values) for name, values in named.items()}
    rows = [[name, one.p50, one.p95, one.p99, len(named[name])] for name, one in spreads.items()]
    columns = ("", "p50 ms", "p95 ms", "p99 ms", "measured")
    aims = [
        Aim("POST to first model call, p95", spreads["POST to first model call"].p95, 10, "ms", at_most=True),
        Aim("commit to SSE reader, p95", spreads["commit to SSE reader"].p95, 20, "ms", at_most=True),
    ]
    aims += latency_dispatch.aims(ways)
    notes = (
        "One run at a time. First table: over HTTP on SQLite, server and client each in a process of their own.",
        "The others: without HTTP; one process starts runs and follows them, and where it is not `in process` another",
        "works on them, on PostgreSQL. News: the outbox row of a run's start, and its number in the order of all news.",
    )
    numbers: dict[str, Any] = {name: {"p50": one.p50, "p95": one.p95, "p99": one.p99} for name, one in spreads.items()}
    numbers["ways"] = {way: asdict(delays) if delays else None for way, delays in ways.items()}
    tables = [Table(columns, rows), *latency_dispatch.tables(ways)]
    return Report("latency: how soon", tables, aims, notes, numbers)
