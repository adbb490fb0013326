"""Park lets go only of what has really nothing to do; send wakes whatever waits."""

import asyncio
import random

import pytest

from ripieno.domain.batches import Park
from ripieno.domain.errors import LegLost, NotFound, RunEnded
from ripieno.domain.hints import HintKind
from ripieno.domain.runs import Run, RunStatus
from tests.contracts.bed import TENANT, Bed

WAITING = (RunStatus.AWAITING_APPROVAL, RunStatus.AWAITING_INPUT, RunStatus.WAITING)


@pytest.mark.parametrize("status", WAITING)
async def test_parked_run_says_for_what_it_waits(bed: Bed, status: RunStatus):
    run = await bed.running()
    bed.hints.clear()
    waits = ({"for": "child", "run_id": "run_1"}, {"for": "timer"})
    assert await bed.park(run, status, waits=waits, wake_at=bed.after(60))
    row = await bed.row(run)
    assert (row.status, row.waits, row.wake_at, row.epoch) == (status, waits, bed.after(60), run.epoch)
    assert bed.hinted(run.id) == {HintKind.STATUS}


async def test_park_fails_when_the_inbox_has_grown(bed: Bed):
    run = await bed.running()
    await bed.send(run, "d")
    assert not await bed.park(run, inbox_seq=0)
    assert (await bed.row(run)).status is RunStatus.RUNNING
    seq, unread = await bed.journal.unread(run.id, run.epoch)
    assert (seq, [row.dedupe for row in unread]) == (1, ["d"])
    assert await bed.park(run, inbox_seq=seq)


async def test_held_run_parks_as_paused(bed: Bed):
    run = await bed.running()
    await bed.journal.pause(TENANT, run.id, "alice")
    assert await bed.park(run)
    assert (await bed.row(run)).status is RunStatus.PAUSED


async def test_run_that_is_being_cancelled_ends_when_its_leg_parks(bed: Bed):
    run = await bed.running()
    await bed.journal.cancel(TENANT, run.id, "bob", "enough")
    assert await bed.park(run)
    row = await bed.row(run)
    assert (row.status, await bed.keys(run)) == (RunStatus.CANCELLED, ["end"])
    assert row.result is not None
    assert row.result.error is not None
    assert row.result.error.detail == "cancelled by bob: enough"


async def test_parked_leg_is_over(bed: Bed):
    run = await bed.parked()
    for refused in (
        bed.park(run),
        bed.append(run, "k"),
        bed.journal.unread(run.id, run.epoch),
        bed.finish(run),
        bed.journal.release(run.id, run.epoch),
    ):
        with pytest.raises(LegLost):
            await refused
    assert (await bed.row(run)).status is RunStatus.WAITING


@pytest.mark.parametrize("status", WAITING)
async def test_send_wakes_a_waiting_run(bed: Bed, status: RunStatus):
    run = await bed.parked(status)
    bed.hints.clear()
    assert await bed.send(run, "d", n=1) == 1
    row = await bed.row(run)
    assert (row.status, row.waits, row.wake_at, row.inbox_seq) == (RunStatus.QUEUED, (), None, 1)
    assert bed.hinted(run.id) == {HintKind.WORK, HintKind.STATUS}
    assert [message.body for message in (await bed.claim(run.id)).inbox] == [{"n": 1}]


async def test_send_to_a_leg_tells_it(bed: Bed):
    run = await bed.running()
    bed.hints.clear()
    await bed.send(run, "d")
    assert bed.hinted(run.id) == {HintKind.CONTROL}
    assert (await bed.row(run)).status is RunStatus.RUNNING


async def test_send_to_a_paused_run_only_stores(bed: Bed):
    run = await bed.parked()
    await bed.journal.pause(TENANT, run.id, "alice")
    bed.hints.clear()
    await bed.send(run, "d")
    assert (await bed.row(run)).status is RunStatus.PAUSED
    assert bed.hints == []
    await bed.journal.resume(TENANT, run.id, "alice")
    assert [row.dedupe for row in (await bed.claim(run.id)).inbox] == ["d"]


async def test_double_gets_the_first_number_and_the_first_body(bed: Bed):
    run = await bed.running()
    assert [await bed.send(run, "a", n=1), await bed.send(run, "b", n=2), await bed.send(run, "a", n=3)] == [1, 2, 1]
    seq, unread = await bed.journal.unread(run.id, run.epoch)
    assert (seq, [row.body for row in unread]) == (2, [{"n": 1}, {"n": 2}])


async def test_ended_run_takes_no_message(bed: Bed):
    run = await bed.ended()
    with pytest.raises(RunEnded) as refused:
        await bed.send(run, "d")
    assert refused.value.status == RunStatus.COMPLETED
    with pytest.raises(NotFound):
        await bed.journal.send(TENANT, "run_0", "t", {}, "d")


async def _pause(bed: Bed, turns: int) -> None:
    """Let others go first: a read takes as long as reads take in this store."""
    for _ in range(turns):
        await bed.records.session(TENANT, "ses_1")
        await bed.clock.sleep(0)


async def _leg(bed: Bed, run: Run, pause: int) -> None:
    """Wait for a message: read it if it is there, else park."""
    await _pause(bed, pause)
    seq, unread = await bed.journal.unread(run.id, run.epoch)
    while not unread and not await bed.journal.park(Park(run.id, run.epoch, RunStatus.WAITING, seq)):
        seq, unread = await bed.journal.unread(run.id, run.epoch)
    if unread:
        await bed.append(run, "read", consumed=(unread[0].n,))
        await bed.finish(run)


async def _sender(bed: Bed, run: Run, pause: int) -> None:
    await _pause(bed, pause)
    await bed.send(run, "d")


async def test_no_wake_up_is_lost_between_park_and_send(bed: Bed):
    """Whatever the order, the message is read by the leg before it parks or the run is queued after it."""
    dice = random.Random(7)  # noqa: S311 - a dice, not a secret
    runs = [await bed.running() for _ in range(500)]
    order = [part(bed, run, dice.randrange(4)) for run in runs for part in (_leg, _sender)]
    dice.shuffle(order)
    await asyncio.gather(*order)
    woken = {claimed.run.id: claimed for claimed in await bed.journal.claim("w2", 1000)}
    assert 0 < len(woken) < len(runs)  # both orders happened
    for run in runs:
        row = await bed.row(run)
        if row.status is not RunStatus.COMPLETED:
            assert [message.dedupe for message in woken[run.id].inbox] == ["d"]
