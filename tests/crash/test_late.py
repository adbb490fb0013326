"""A worker that is frozen for longer than its lease, in a call that then ends: what it saw still counts, once."""

import asyncio
import signal
from pathlib import Path

import pytest

from ripieno.domain.filters import InterruptFilter
from ripieno.domain.interrupts import Decision, DecisionKind, Interrupt
from tests.crash.cluster import OPERATOR, PATIENCE, TAKEOVER, Scene, opened
from tests.servers import postgres

pytestmark = [pytest.mark.crash, postgres.NEEDS, pytest.mark.timeout(200)]

OUTCOME_OF_PAY = 9
"""The batch with the outcome of a run's first irreversible call: it happened, and nobody was told."""


async def frozen(scene: Scene) -> None:
    """One worker stops itself after it has paid; another takes the run, and asks what became of the payment."""
    zombie = await scene.work(1, freeze_before=OUTCOME_OF_PAY)
    await scene.start(1)
    status = Path(f"/proc/{zombie.pid}/stat")
    await scene.until(lambda: status.read_text().rpartition(")")[2].split()[0] == "T")
    await scene.work(1)
    async with asyncio.timeout(TAKEOVER):
        while not await scene.sql("SELECT 1 FROM runs WHERE status = 'awaiting_input'"):
            await asyncio.sleep(0.05)


async def question(scene: Scene) -> Interrupt:
    (asked,) = await scene.api.ports.records.interrupts("default", InterruptFilter(), 9)
    return asked


async def paid(scene: Scene) -> list[tuple[str]]:
    return await scene.sql("SELECT state FROM effects WHERE tool = 'shop.pay' ORDER BY seq")


async def completed(scene: Scene) -> None:
    async with asyncio.timeout(PATIENCE):
        while await scene.unended():
            await asyncio.sleep(0.05)


async def test_the_run_goes_on_with_it_and_nobody_has_to_answer(tmp_path: Path):
    async with opened(postgres.shared(), "late", tmp_path) as scene:
        await frozen(scene)
        assert await paid(scene) == [("unknown",)]
        scene.workers[0].send_signal(signal.SIGCONT)
        await completed(scene)
        await scene.check(1)
        assert (await question(scene)).status == "void"
        assert scene.workers[0].poll() is None


async def test_what_a_person_said_and_the_run_went_on_with_stays(tmp_path: Path):
    async with opened(postgres.shared(), "too_late", tmp_path) as scene:
        await frozen(scene)
        left = Decision(DecisionKind.ABANDON, OPERATOR.id)
        await scene.api.engine.decide(OPERATOR, (await question(scene)).id, left)
        await completed(scene)
        assert await paid(scene) == [("abandoned",), ("done",)]
        scene.workers[0].send_signal(signal.SIGCONT)
        ignored = "SELECT body -> 'detail' ->> 'came_late' FROM outbox WHERE body ->> 'action' = 'IGNORE_OUTCOME'"
        async with asyncio.timeout(PATIENCE):
            while not (found := await scene.sql(ignored)):
                await asyncio.sleep(0.05)
        assert found == [("done",)]
        assert await paid(scene) == [("abandoned",), ("done",)]


async def test_an_ended_run_has_it_in_its_ledger(tmp_path: Path):
    async with opened(postgres.shared(), "late_end", tmp_path) as scene:
        await frozen(scene)
        await scene.api.engine.cancel(OPERATOR, (await question(scene)).run_id)
        assert await paid(scene) == [("unknown",)]
        scene.workers[0].send_signal(signal.SIGCONT)
        async with asyncio.timeout(PATIENCE):
            while await paid(scene) != [("done",)]:
                await asyncio.sleep(0.05)
        assert await scene.sql("SELECT state FROM dead_letters") == [("discarded",)]
        assert await scene.sql("SELECT 1 FROM inbox WHERE topic = 'effect.late'") == []
