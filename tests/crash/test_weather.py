"""Three workers in bad weather: killed, frozen, cut off in the middle of commits, their database restarted.

A failure is replayed by its seed: `python -m tests.crash.campaign --seed 1 --stories 1`. The long campaign is the same
with more seeds.
"""

from pathlib import Path

import pytest

from tests.crash.weather import weather
from tests.servers import postgres
from tests.servers.postgres import PostgresServer

pytestmark = [pytest.mark.crash, postgres.NEEDS, pytest.mark.timeout(400)]


@pytest.mark.parametrize("seed", [1])
async def test_every_run_ends_and_nothing_is_done_twice(tmp_path: Path, seed: int):
    with PostgresServer() as server:
        async with weather(server, seed, tmp_path) as bad:
            await bad.come(disturbances=6)
