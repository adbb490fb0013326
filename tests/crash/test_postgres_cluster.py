"""Two workers on one PostgreSQL; one is killed or frozen, or the server is: runs end, and nothing is paid twice."""

import asyncio
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.crash.cluster import TAKEOVER, opened
from tests.servers import postgres

pytestmark = [pytest.mark.crash, postgres.NEEDS]


@pytest.fixture
def private() -> Iterator[postgres.PostgresServer]:
    """A server that the test may kill."""
    with postgres.PostgresServer() as server:
        yield server


async def test_killed_workers_runs_go_on_elsewhere(tmp_path: Path):
    async with opened(postgres.shared(), "killed", tmp_path) as scene:
        first = await scene.work(8)
        await scene.start(1)
        await scene.called(1)
        ((name,),) = await scene.sql("SELECT id FROM workers")
        await scene.work(4)
        await scene.start(29)
        await scene.called(40)
        first.kill()
        first.wait()
        async with asyncio.timeout(TAKEOVER):
            while await scene.sql("SELECT 1 FROM runs WHERE status = 'running' AND owner = $1", name):
                await asyncio.sleep(0.05)
        await scene.to_the_end()
        await scene.check(30)
        assert await scene.sql("SELECT count(*) > 0 FROM runs WHERE epoch > 1") == [(True,)]
        assert await scene.sql("SELECT dead FROM workers WHERE id = $1", name) == [(True,)]


@pytest.mark.parametrize("batch", [4, 9, 14])
async def test_zombie_commits_nothing_and_acts_no_more(tmp_path: Path, batch: int):
    async with opened(postgres.shared(), f"zombie{batch}", tmp_path) as scene:
        zombie = await scene.work(1, freeze_before=batch)
        await scene.start(1)
        await scene.called(1)
        ((name,),) = await scene.sql("SELECT id FROM workers")
        status = Path(f"/proc/{zombie.pid}/stat")
        await scene.until(lambda: status.read_text().rpartition(")")[2].split()[0] == "T")
        ((frozen_in,),) = await scene.sql("SELECT id FROM runs WHERE owner = $1 AND status = 'running'", name)
        await scene.work(4)
        await scene.start(9)
        async with asyncio.timeout(TAKEOVER):
            while await scene.sql("SELECT 1 FROM runs WHERE status = 'running' AND owner = $1", name):
                await asyncio.sleep(0.05)
        zombie.send_signal(signal.SIGCONT)
        await scene.to_the_end()
        await scene.until(lambda: b"another worker owns the run now" in (tmp_path / "log0").read_bytes())
        assert zombie.poll() is None
        (epochs,) = await scene.sql("SELECT min(epoch), max(epoch) FROM entries WHERE run_id = $1", frozen_in)
        assert epochs[0] == 1 < epochs[1]  # and `check` sees that nothing of the first came after the second
        await scene.check(10)


async def test_server_that_loses_its_power_loses_nothing(tmp_path: Path, private: postgres.PostgresServer):
    async with opened(private, "power", tmp_path) as scene:
        await scene.work(6)
        await scene.work(6)
        await scene.start(30)
        for seen in (30, 90):
            await scene.called(seen)
            private.restart()
        await scene.to_the_end()
        await scene.check(30)
        assert all(worker.poll() is None for worker in scene.workers)
        for worker in scene.workers:
            worker.send_signal(signal.SIGTERM)
        await scene.until(lambda: all(worker.poll() == 0 for worker in scene.workers))
