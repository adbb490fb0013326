"""Halts: runs stop before their next call, hold no worker, and go on when they may."""

import asyncio
from collections.abc import Callable

import pytest

from ripieno.domain.errors import Halted, Invalid, NotFound, StoreBusy
from ripieno.domain.halts import Halt
from ripieno.domain.messages import ModelRequest, Reply
from ripieno.domain.principals import Principal
from ripieno.domain.runs import ExitReason, RunStatus
from ripieno.domain.tools import ToolStatus
from ripieno.engine.halting import Halting
from ripieno.store.dispatch_local import LocalDispatch
from ripieno.testing.fake_clock import FakeClock
from ripieno.testing.memory_halts import MemoryHalts
from ripieno.testing.memory_state import Memory
from ripieno.testing.recording_tools import Scripted
from ripieno.testing.scripted_model import calls, says
from tests.unit.engine.conftest import ALICE, Bench, Make

DONE = [says("done")]
PAYS = [calls(("shop.pay", {})), says("Paid.")]


def answers(_: ModelRequest) -> Reply:
    return says("done")


async def stop(bench: Bench, scope: str) -> Halt:
    return await bench.platform.halting.halt(ALICE, scope, "smoke")


async def let_go(bench: Bench, scope: str) -> None:
    await bench.platform.halting.lift(ALICE, scope, "")


@pytest.mark.parametrize("scope", ["tenant:default", "agent:clerk", "model:scripted", "tool:shop.*"])
async def test_run_waits_for_the_halt_without_a_worker_and_goes_on_after_it(make: Make, scope: str):
    bench = await make(PAYS, {"shop.pay": "paid"})
    halt = await stop(bench, scope)
    run = await bench.until(await bench.start(), RunStatus.WAITING)
    (wait,) = run.waits
    assert (wait["for"], wait["scope"], wait["by"], wait["reason"]) == ("halt", halt.scope, "alice", "smoke")
    assert bench.tools.calls == []
    assert bench.idle()
    await let_go(bench, scope)
    assert (await bench.ended(run)).status is RunStatus.COMPLETED
    assert len(bench.tools.calls) == 1


async def test_halt_of_one_run_leaves_others_alone(make: Make):
    bench = await make(answers)
    await stop(bench, "all")
    run, other = await bench.start(), await bench.start()
    await stop(bench, f"run:{run.id}")
    await let_go(bench, "all")
    assert (await bench.ended(other)).status is RunStatus.COMPLETED
    assert (await bench.until(run, RunStatus.WAITING)).last_seq == 0


async def test_halt_of_everything_leaves_runs_in_the_queue(make: Make):
    bench = await make(DONE)
    await stop(bench, "all")
    run = await bench.start()
    cancelled = await bench.start()
    await bench.platform.engine.cancel(ALICE, cancelled.id)
    assert (await bench.ended(cancelled)).status is RunStatus.CANCELLED
    await let_go(bench, "all")
    ended = await bench.ended(run)
    assert (ended.status, ended.epoch) == (RunStatus.COMPLETED, 1)


async def test_call_under_way_ends_and_is_recorded_then_the_run_parks(
    make: Make, gate_tool: Callable[..., tuple[Scripted, asyncio.Event, asyncio.Event]]
):
    tool, begun, may = gate_tool()
    bench = await make(PAYS, {"shop.pay": tool})
    run = await bench.start()
    await begun.wait()
    await stop(bench, "agent:clerk")
    may.set()
    await bench.until(run, RunStatus.WAITING)
    keys = await bench.keys(run)
    assert keys[-1].endswith("call/0")
    await let_go(bench, "agent:clerk")
    assert (await bench.ended(run)).status is RunStatus.COMPLETED
    assert len(bench.tools.calls) == 1


async def test_other_calls_of_the_turn_are_made(make: Make):
    script = [calls(("shop.pay", {}), ("shop.look", {})), says("done")]
    bench = await make(script, {"shop.pay": "paid", "shop.look": "seen"})
    await stop(bench, "tool:shop.pay")
    run = await bench.until(await bench.start(), RunStatus.WAITING)
    assert [made.call.name for made in bench.tools.calls] == ["shop.look"]
    await let_go(bench, "tool:shop.pay")
    assert (await bench.ended(run)).status is RunStatus.COMPLETED
    assert [made.call.name for made in bench.tools.calls] == ["shop.look", "shop.pay"]


async def test_halted_run_can_be_cancelled_and_meets_its_deadline(make: Make):
    bench = await make(answers)
    await stop(bench, "agent:clerk")
    cancelled = await bench.until(await bench.start(), RunStatus.WAITING)
    await bench.platform.engine.cancel(ALICE, cancelled.id)
    assert (await bench.ended(cancelled)).status is RunStatus.CANCELLED
    late = bench.platform.ports.clock.now()
    overdue = await bench.ended(await bench.start(deadline=late))
    assert (overdue.status, overdue.exit_reason) == (RunStatus.FAILED, ExitReason.DEADLINE)


async def test_halt_that_is_lifted_while_a_run_parks_is_not_missed(make: Make):
    bench = await make(DONE)
    halting = bench.platform.halting
    await stop(bench, "agent:clerk")
    run = await bench.until(await bench.start(), RunStatus.WAITING)
    await bench.platform.ports.operating.halts.lift("default", "agent:clerk", "", "bob")
    await halting.parked(run.waits)  # as this process knows, it is in force
    assert (await bench.until(run, RunStatus.WAITING)).waits
    await halting.refresh()
    assert (await bench.ended(run)).status is RunStatus.COMPLETED


async def test_direct_call_of_a_halted_tool_is_refused(make: Make):
    bench = await make(DONE, {"shop.look": "seen"})
    await stop(bench, "tool:shop.*")
    with pytest.raises(Halted, match=r"tool:shop\.\* was halted by alice: smoke"):
        await bench.platform.engine.call_tool(ALICE, "shop.look", {})
    await let_go(bench, "tool:shop.*")
    assert (await bench.platform.engine.call_tool(ALICE, "shop.look", {})).status is ToolStatus.OK


async def test_what_cannot_be_halted_is_refused(make: Make):
    bench = await make(DONE)
    with pytest.raises(Invalid):
        await stop(bench, "everything")
    with pytest.raises(NotFound):
        await let_go(bench, "agent:clerk")


class AwayHalts(MemoryHalts):
    """A store that is away when told to."""

    away: bool = False
    woken: int = 0

    async def wake(self) -> int:
        if self.away:
            raise StoreBusy("away")
        self.woken += 1
        return await super().wake()


async def test_waking_is_made_up_for_when_the_store_was_away():
    clock = FakeClock()
    stored = AwayHalts(Memory(), clock, LocalDispatch())
    one, other = Halting(stored, clock), Halting(stored, clock)
    await one.refresh()  # whoever starts wakes what nobody woke
    await other.refresh()
    assert stored.woken == 2
    await one.halt(Principal("bob"), "agent:clerk", "")
    await other.refresh()
    stored.away = True
    with pytest.raises(StoreBusy):
        await one.lift(Principal("bob"), "agent:clerk", "")
    with pytest.raises(StoreBusy):
        await other.parked(({"for": "halt", "scope": "agent:gone"},))
    stored.away = False
    await one.refresh()
    await other.refresh()
    await one.refresh()
    assert stored.woken == 4


async def test_watch_goes_on_while_the_store_is_away(caplog: pytest.LogCaptureFixture):
    clock = FakeClock()
    stored = AwayHalts(Memory(), clock, LocalDispatch())
    stored.away = True
    halting = Halting(stored, clock)
    async with asyncio.timeout(20), asyncio.TaskGroup() as group:
        watching = group.create_task(halting.watch())
        while "cannot be looked up" not in caplog.text:
            clock.advance(1)
            await asyncio.sleep(0)
        stored.away = False
        while not stored.woken:
            clock.advance(1)
            await asyncio.sleep(0)
        watching.cancel()
