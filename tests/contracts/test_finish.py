"""Finish, release, recover: the ways in which a leg ends."""

import asyncio

import pytest

from ripieno.domain import jsons
from ripieno.domain.batches import EffectClose
from ripieno.domain.effects import EffectState
from ripieno.domain.entries import EntryType, NewEntry
from ripieno.domain.errors import LegLost
from ripieno.domain.hints import HintKind
from ripieno.domain.interrupts import InterruptStatus
from ripieno.domain.runs import Evidence, ExitReason, RunError, RunResult, RunStatus
from ripieno.domain.usage import Usage
from tests.contracts.bed import TENANT, Bed, encoded, intent


async def test_finish_writes_the_ending_and_the_result(bed: Bed):
    run = await bed.running()
    await bed.append(run, "a")
    bed.hints.clear()
    result = RunResult(
        RunStatus.FAILED,
        ExitReason.MODEL_ERROR,
        answer="half",
        value={"n": [1]},
        evidence=(Evidence("t1c0", "shop.look", {"q": "tea"}, "cheap"),),
        usage=Usage(10, 5, 1, 2, 0.25, 3),
        error=RunError("model_error", "gone"),
    )
    ending = NewEntry("end", EntryType.RUN_FAILED, {"result": jsons.encode(result)})
    entry = await bed.journal.finish(run.id, run.epoch, ending, result)
    row = await bed.row(run)
    assert (entry.seq, entry.key, entry.epoch, entry.body) == (2, "end", run.epoch, ending.body)
    assert (row.status, row.exit_reason, row.result) == (RunStatus.FAILED, ExitReason.MODEL_ERROR, result)
    assert (row.ended_at, row.last_seq, row.epoch) == (bed.clock.now(), 2, run.epoch)
    assert bed.hinted(run.id) == {HintKind.PROGRESS, HintKind.STATUS}


async def test_finish_leaves_nothing_open(bed: Bed):
    run = await bed.running()
    await bed.append(run, "a/intent", intents=(intent(run, "a"),))
    await bed.append(run, "b/intent", intents=(intent(run, "b"),))
    await bed.append(run, "b", closes=(EffectClose("b", 1, EffectState.DONE),))
    interrupt_id = await bed.ask(run)
    await bed.send(run, "never read")
    await bed.finish(run)
    assert await bed.states(run) == [EffectState.UNKNOWN, EffectState.DONE]
    assert (await bed.records.interrupt(TENANT, interrupt_id)).status is InterruptStatus.VOID
    assert (await bed.row(run)).status is RunStatus.COMPLETED


async def test_finish_needs_the_epoch_and_happens_once(bed: Bed):
    run = await bed.running()
    await bed.finish(run)
    with pytest.raises(LegLost):
        await bed.finish(run, RunStatus.FAILED)
    assert (await bed.row(run)).status is RunStatus.COMPLETED
    assert await bed.keys(run) == ["end"]


async def test_finish_tells_a_waiting_parent_once(bed: Bed):
    parent = await bed.parked()
    child = await bed.running(parent_id=parent.id, parent_key="child/a")
    bed.hints.clear()
    await bed.finish(child)
    assert bed.hinted(parent.id) == {HintKind.WORK, HintKind.STATUS}
    claimed = await bed.claim(parent.id)
    (message,) = claimed.inbox
    assert (message.topic, message.dedupe) == ("child.ended", child.id)
    row = await bed.row(child)
    assert message.body == {"run_id": child.id, "result": encoded(row.result)}


async def test_ended_or_unknown_parent_is_skipped(bed: Bed):
    parent = await bed.ended()
    child = await bed.running(parent_id=parent.id)
    orphan = await bed.running(parent_id="run_0")
    await bed.finish(child)
    await bed.finish(orphan)
    assert (await bed.row(parent)).inbox_seq == 0
    assert (await bed.row(child)).status is (await bed.row(orphan)).status is RunStatus.COMPLETED


async def test_many_children_that_end_at_once_are_all_heard(bed: Bed):
    parent = await bed.parked()
    children = [await bed.running(parent_id=parent.id) for _ in range(30)]
    await asyncio.gather(*(bed.finish(child) for child in children))
    claimed = await bed.claim(parent.id)
    assert {message.dedupe for message in claimed.inbox} == {child.id for child in children}
    assert [message.n for message in claimed.inbox] == list(range(1, 31))


async def test_release_gives_the_run_back(bed: Bed):
    run = await bed.running()
    await bed.append(run, "a/intent", intents=(intent(run, "a"),))
    bed.hints.clear()
    await bed.journal.release(run.id, run.epoch)
    assert (await bed.row(run)).status is RunStatus.QUEUED
    assert bed.hinted(run.id) == {HintKind.WORK, HintKind.STATUS}
    assert await bed.states(run) == [EffectState.INTENDED]
    assert (await bed.claim(run.id)).run.epoch == run.epoch + 1


async def test_release_of_a_held_run_pauses_it(bed: Bed):
    run = await bed.running()
    await bed.journal.pause(TENANT, run.id, "alice")
    await bed.journal.release(run.id, run.epoch)
    assert (await bed.row(run)).status is RunStatus.PAUSED


async def test_recover_takes_running_runs_from_the_dead(bed: Bed):
    plain, held, stopping = await bed.running(), await bed.running(), await bed.running()
    waiting = await bed.parked()
    queued = await bed.start()
    await bed.journal.pause(TENANT, held.id, "alice")
    await bed.journal.cancel(TENANT, stopping.id, "bob", "")
    assert await bed.recover() == 3
    rows = [await bed.row(run) for run in (plain, held, stopping, waiting)]
    assert [row.status for row in rows] == [
        RunStatus.QUEUED,
        RunStatus.PAUSED,
        RunStatus.CANCELLED,
        RunStatus.WAITING,
    ]
    assert [row.epoch for row in rows] == [2, 2, 2, 1]
    assert (await bed.row_of(queued)).epoch == 0
    with pytest.raises(LegLost):
        await bed.append(plain, "late")
    assert await bed.recover() == 0
