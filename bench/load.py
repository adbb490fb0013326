"""`python -m bench.load URL AT_ONCE RUNS`: start runs over HTTP and wait for each; prints what it saw as JSON.

A process of its own, so that its work is not counted as the server's. Each of `AT_ONCE` clients has one connection.
"""

import asyncio
import json
import sys
import time
from contextlib import AsyncExitStack

from bench.goals import AGENT, LOOK_UP
from bench.programs import BenchFailed, closed_loop
from bench.wire import Connection

BODY = {"goal": LOOK_UP, "agent": AGENT}
PATH = "/v1/runs?wait=60"


async def main(url: str, at_once: int, runs: int) -> None:
    times_ms: list[float] = []
    async with AsyncExitStack() as stack:
        idle = [await stack.enter_async_context(Connection.to(url)) for _ in range(at_once)]

        async def run(_: int) -> None:
            connection = idle.pop()
            began = time.perf_counter()
            ended = await connection.post(PATH, BODY)
            times_ms.append((time.perf_counter() - began) * 1000)
            idle.append(connection)
            if ended["status"] != "completed":
                raise BenchFailed(f"a run is {ended['status']}: {ended}")

        began, cpu_began = time.perf_counter(), time.process_time()
        await closed_loop(at_once, runs, run)
        seconds, cpu_seconds = time.perf_counter() - began, time.process_time() - cpu_began
    print(json.dumps({"seconds": seconds, "client_cpu_seconds": cpu_seconds, "times_ms": times_ms}))


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1], int(sys.argv[2]), int(sys.argv[3])))
