"""Two workers on one PostgreSQL; one is killed or frozen, or the server is: runs end, and nothing is paid twice."""

import asyncio
import signal
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest

from tests.crash.cluster import TAKEOVER, Scene, opened
from tests.servers import postgres
from tests.servers.brokers import REAL, Brokers

pytestmark = [pytest.mark.crash, postgres.NEEDS, pytest.mark.timeout(400)]


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


def places() -> list[str]:
    """Around all that a worker commits for its first run, and around its first upkeep."""
    appends = [f"{side} append {number}" for number in range(1, 17) for side in ("before", "after")]
    return ["after claim 1", *appends, "before finish 1", "after finish 1", "before pump 1", "after pump 2"]


async def killed_at(scene: Scene, chosen: Sequence[str]) -> None:
    """One worker after the other dies, each at its place; another one takes over and nothing is lost or doubled."""
    for place in chosen:
        await scene.start(1)
        doomed = await scene.work(1, dies=place)
        await scene.until(lambda doomed=doomed: doomed.poll() is not None)
        assert doomed.returncode == -signal.SIGKILL
    await scene.work(4)
    await scene.to_the_end()
    await scene.check(len(chosen))


@pytest.mark.parametrize("first", [0, 5])
async def test_killed_at_boundaries_one_worker_after_the_other(tmp_path: Path, first: int):
    """Every twelfth; the campaign takes them at random."""
    async with opened(postgres.shared(), f"boundaries{first}", tmp_path) as scene:
        await killed_at(scene, places()[first::12])


@pytest.mark.parametrize("kind", REAL)
async def test_broker_that_dies_and_comes_back_costs_time_only(tmp_path: Path, brokers: Brokers, kind: str):
    server = brokers(kind)
    async with opened(postgres.shared(), f"broker-{kind}", tmp_path) as scene:
        for noise in (None, 7):
            await scene.work(4, broker=server.url, noise=noise)
        await scene.start(8)
        await scene.called(5)
        server.kill()
        await scene.start(8)
        await scene.called(60)
        await asyncio.to_thread(server.start)
        await scene.start(8)
        await scene.to_the_end()
        await scene.check(24)
        assert all(worker.poll() is None for worker in scene.workers)
