"""Cancel, pause and resume: at once where there is no leg, by request where there is one."""

import asyncio
from collections.abc import Awaitable, Callable

import pytest

from ripieno.domain.batches import EffectClose
from ripieno.domain.effects import EffectState
from ripieno.domain.entries import EntryType
from ripieno.domain.errors import IntentRefused, LegLost, NotHeld, RunEnded
from ripieno.domain.hints import HintKind
from ripieno.domain.outbox import AuditFilter
from ripieno.domain.runs import ExitReason, Run, RunStatus
from tests.contracts.bed import TENANT, Bed, intent


async def _queued(bed: Bed) -> Run:
    return await bed.records.run(TENANT, await bed.start())


async def _paused(bed: Bed) -> Run:
    run = await _queued(bed)
    return await bed.journal.pause(TENANT, run.id, "alice")


async def _waiting(bed: Bed) -> Run:
    return await bed.row(await bed.parked(RunStatus.AWAITING_INPUT))


@pytest.mark.parametrize("legless", [_queued, _paused, _waiting])
async def test_cancel_without_a_leg_ends_at_once(bed: Bed, legless: Callable[[Bed], Awaitable[Run]]):
    before = await legless(bed)
    bed.hints.clear()
    run = await bed.journal.cancel(TENANT, before.id, "bob", "no need")
    assert (run.status, run.exit_reason, run.epoch) == (RunStatus.CANCELLED, ExitReason.OPERATOR, before.epoch + 1)
    assert (run.cancel_at, run.ended_at) == (bed.clock.now(), bed.clock.now())
    assert run.result is not None
    (ending,) = await bed.records.entries(TENANT, run.id)
    assert (ending.key, ending.type, ending.epoch) == ("end", EntryType.RUN_CANCELLED, run.epoch)
    assert ending.body["result"]["error"]["detail"] == "cancelled by bob: no need"
    assert run == await bed.row(run)
    assert bed.hinted(run.id) == {HintKind.PROGRESS, HintKind.STATUS}
    assert await bed.journal.claim("w1", 10) == []


async def test_cancel_asks_the_leg_once(bed: Bed):
    run = await bed.running()
    await bed.append(run, "i", intents=(intent(run, "a"),))
    asked_at = bed.clock.now()
    bed.hints.clear()
    row = await bed.journal.cancel(TENANT, run.id, "bob", "")
    assert (row.status, row.cancel_at, row.epoch) == (RunStatus.RUNNING, asked_at, run.epoch)
    assert bed.hinted(run.id) == {HintKind.CONTROL}
    bed.clock.advance(3)
    assert (await bed.journal.cancel(TENANT, run.id, "carol", "")).cancel_at == asked_at
    await bed.append(run, "a", closes=(EffectClose("a", 1, EffectState.DONE),))
    await bed.finish(run, RunStatus.CANCELLED)
    assert (await bed.row(run)).status is RunStatus.CANCELLED
    assert await bed.states(run) == [EffectState.DONE]


async def test_cancelled_stays_cancelled_and_cancelling_again_is_no_error(bed: Bed):
    run = await bed.parked()
    first = await bed.journal.cancel(TENANT, run.id, "bob", "")
    bed.clock.advance(1)
    assert await bed.journal.cancel(TENANT, run.id, "carol", "") == first
    with pytest.raises(RunEnded):
        await bed.send(run, "d")


@pytest.mark.parametrize("status", [RunStatus.COMPLETED, RunStatus.FAILED])
async def test_what_ended_otherwise_cannot_be_cancelled_paused_or_resumed(bed: Bed, status: RunStatus):
    run = await bed.ended(status)
    for refused in (
        bed.journal.cancel(TENANT, run.id, "bob", ""),
        bed.journal.pause(TENANT, run.id, "alice"),
        bed.journal.resume(TENANT, run.id, "alice"),
    ):
        with pytest.raises(RunEnded):
            await refused
    assert (await bed.row(run)).status is status


async def test_children_and_grandchildren_follow(bed: Bed):
    root = await bed.parked()
    waiting = await bed.parked(parent_id=root.id)
    below = await bed.start(parent_id=waiting.id)
    working = await bed.running(parent_id=root.id)
    done = await bed.start(parent_id=root.id)
    (finished,) = [claimed.run for claimed in await bed.journal.claim("w", 9) if claimed.run.id == done]
    await bed.finish(finished)
    working_below = await bed.row_of(below)
    await bed.journal.cancel(TENANT, root.id, "bob", "")
    statuses = [(await bed.row_of(run_id)).status for run_id in (root.id, waiting.id, working.id, done)]
    assert statuses == [RunStatus.CANCELLED, RunStatus.CANCELLED, RunStatus.RUNNING, RunStatus.COMPLETED]
    assert (await bed.row(working)).cancel_at == bed.clock.now()
    assert working_below.status is RunStatus.RUNNING
    assert (await bed.row_of(below)).cancel_at == bed.clock.now()


async def test_child_started_after_the_cancellation_follows_with_the_pump(bed: Bed):
    parent = await bed.running()
    await bed.journal.cancel(TENANT, parent.id, "bob", "enough")
    child = bed.new(parent_id=parent.id)
    await bed.append(parent, "child/late", children=(child,))
    await bed.finish(parent, RunStatus.CANCELLED)
    await bed.journal.pump()
    row = await bed.row_of(child.id)
    assert row.status is RunStatus.CANCELLED
    assert row.result is not None
    assert row.result.error is not None
    assert row.result.error.detail == "cancelled by bob: enough"


async def test_cancel_tells_the_parent(bed: Bed):
    parent = await bed.running()
    child = await bed.parked(parent_id=parent.id)
    await bed.journal.cancel(TENANT, child.id, "bob", "")
    (message,) = (await bed.journal.unread(parent.id, parent.epoch))[1]
    assert (message.topic, message.dedupe, message.body["run_id"]) == ("child.ended", child.id, child.id)
    assert message.body["result"]["status"] == "cancelled"


async def test_no_intent_follows_an_acknowledged_cancel(bed: Bed):
    runs = [await bed.running() for _ in range(100)]
    acknowledged: set[str] = set()
    after: list[str] = []

    async def cancel(run: Run) -> None:
        await bed.journal.cancel(TENANT, run.id, "bob", "")
        acknowledged.add(run.id)

    async def work(run: Run) -> None:
        for turn in range(20):
            late = run.id in acknowledged
            try:
                await bed.append(run, f"i{turn}", intents=(intent(run, f"a{turn}"),))
            except IntentRefused:
                return
            if late:
                after.append(run.id)

    await asyncio.gather(*(part(run) for run in runs for part in (work, cancel)))
    assert len(acknowledged) == 100
    assert after == []


async def test_pause_stops_what_is_queued_and_resume_queues_it(bed: Bed):
    run_id = await bed.start()
    bed.hints.clear()
    paused = await bed.journal.pause(TENANT, run_id, "alice")
    assert (paused.status, paused.hold, bed.hinted(run_id)) == (RunStatus.PAUSED, True, {HintKind.STATUS})
    assert await bed.journal.pause(TENANT, run_id, "alice") == paused
    assert await bed.journal.claim("w1", 1) == []
    resumed = await bed.journal.resume(TENANT, run_id, "alice")
    assert (resumed.status, resumed.hold) == (RunStatus.QUEUED, False)
    assert bed.hinted(run_id) == {HintKind.WORK, HintKind.STATUS}
    assert len(await bed.journal.claim("w1", 1)) == 1


async def test_pause_lets_a_leg_go_on_with_what_it_began(bed: Bed):
    run = await bed.running()
    bed.hints.clear()
    paused = await bed.journal.pause(TENANT, run.id, "alice")
    assert (paused.status, paused.hold, bed.hinted(run.id)) == (RunStatus.RUNNING, True, {HintKind.CONTROL})
    await bed.append(run, "outcome")
    bed.hints.clear()
    resumed = await bed.journal.resume(TENANT, run.id, "alice")
    assert (resumed.status, resumed.hold, bed.hinted(run.id)) == (RunStatus.RUNNING, False, {HintKind.CONTROL})
    await bed.append(run, "i", intents=(intent(run, "a"),))


async def test_pause_of_a_waiting_run_keeps_what_it_waits_for(bed: Bed):
    run = await bed.running()
    await bed.park(run, waits=({"for": "timer"},), wake_at=bed.after(5))
    paused = await bed.journal.pause(TENANT, run.id, "alice")
    assert (paused.status, paused.waits) == (RunStatus.PAUSED, ({"for": "timer"},))
    bed.clock.advance(10)
    assert (await bed.journal.pump()).woken == 0
    assert (await bed.journal.resume(TENANT, run.id, "alice")).status is RunStatus.QUEUED


async def test_only_the_held_are_resumed(bed: Bed):
    run = await bed.parked()
    with pytest.raises(NotHeld):
        await bed.journal.resume(TENANT, run.id, "alice")


async def test_cancel_beats_pause(bed: Bed):
    run = await bed.running()
    await bed.journal.pause(TENANT, run.id, "alice")
    await bed.journal.cancel(TENANT, run.id, "bob", "")
    await bed.journal.release(run.id, run.epoch)
    assert (await bed.row(run)).status is RunStatus.CANCELLED
    with pytest.raises(LegLost):
        await bed.append(run, "late")


async def test_a_run_that_is_resumed_before_its_leg_parks_is_not_parked_as_paused(bed: Bed):
    run = await bed.running()
    await bed.journal.pause(TENANT, run.id, "alice")
    await bed.journal.resume(TENANT, run.id, "alice")
    assert await bed.park(run, RunStatus.PAUSED) is False
    assert (await bed.row(run)).status is RunStatus.RUNNING
    await bed.journal.pause(TENANT, run.id, "alice")
    assert await bed.park(run, RunStatus.PAUSED) is True
    assert (await bed.row(run)).status is RunStatus.PAUSED


@pytest.mark.parametrize("how", [RunStatus.FAILED, RunStatus.COMPLETED])
async def test_children_of_a_parent_that_has_ended_are_cancelled(bed: Bed, how: RunStatus):
    parent = await bed.running()
    child = bed.new(parent_id=parent.id, parent_key="c", root_id=parent.id)
    await bed.append(parent, "c", children=(child,))
    await bed.finish(parent, how)
    assert (await bed.journal.pump()).fenced == 1
    ended = await bed.row_of(child.id)
    assert ended.status is RunStatus.CANCELLED
    assert ended.result is not None
    assert ended.result.error is not None
    assert ended.result.error.detail == "cancelled by system: its parent has ended"
    assert (await bed.journal.pump()).fenced == 0


async def test_who_cancelled_paused_and_resumed_a_run_is_on_record_once(bed: Bed):
    run = await bed.running()
    for _ in range(2):
        await bed.journal.pause(TENANT, run.id, "alice")
    await bed.journal.resume(TENANT, run.id, "bob")
    for _ in range(2):
        await bed.journal.cancel(TENANT, run.id, "carol", "no more")
    rows = await bed.outbox.audits(TENANT, AuditFilter(), 10)
    assert [(row.action, row.actor, row.target, row.detail) for row in reversed(rows)] == [
        ("PAUSE_RUN", "alice", run.id, None),
        ("RESUME_RUN", "bob", run.id, None),
        ("CANCEL_RUN", "carol", run.id, {"reason": "no more"}),
    ]
