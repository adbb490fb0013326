"""The long campaign: bad weather, killed agents and random histories, seed after seed, until the time is up.

    python -m tests.crash.campaign --seed 1 --minutes 30

Each story is printed with its seed before it begins; `--seed N --stories 1` tells one again. Exit code 1 and the folder
of the story that failed come with the first failure.
"""

import argparse
import asyncio
import logging
import random
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

from hypothesis import HealthCheck, settings
from hypothesis import seed as seeded
from hypothesis.stateful import RuleBasedStateMachine, run_state_machine_as_test

from ripieno.testing.crashtest.campaign import Wishes, crashtest
from tests.contracts.test_machine import Journals, JournalsOnPostgres
from tests.contracts.test_machine_cluster import Cluster
from tests.crash.cluster import opened
from tests.crash.given import MANY_RUNS, ONE_RUN, TEAM_RUN
from tests.crash.test_postgres_cluster import killed_at, places
from tests.crash.weather import weather
from tests.servers.postgres import PostgresServer


def bad_weather(seed: int, folder: Path) -> str:
    """Three workers on PostgreSQL."""

    async def tell() -> str:
        folder.mkdir()
        with PostgresServer() as server:
            async with weather(server, seed, folder) as bad:
                await bad.come(disturbances=12)
                taken = await bad.scene.sql("SELECT count(*) FROM runs WHERE epoch > 1")
                asked = await bad.scene.sql("SELECT count(*) FROM interrupts")
                return f"{', '.join(bad.done)}: {taken[0][0]} runs taken over, {asked[0][0]} lost calls asked about"

    return asyncio.run(tell())


def killed_everywhere(seed: int, folder: Path) -> str:
    """An agent or a team on SQLite, killed at all boundaries."""
    plan = random.Random(seed).choice([ONE_RUN, TEAM_RUN, replace(MANY_RUNS, runs=2)])  # noqa: S311 - a dice
    report = crashtest(replace(plan, goal=f"{plan.goal} {seed}"), folder, Wishes())
    assert report.passed, list(report.findings())
    return f"{plan.agent}: {len(report.trials)} kills"


def killed_on_postgres(seed: int, folder: Path) -> str:
    """Workers on PostgreSQL, killed one after the other at boundaries taken at random."""

    async def tell() -> str:
        folder.mkdir()
        chosen = random.Random(seed).sample(places(), 4)  # noqa: S311 - a dice
        with PostgresServer() as server:
            async with opened(server, "killed", folder) as scene:
                await killed_at(scene, chosen)
        return ", ".join(chosen)

    return asyncio.run(tell())


def histories(seed: int, folder: Path) -> str:
    """The journals as state machines."""
    del folder
    machines: list[type[RuleBasedStateMachine]] = [Journals, JournalsOnPostgres, Cluster]
    machine = random.Random(seed).choice(machines)  # noqa: S311 - a dice
    long = settings(
        max_examples=60,
        stateful_step_count=50,
        deadline=None,
        database=None,
        suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large, HealthCheck.filter_too_much],
    )
    run_state_machine_as_test(seeded(seed)(machine), settings=long)
    return machine.__name__


STORIES: list[Callable[[int, Path], str]] = [bad_weather, killed_everywhere, histories, killed_on_postgres]


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--minutes", type=float, default=30.0)
    parser.add_argument("--stories", type=int, default=sys.maxsize, help="at most so many")
    asked = parser.parse_args()
    logging.basicConfig(stream=sys.stderr, level=logging.ERROR)
    ends = time.monotonic() + asked.minutes * 60
    for seed in range(asked.seed, asked.seed + asked.stories):
        if time.monotonic() > ends:
            break
        story = STORIES[seed % len(STORIES)]
        folder = Path(tempfile.mkdtemp(prefix=f"ripieno-crash-{seed}-"))
        print(f"seed {seed}: {story.__name__} … ", end="", flush=True)  # noqa: T201 - a program
        try:
            print(story(seed, folder / "story"))  # noqa: T201
        except BaseException:
            print(f"FAILED, see {folder}\n  again: python -m tests.crash.campaign --seed {seed} --stories 1")  # noqa: T201
            raise
    return 0


if __name__ == "__main__":
    sys.exit(main())
