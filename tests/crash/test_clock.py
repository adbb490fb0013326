"""The clock of the machine jumps, as after a suspended laptop or a wrong time server."""

import asyncio
import random
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path

import pytest

from ripieno import bootstrap
from ripieno.bootstrap import Platform
from ripieno.clock import SystemClock
from ripieno.domain import ids
from ripieno.domain.errors import Conflict
from ripieno.domain.filters import InterruptFilter
from ripieno.domain.interrupts import Decision, DecisionKind, InterruptStatus
from ripieno.domain.principals import Principal
from ripieno.domain.runs import ExitReason, Run, RunStatus
from ripieno.domain.tools import Risk
from ripieno.engine.api import StartRun
from ripieno.engine.worker import Options
from ripieno.store.dispatch_local import LocalDispatch
from ripieno.store.embedded import open_store
from ripieno.testing.crashtest.judging import judge
from ripieno.testing.crashtest.life import ENDED, live
from ripieno.testing.crashtest.plans import Life
from ripieno.testing.crashtest.witness import Witness
from ripieno.testing.recording_tools import RecordingTools, Scripted
from ripieno.testing.scripted_model import ScriptedModel, calls, says
from tests.crash.engines import Players, ports_on
from tests.crash.given import MANY_RUNS

pytestmark = pytest.mark.crash

ALICE = Principal("alice")
HOUR = timedelta(hours=1)


class JumpingClock(SystemClock):
    """The machine's clock, set forth or back. Like the real one, it never moves `monotonic`."""

    def __init__(self) -> None:
        self.ahead = timedelta()

    def now(self) -> datetime:
        return super().now() + self.ahead

    def new_id(self, prefix: str) -> str:
        true = super().new_id(prefix)
        return ids.compose(prefix, int(self.now().timestamp() * 1000), bytes.fromhex(true[-20:]))


@pytest.mark.parametrize("seed", range(2))
async def test_runs_at_work_do_not_mind(tmp_path: Path, seed: int):
    dice, clock = random.Random(seed), JumpingClock()  # noqa: S311 - a dice, no secret
    life = Life(replace(MANY_RUNS, goal=f"jump {seed}", runs=10), tmp_path)
    jumps = 0

    async def jump() -> None:
        nonlocal jumps
        while True:
            clock.ahead = dice.choice([-HOUR, timedelta(), HOUR])
            jumps += 1
            await asyncio.sleep(0.005)

    async with asyncio.TaskGroup() as group:
        jumping = group.create_task(jump())
        assert await live(life, clock) == ENDED
        jumping.cancel()
    verdict = judge(Witness(life.witness).lines())
    assert not verdict.findings
    assert (verdict.ended, verdict.asked, verdict.again) == (10, 0, {})
    assert verdict.effects["irreversible"] == 20
    assert jumps > 10


@asynccontextmanager
async def waiting_clerks(folder: Path, clock: JumpingClock, tools: RecordingTools) -> AsyncGenerator[Platform]:
    """A platform whose clerk wants to pay first and then answers."""
    dispatch = LocalDispatch()
    store = await open_store(folder, clock, dispatch)
    model = ScriptedModel([calls(("shop.pay", {})), says("That is all.")], per_conversation=True)
    ports = ports_on(store, dispatch, Players(model, tools), folder, clock)
    async with bootstrap.running(bootstrap.assemble(ports, Options())) as platform:
        yield platform
    await store.close()


async def stands(platform: Platform, run: Run, *statuses: RunStatus) -> Run:
    async with asyncio.timeout(20):
        while (found := await platform.ports.records.run("default", run.id)).status not in statuses:
            await asyncio.sleep(0.01)
    return found


async def upkeep(platform: Platform) -> None:
    """Let the pump look at the clock, and what it woke go on."""
    for _ in range(2):
        await platform.ports.journal.pump()
        await asyncio.sleep(0.05)


async def test_deadlines_and_expiries_follow_the_clock_and_stay(tmp_path: Path):
    clock, tools = JumpingClock(), RecordingTools({"shop.pay": Scripted("paid", risk=Risk.HIGH)})
    async with waiting_clerks(tmp_path, clock, tools) as platform:
        soon = StartRun("pay", agent="clerk", deadline=clock.now() + HOUR / 2)
        hasty = await platform.engine.start(soon, ALICE)
        patient = await platform.engine.start(StartRun("pay", agent="clerk"), ALICE)
        for run in (hasty, patient):
            await stands(platform, run, RunStatus.AWAITING_APPROVAL)

        clock.ahead = -HOUR
        await upkeep(platform)
        assert (await stands(platform, hasty, RunStatus.AWAITING_APPROVAL)).wake_at == soon.deadline

        clock.ahead = HOUR
        await upkeep(platform)
        assert (await stands(platform, hasty, RunStatus.FAILED)).exit_reason is ExitReason.DEADLINE
        await stands(platform, patient, RunStatus.AWAITING_APPROVAL)

        clock.ahead = timedelta(days=4)
        await upkeep(platform)
        ended = await stands(platform, patient, RunStatus.COMPLETED)
        assert ended.result is not None

        clock.ahead = -HOUR
        await upkeep(platform)
        statuses: set[InterruptStatus] = set()
        for interrupt in await platform.ports.records.interrupts("default", InterruptFilter(), 10):
            statuses.add(interrupt.status)
            with pytest.raises(Conflict):
                await platform.engine.decide(ALICE, interrupt.id, Decision(DecisionKind.APPROVE, "alice"))
        assert statuses == {InterruptStatus.VOID, InterruptStatus.EXPIRED}
        assert (await stands(platform, hasty, RunStatus.FAILED)).ended_at is not None
    assert not tools.calls
