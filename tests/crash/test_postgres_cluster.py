"""Two workers on one PostgreSQL; one is killed or frozen, or the server is: runs end, and nothing is paid twice."""

import asyncio
import signal
import subprocess
import sys
from collections import Counter
from collections.abc import AsyncGenerator, Callable, Iterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import asyncpg
import pytest

from ripieno.bootstrap import Platform
from ripieno.clock import SystemClock
from ripieno.domain.errors import AlreadyDecided, StoreBusy
from ripieno.domain.filters import InterruptFilter
from ripieno.domain.interrupts import Decision, DecisionKind, Interrupt, InterruptKind, InterruptStatus
from ripieno.domain.principals import Principal
from ripieno.engine.api import StartRun
from ripieno.store import migrate
from ripieno.store.postgres.opening import open_postgres
from ripieno.testing.crashtest.witness import Witness
from tests.crash.postgres_worker import TIMES, TURN_TOOLS, platform
from tests.servers import postgres

WORKER = Path(__file__).with_name("postgres_worker.py")
OPERATOR = Principal("operator")
PATIENCE = 60.0
TAKEOVER = TIMES.lease + 10.0
"""The promise is a lease and 2 s; the rest is for busy machines."""

pytestmark = [pytest.mark.crash, postgres.NEEDS]


@dataclass
class Scene:
    """A database, its witness, and the processes at work on it."""

    folder: Path
    url: str
    api: Platform
    workers: list[subprocess.Popen[bytes]] = field(default_factory=list[subprocess.Popen[bytes]])

    def __post_init__(self) -> None:
        self.witness = Witness(self.folder / "witness")

    async def work(self, slots: int, *freeze_before: int) -> subprocess.Popen[bytes]:
        """Start a worker, and wait until it works."""
        given = [self.url, self.folder, self.folder / "witness", slots, *freeze_before]
        with (self.folder / f"log{len(self.workers)}").open("wb") as log:
            worker = subprocess.Popen([sys.executable, WORKER, *map(str, given)], stderr=log)
        self.workers.append(worker)
        await self.until(lambda: self.witness.saw("works", pid=worker.pid))
        return worker

    async def start(self, count: int) -> None:
        for number in range(count):
            await self.api.engine.start(StartRun(f"goal {number}", agent="clerk"), OPERATOR)

    async def until(self, happened: Callable[[], bool], seconds: float = PATIENCE) -> None:
        async with asyncio.timeout(seconds):
            while not happened():
                await asyncio.sleep(0.02)

    async def called(self, count: int) -> None:
        """Wait until so many calls were made."""
        await self.until(lambda: len(self.calls()) >= count)

    async def to_the_end(self) -> None:
        """Answer what is asked until every run has ended."""
        async with asyncio.timeout(PATIENCE):
            while await self.sql("SELECT 1 FROM runs WHERE ended_at IS NULL"):
                with suppress(StoreBusy):
                    await self.attend()
                await asyncio.sleep(0.05)

    async def attend(self) -> None:
        """The operator looks at the world and says what became of an effect that nobody saw end."""
        pending = InterruptFilter(status=InterruptStatus.PENDING)
        for interrupt in await self.api.ports.records.interrupts("default", pending, 100):
            with suppress(AlreadyDecided):
                await self.api.engine.decide(OPERATOR, interrupt.id, self.judgement(interrupt))

    def judgement(self, interrupt: Interrupt) -> Decision:
        assert interrupt.kind is InterruptKind.UNKNOWN_EFFECT
        key = interrupt.key.partition("/unknown/")[0]
        happened = self.witness.saw("called", run=interrupt.run_id, key=key)
        return Decision(DecisionKind.COMMITTED if happened else DecisionKind.RETRY, OPERATOR.id, answer="paid")

    async def sql(self, statement: str, *parameters: Any) -> list[Any]:
        connection = await asyncpg.connect(self.url)
        try:
            return [tuple(row) for row in await connection.fetch(statement, *parameters)]
        finally:
            await connection.close()

    def calls(self) -> list[Any]:
        return [line for line in self.witness.lines() if line["what"] == "called"]

    async def check(self, runs: int) -> None:
        """Everything happened, the irreversible once, and the journals have neither gaps nor epochs that fall."""
        assert await self.sql("SELECT status, count(*) FROM runs GROUP BY status") == [("completed", runs)]
        broken = await self.sql(
            "SELECT run_id FROM (SELECT *, lag(epoch) OVER (PARTITION BY run_id ORDER BY seq) AS before FROM entries) e"
            " JOIN runs ON runs.id = run_id GROUP BY run_id, runs.last_seq"
            " HAVING count(*) <> max(seq) OR max(seq) <> runs.last_seq OR bool_or(before > e.epoch)"
        )
        assert broken == []
        paid = Counter((line["run"], line["key"]) for line in self.calls() if line["effect"] == "irreversible")
        assert len(paid) == runs * TURN_TOOLS.count("shop.pay")
        assert set(paid.values()) == {1}
        assert len({(line["run"], line["key"]) for line in self.calls()}) == runs * len(TURN_TOOLS)
        assert await self.sql("SELECT 1 FROM effects WHERE state IN ('intended', 'unknown')") == []
        done = "SELECT run_id, key FROM effects WHERE tool = 'shop.pay' AND state = 'done'"
        assert sorted(await self.sql(done)) == sorted(paid)


@asynccontextmanager
async def opened(server: postgres.PostgresServer, name: str, folder: Path) -> AsyncGenerator[Scene]:
    """A scene in a new database; its workers end with it."""
    url = server.create(name)
    await migrate.upgrade_database(url)
    store = await open_postgres(url, SystemClock(), TIMES)
    scene = Scene(folder, url, platform(store, folder, Witness(folder / "witness"), 0))
    try:
        yield scene
    finally:
        for worker in scene.workers:
            worker.kill()
            worker.wait()
        await store.close()


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
        zombie = await scene.work(1, batch)
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
