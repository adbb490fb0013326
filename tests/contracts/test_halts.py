"""Halts: kept, audited, and waking what waits for them."""

import asyncio

import pytest

from ripieno.domain import halts
from ripieno.domain.errors import NotFound
from ripieno.domain.halts import Halt
from ripieno.domain.hints import HintKind
from ripieno.domain.jsons import JsonObject
from ripieno.domain.outbox import AuditFilter
from ripieno.domain.runs import Run, RunStatus
from tests.contracts.bed import TENANT, Bed


async def halt(bed: Bed, scope: str) -> Halt:
    return await bed.halts.halt(TENANT, scope, "smoke", "bob")


async def halted(bed: Bed, *those: Halt, status: RunStatus = RunStatus.WAITING) -> Run:
    return await waiting(bed, *map(halts.waiting_for, those), status=status)


async def waiting(bed: Bed, *waits: JsonObject, status: RunStatus = RunStatus.WAITING) -> Run:
    run = await bed.running()
    assert await bed.park(run, status, waits=waits)
    return run


async def test_halts_are_kept_until_they_are_lifted(bed: Bed):
    first = await halt(bed, "agent:clerk")
    assert first == Halt("agent:clerk", "smoke", "bob", bed.clock.now())
    bed.clock.advance(1)
    second = await halt(bed, "tool:shop.*")
    assert await bed.halts.all() == [first, second]
    again = await bed.halts.halt(TENANT, "agent:clerk", "still smoke", "carol")
    assert again == Halt("agent:clerk", "still smoke", "carol", first.at)
    assert await bed.halts.lift(TENANT, "agent:clerk", "out", "dave") == again
    assert await bed.halts.all() == [second]
    with pytest.raises(NotFound):
        await bed.halts.lift(TENANT, "agent:clerk", "out", "dave")
    rows = await bed.outbox.audits(TENANT, AuditFilter(), 10)
    assert [(row.action, row.actor, row.target, row.detail) for row in rows] == [
        ("UNHALT_AGENT", "dave", "agent:clerk", {"reason": "out"}),
        ("HALT_AGENT", "carol", "agent:clerk", {"reason": "still smoke"}),
        ("HALT_TOOL", "bob", "tool:shop.*", {"reason": "smoke"}),
        ("HALT_AGENT", "bob", "agent:clerk", {"reason": "smoke"}),
    ]


async def test_runs_wake_when_nothing_halts_them_any_more(bed: Bed):
    tool, agent = await halt(bed, "tool:shop.*"), await halt(bed, "agent:clerk")
    by_tool = await halted(bed, tool)
    by_agent = await halted(bed, agent)
    asking = await halted(bed, tool, status=RunStatus.AWAITING_APPROVAL)
    held = await halted(bed, tool)
    await bed.journal.pause(TENANT, held.id, "alice")
    for_a_child = await waiting(bed, {"for": "child", "run_id": "run_x"})
    assert await bed.halts.wake() == 0
    await bed.halts.lift(TENANT, "tool:shop.*", "", "bob")
    bed.hints.clear()
    assert await bed.halts.wake() == 2
    assert bed.hinted(by_tool.id) == {HintKind.WORK, HintKind.STATUS}
    runs = (by_tool, asking, by_agent, held, for_a_child)
    assert [(await bed.row(run)).status for run in runs] == [
        RunStatus.QUEUED,
        RunStatus.QUEUED,
        RunStatus.WAITING,
        RunStatus.PAUSED,
        RunStatus.WAITING,
    ]
    assert (await bed.row(by_tool)).waits == ()
    assert await bed.halts.wake() == 0


async def test_many_that_wait_are_all_woken_once(bed: Bed):
    everything = await halt(bed, "all")
    started = [await bed.start() for _ in range(250)]
    parked = [claimed.run for claimed in await bed.journal.claim("w1", 1000)]
    for run in parked:
        await bed.park(run, waits=(halts.waiting_for(everything),), inbox_seq=0)
    await bed.halts.lift(TENANT, "all", "", "bob")
    woken = await asyncio.gather(*(bed.halts.wake() for _ in range(3)))
    assert sum(woken) == len(started) == 250
