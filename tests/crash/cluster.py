"""Workers on one PostgreSQL, each a process of its own, with what stands around them and what must come of it."""

import asyncio
import json
import subprocess
import sys
from collections import Counter
from collections.abc import AsyncGenerator, Callable
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import asyncpg

from ripieno.bootstrap import Platform
from ripieno.clock import SystemClock
from ripieno.domain import ids, jsons
from ripieno.domain.errors import AlreadyDecided, StoreBusy
from ripieno.domain.filters import InterruptFilter
from ripieno.domain.interrupts import Decision, DecisionKind, Interrupt, InterruptKind, InterruptStatus
from ripieno.domain.principals import Principal
from ripieno.engine.api import StartRun
from ripieno.store import migrate
from ripieno.store.postgres.opening import open_postgres
from ripieno.testing.crashtest.witness import Witness
from tests.crash.given import ROOT
from tests.crash.postgres_worker import TIMES, TURN_TOOLS, Job, platform
from tests.servers import postgres

PROGRAM = "tests.crash.postgres_worker"
OPERATOR = Principal("operator")
PATIENCE = 60.0
TO_THE_END = 100.0
TAKEOVER = TIMES.lease + 10.0
"""The promise is a lease and 2 s; the rest is for busy machines."""


@dataclass
class Scene:
    """A database, its witness, and the processes at work on it."""

    folder: Path
    url: str
    api: Platform
    workers: list[subprocess.Popen[bytes]] = field(default_factory=list[subprocess.Popen[bytes]])
    way: str = ""
    """How workers reach the database, where that is not the URL."""

    def __post_init__(self) -> None:
        self.witness = Witness(self.folder / "witness")

    async def work(self, slots: int, **given: Any) -> subprocess.Popen[bytes]:
        """Start a worker, and wait until it works."""
        job = replace(Job(self.way or self.url, self.folder, self.folder / "witness", slots), **given)
        with (self.folder / f"log{len(self.workers)}").open("wb") as log:
            order = json.dumps(jsons.encode(job))
            worker = subprocess.Popen([sys.executable, "-m", PROGRAM, order], stderr=log, cwd=ROOT)
        self.workers.append(worker)
        await self.until(lambda: self.witness.saw("works", pid=worker.pid) or worker.poll() is not None)
        # Who is to kill itself may have done so before anybody looked.
        assert job.dies or worker.poll() is None, (self.folder / f"log{len(self.workers) - 1}").read_text()
        return worker

    async def start(self, count: int) -> None:
        """Start runs, however long the database takes none; each once."""
        for number in range(count):
            run_id = self.api.ports.clock.new_id(ids.RUN)
            while True:
                try:
                    await self.api.engine.start(StartRun(f"goal {number}", agent="clerk"), OPERATOR, run_id)
                except StoreBusy:
                    await asyncio.sleep(0.1)
                else:
                    break

    async def until(self, happened: Callable[[], bool], seconds: float = PATIENCE) -> None:
        async with asyncio.timeout(seconds):
            while not happened():
                await asyncio.sleep(0.02)

    async def called(self, count: int) -> None:
        """Wait until so many calls were made."""
        await self.until(lambda: len(self.calls()) >= count)

    async def to_the_end(self) -> None:
        """Answer what is asked until every run has ended."""
        async with asyncio.timeout(TO_THE_END):
            while await self.unended():
                with suppress(StoreBusy):
                    await self.attend()
                await asyncio.sleep(0.05)

    async def unended(self) -> bool:
        """Whether there is anything left to do, or nobody can say."""
        try:
            return bool(await self.sql("SELECT 1 FROM runs WHERE ended_at IS NULL LIMIT 1"))
        except (OSError, asyncpg.PostgresError, asyncpg.InterfaceError):
            return True

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
    scene = Scene(folder, url, platform(store, Job(url, folder, folder / "witness", slots=0)))
    try:
        yield scene
    finally:
        for worker in scene.workers:
            worker.kill()
            worker.wait()
        await store.close()
