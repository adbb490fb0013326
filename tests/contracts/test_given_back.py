"""Mail that a run took and did not write down goes back to its box when it ends, however it ends; on every store."""

from collections.abc import Awaitable, Callable
from datetime import timedelta

import pytest

from ripieno.domain.hints import HintKind
from ripieno.domain.mail import bell
from ripieno.domain.runs import Run, RunStatus
from tests.contracts.bed import TENANT, Bed
from tests.contracts.test_mailboxes import BOX, on, post, standing, take, waits, wants

End = Callable[[Bed, Run], Awaitable[object]]


async def by_its_leg(bed: Bed, run: Run) -> None:
    await bed.finish(run, RunStatus.FAILED)


async def cancelled_in_the_queue(bed: Bed, run: Run) -> None:
    await bed.recover()
    await bed.journal.cancel(TENANT, run.id, "bob", "")


async def by_the_grace(bed: Bed, run: Run) -> None:
    await bed.journal.cancel(TENANT, run.id, "bob", "")
    bed.clock.advance(6)
    await bed.journal.pump()


async def while_it_was_cancelled_and_lost(bed: Bed, run: Run) -> None:
    await bed.journal.cancel(TENANT, run.id, "bob", "")
    await bed.recover()


async def by_its_deadline(bed: Bed, run: Run) -> None:
    await bed.journal.pause(TENANT, run.id, "bob")
    await bed.journal.release(run.id, run.epoch)
    bed.clock.advance(61)
    await bed.journal.pump()


ENDS: list[End] = [
    by_its_leg,
    cancelled_in_the_queue,
    by_the_grace,
    while_it_was_cancelled_and_lost,
    by_its_deadline,
]


async def unread(bed: Bed) -> list[object]:
    return [each.body for each in await on(bed).unread(TENANT, BOX, 9)]


@pytest.mark.parametrize("end", ENDS)
async def test_what_is_not_written_down_goes_back_to_its_place(bed: Bed, end: End):
    for body in ("a", "b", "c"):
        await post(bed, body)
    run = await bed.running(deadline=bed.clock.now() + timedelta(seconds=60))
    first = await on(bed).take(wants(run, "k1"), (BOX,), stay=True)
    assert first is not None
    await bed.append(run, "k1/wait/end", acknowledged=(first.id,))
    assert await take(bed, run, "k2") == "b"
    assert await unread(bed) == ["c"]
    bed.hints.clear()
    await end(bed, run)
    assert (await bed.row(run)).status in {RunStatus.CANCELLED, RunStatus.FAILED}
    assert await unread(bed) == ["b", "c"]
    assert HintKind.PROGRESS in bed.hinted(bell(TENANT, BOX))
    assert await take(bed, await bed.running()) == "b"


async def test_who_waits_for_what_comes_back_is_woken(bed: Bed):
    await post(bed, "a")
    run = await bed.running()
    assert await take(bed, run) == "a"
    waiting = await waits(bed)
    await bed.finish(run)
    await on(bed).stir()
    assert await standing(bed, waiting) == [RunStatus.QUEUED]
    assert await take(bed, (await bed.claim(waiting.id)).run) == "a"


async def test_a_run_acknowledges_nothing_that_it_has_not_taken(bed: Bed):
    posted = await post(bed, "a")
    run, other = await bed.running(), await bed.running()
    assert await take(bed, run) == "a"
    await bed.append(other, "k", acknowledged=(posted.id, "msg_nothing"))
    await bed.finish(run)
    assert await unread(bed) == ["a"]


async def test_a_command_finds_what_it_took_before(bed: Bed):
    await post(bed, "a")
    run = await bed.running()
    assert await on(bed).taken(wants(run)) is None
    taken = await on(bed).take(wants(run), (BOX,), stay=True)
    assert await on(bed).taken(wants(run)) == taken
    assert await on(bed).taken(wants(run, "other")) is None


async def test_what_somebody_outside_received_stays_received(bed: Bed):
    posted = await post(bed, "a")
    await post(bed, "b")
    run = await bed.running()
    await on(bed).acknowledge(TENANT, posted.id, run.id)
    await on(bed).receive(TENANT, BOX, 9, run.id, "k")
    await bed.finish(run)
    assert await unread(bed) == []
