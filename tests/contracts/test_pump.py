"""The pump: what the passing of time brings about."""

from ripieno.domain import jsons
from ripieno.domain.batches import Pumped
from ripieno.domain.effects import EffectState
from ripieno.domain.entries import EntryType
from ripieno.domain.hints import HintKind
from ripieno.domain.interrupts import Decision, DecisionKind, InterruptKind, InterruptStatus
from ripieno.domain.runs import ExitReason, Multitask, RunStatus
from tests.contracts.bed import TENANT, Bed, intent


async def test_nothing_is_due(bed: Bed):
    await bed.running()
    await bed.parked()
    assert await bed.journal.pump() == Pumped()


async def test_timers_wake_their_runs_when_they_are_due(bed: Bed):
    soon, later = await bed.running(), await bed.running()
    await bed.park(soon, wake_at=bed.after(5))
    await bed.park(later, RunStatus.AWAITING_INPUT, wake_at=bed.after(6))
    bed.clock.advance(5)
    bed.hints.clear()
    assert (await bed.journal.pump()).woken == 1
    assert bed.hinted(soon.id) == {HintKind.WORK, HintKind.STATUS}
    assert ((await bed.row(soon)).status, (await bed.row(later)).status) == (
        RunStatus.QUEUED,
        RunStatus.AWAITING_INPUT,
    )
    assert (await bed.row(soon)).wake_at is None
    bed.clock.advance(1)
    assert (await bed.journal.pump()).woken == 1
    assert (await bed.journal.pump()).woken == 0


async def test_more_than_a_slice_is_due_at_once(bed: Bed):
    runs = [await bed.start() for _ in range(450)]
    for claimed in await bed.journal.claim("w1", 450):
        await bed.park(claimed.run, wake_at=bed.after(1), inbox_seq=0)
    bed.clock.advance(1)
    assert (await bed.journal.pump()).woken == len(runs)


async def test_expired_interrupt_is_a_denial_by_the_system(bed: Bed):
    run = await bed.running()
    question = await bed.ask(run, kind=InterruptKind.QUESTION, expires_at=bed.after(60))
    await bed.ask(run, key="later", expires_at=bed.after(61))
    await bed.ask(run, key="never")
    await bed.park(run, RunStatus.AWAITING_INPUT)
    bed.clock.advance(60)
    assert await bed.journal.pump() == Pumped(expired=1)
    asked = await bed.records.interrupt(TENANT, question)
    (decision,) = asked.decisions
    assert (asked.status, decision.kind, decision.decided_by) == (InterruptStatus.EXPIRED, DecisionKind.DENY, "system")
    (message,) = (await bed.claim(run.id)).inbox
    assert (message.topic, jsons.decode(Decision, message.body["decision"])) == ("interrupt.decided", decision)


async def test_expiry_goes_on_while_the_run_is_paused(bed: Bed):
    run = await bed.running()
    await bed.ask(run, expires_at=bed.after(1))
    await bed.park(run, RunStatus.AWAITING_APPROVAL)
    await bed.journal.pause(TENANT, run.id, "alice")
    bed.clock.advance(1)
    assert (await bed.journal.pump()).expired == 1
    row = await bed.row(run)
    assert (row.status, row.inbox_seq) == (RunStatus.PAUSED, 1)


async def test_deadline_goes_on_while_the_run_is_paused(bed: Bed):
    parent = await bed.parked()
    waiting = await bed.running(parent_id=parent.id, deadline=bed.after(60))
    await bed.park(waiting, wake_at=waiting.deadline)
    fresh, later, endless = [
        await bed.row_of(await bed.start(deadline=deadline)) for deadline in (bed.after(60), bed.after(61), None)
    ]
    for run in (waiting, fresh, later, endless):
        await bed.journal.pause(TENANT, run.id, "alice")
    bed.clock.advance(59)
    assert await bed.journal.pump() == Pumped()
    bed.clock.advance(1)
    assert await bed.journal.pump() == Pumped(fenced=2)
    for run in (waiting, fresh):
        row = await bed.row(run)
        assert (row.status, row.exit_reason, row.epoch) == (RunStatus.FAILED, ExitReason.DEADLINE, run.epoch + 1)
        assert row.result is not None
        assert row.result.error is not None
        assert row.result.error.code == "deadline"
        (ending,) = await bed.records.entries(TENANT, run.id)
        assert (ending.type, ending.body) == (EntryType.RUN_FAILED, {"result": jsons.encode(row.result)})
    assert (await bed.row(parent)).status is RunStatus.QUEUED
    assert {(await bed.row(run)).status for run in (later, endless)} == {RunStatus.PAUSED}
    assert await bed.journal.pump() == Pumped()


async def test_leg_of_a_held_run_sees_to_the_deadline_itself(bed: Bed):
    run = await bed.running(deadline=bed.after(1))
    await bed.journal.pause(TENANT, run.id, "alice")
    bed.clock.advance(2)
    assert await bed.journal.pump() == Pumped()
    await bed.park(run, RunStatus.PAUSED)
    assert await bed.journal.pump() == Pumped(fenced=1)
    assert (await bed.row(run)).exit_reason is ExitReason.DEADLINE


async def test_neighbours_in_a_session_that_are_paused_end_at_their_deadline_together(bed: Bed):
    first, second, third, last = [
        await bed.row_of(await bed.start(multitask=Multitask.ENQUEUE, deadline=deadline))
        for deadline in (bed.after(1), bed.after(2), bed.after(1), None)
    ]
    for run in (first, second, third):
        await bed.journal.pause(TENANT, run.id, "alice")
    bed.clock.advance(2)
    assert await bed.journal.pump() == Pumped(fenced=3)
    assert (await bed.row(last)).after_id is None
    assert [claimed.run.id for claimed in await bed.journal.claim("w1", 9)] == [last.id]


async def test_leg_that_does_not_obey_is_cut_off_after_five_seconds(bed: Bed):
    parent = await bed.parked()
    run = await bed.running(parent_id=parent.id)
    await bed.append(run, "a/intent", intents=(intent(run, "a"),))
    await bed.journal.cancel(TENANT, run.id, "bob", "stop")
    bed.clock.advance(4.9)
    assert (await bed.journal.pump()).fenced == 0
    bed.clock.advance(0.1)
    assert (await bed.journal.pump()).fenced == 1
    row = await bed.row(run)
    assert (row.status, row.epoch) == (RunStatus.CANCELLED, run.epoch + 1)
    assert row.result is not None
    assert row.result.error is not None
    assert row.result.error.detail == "cancelled by bob: stop"
    assert await bed.states(run) == [EffectState.UNKNOWN]
    assert (await bed.row(parent)).status is RunStatus.QUEUED
    assert (await bed.journal.pump()).fenced == 0
