"""Several runs of one session at once: one after the other, refused, or in the place of those before."""

import asyncio
from typing import Any

import pytest

from ripieno.domain.errors import SessionBusy
from ripieno.domain.filters import RunFilter
from ripieno.domain.hints import HintKind
from ripieno.domain.runs import Multitask, Run, RunInput, RunStatus
from ripieno.domain.sessions import Exchange
from tests.contracts.bed import TENANT, Bed


async def message(bed: Bed, multitask: Multitask = Multitask.ENQUEUE, **fields: Any) -> str:
    return await bed.start(multitask=multitask, **fields)


async def claimed(bed: Bed) -> list[Run]:
    return [each.run for each in await bed.journal.claim("w1", 10)]


async def behind(bed: Bed, *run_ids: str) -> list[str | None]:
    return [(await bed.row_of(run_id)).after_id for run_id in run_ids]


async def test_messages_of_a_session_are_worked_on_one_after_the_other(bed: Bed):
    ids = [await message(bed) for _ in range(3)]
    assert await behind(bed, *ids) == [None, *ids[:2]]
    for index, run_id in enumerate(ids):
        (run,) = await claimed(bed)
        assert run.id == run_id
        bed.hints.clear()
        await bed.finish(run)
        if index < 2:
            assert bed.hinted(ids[index + 1]) == {HintKind.WORK, HintKind.STATUS}
    assert await behind(bed, *ids) == [None, None, None]


async def test_other_sessions_and_tenants_do_not_wait(bed: Bed):
    first = await message(bed)
    others = [await message(bed, session_id="ses_2"), await message(bed, tenant="other")]
    assert {run.id for run in await claimed(bed)} == {first, *others}


async def test_first_message_of_a_session_and_one_after_the_end_wait_for_nobody(bed: Bed):
    (run,) = [await message(bed, session_id="ses_new")]
    assert await behind(bed, run) == [None]
    await bed.finish((await claimed(bed))[0])
    assert await behind(bed, await message(bed, session_id="ses_new")) == [None]


async def test_parked_and_paused_runs_hold_their_session(bed: Bed):
    await message(bed)
    (run,) = await claimed(bed)
    await bed.park(run)
    second = await message(bed)
    assert await claimed(bed) == []
    await bed.journal.pause(TENANT, run.id, "alice")
    assert await claimed(bed) == []
    await bed.journal.cancel(TENANT, run.id, "bob", "")
    assert [run.id for run in await claimed(bed)] == [second]


async def test_children_do_not_wait_for_their_parent(bed: Bed):
    await message(bed)
    (parent,) = await claimed(bed)
    queued = await message(bed)
    child = await bed.start(parent_id=parent.id)
    assert [run.id for run in await claimed(bed)] == [child]
    await bed.finish(await bed.row_of(child))
    assert await behind(bed, queued) == [parent.id], "a child's end is nothing to the queue"


async def test_run_that_is_cancelled_while_it_waits_leaves_the_queue(bed: Bed):
    ids = [await message(bed) for _ in range(4)]
    await bed.journal.cancel(TENANT, ids[1], "bob", "")
    assert await behind(bed, ids[0], *ids[2:]) == [None, ids[0], ids[2]]
    await bed.journal.cancel(TENANT, ids[3], "bob", "")
    assert await behind(bed, last := await message(bed)) == [ids[2]]
    (run,) = await claimed(bed)
    await bed.finish(run)
    assert await behind(bed, ids[2], last) == [None, ids[2]]


async def test_paused_run_keeps_its_place_while_it_waits(bed: Bed):
    first, second = await message(bed), await message(bed)
    await bed.journal.pause(TENANT, second, "alice")
    await bed.finish((await claimed(bed))[0])
    assert await behind(bed, first, second) == [None, None]
    assert await claimed(bed) == []
    await bed.journal.resume(TENANT, second, "alice")
    assert [run.id for run in await claimed(bed)] == [second]


async def test_resuming_does_not_jump_the_queue(bed: Bed):
    await message(bed)
    second = await message(bed)
    await bed.journal.pause(TENANT, second, "alice")
    await bed.journal.resume(TENANT, second, "alice")
    assert second not in {run.id for run in await claimed(bed)}


async def test_reject_names_the_run_that_is_first(bed: Bed):
    first = await message(bed, Multitask.REJECT)
    await message(bed)
    with pytest.raises(SessionBusy) as refused:
        await message(bed, Multitask.REJECT)
    assert (refused.value.run_id, refused.value.session_id) == (first, "ses_1")
    for run_id in (first, (await bed.records.runs(TENANT, RunFilter(), 1))[0].id):
        await bed.journal.cancel(TENANT, run_id, "bob", "")
    await message(bed, Multitask.REJECT)


@pytest.mark.parametrize("how", [Multitask.INTERRUPT, Multitask.ROLLBACK])
async def test_stopping_cancels_all_that_go_before_and_waits_for_the_leg_to_obey(bed: Bed, how: Multitask):
    await message(bed)
    (running,) = await claimed(bed)
    queued = await message(bed)
    bed.hints.clear()
    new = await message(bed, how)
    assert HintKind.CONTROL in bed.hinted(running.id)
    row = await bed.row(running)
    assert (row.status, row.cancel_at) == (RunStatus.RUNNING, bed.clock.now())
    assert (await bed.row_of(queued)).status is RunStatus.CANCELLED
    assert await behind(bed, new) == [running.id]
    assert await claimed(bed) == []
    await bed.finish(running, RunStatus.CANCELLED)
    assert [run.id for run in await claimed(bed)] == [new]


async def test_stopping_a_run_that_does_not_obey_is_up_to_the_pump(bed: Bed):
    await message(bed)
    (running,) = await claimed(bed)
    new = await message(bed, Multitask.INTERRUPT)
    bed.clock.advance(6)
    await bed.journal.pump()
    assert (await bed.row(running)).status is RunStatus.CANCELLED
    assert [run.id for run in await claimed(bed)] == [new]


async def test_stopping_a_parked_team_stops_its_members(bed: Bed):
    await message(bed)
    (team,) = await claimed(bed)
    member = await bed.start(parent_id=team.id)
    await bed.claim(member)
    await bed.park(team)
    new = await message(bed, Multitask.INTERRUPT)
    assert (await bed.row(team)).status is RunStatus.CANCELLED
    row = await bed.row_of(member)
    assert (row.status, row.cancel_at) == (RunStatus.RUNNING, bed.clock.now())
    assert [run.id for run in await claimed(bed)] == [new]


async def test_history_remembers_what_was_interrupted_and_forgets_what_was_rolled_back(bed: Bed):
    async def told(goal: str, how: Multitask, *, ends: RunStatus = RunStatus.CANCELLED) -> str:
        run_id = await message(bed, how, input=RunInput(goal))
        run = (await bed.claim(run_id)).run
        bed.clock.advance(1)
        if ends is RunStatus.COMPLETED:
            await bed.finish(run, ends)
        return run_id

    done = await told("first", Multitask.ENQUEUE, ends=RunStatus.COMPLETED)
    rolled_back = await told("second", Multitask.ENQUEUE)
    before = await message(bed, Multitask.ROLLBACK, input=RunInput("third"))
    # It completes in the very moment in which it is to be left out.
    await bed.finish(await bed.row_of(rolled_back), RunStatus.COMPLETED)
    await bed.claim(before)
    last = await message(bed, Multitask.INTERRUPT, input=RunInput("fourth"))
    await bed.finish(await bed.row_of(before), RunStatus.CANCELLED, "")
    await bed.claim(last)
    assert list(await bed.records.history(TENANT, "ses_1", 10)) == [
        Exchange(done, "first", "42"),
        Exchange(before, "third", "", interrupted=True),
    ]


async def test_run_that_somebody_cancelled_is_no_part_of_the_history(bed: Bed):
    run_id = await message(bed)
    await bed.journal.cancel(TENANT, run_id, "bob", "")
    assert list(await bed.records.history(TENANT, "ses_1", 10)) == []


@pytest.mark.parametrize("how", list(Multitask))
async def test_starting_again_under_the_same_id_changes_nothing(bed: Bed, how: Multitask):
    first = await message(bed)
    (running,) = await claimed(bed)
    run = bed.new(multitask=Multitask.ENQUEUE)
    assert await bed.journal.start(run)
    assert not await bed.journal.start(bed.new(id=run.id, multitask=how))
    assert (await bed.row(running)).cancel_at is None
    assert await behind(bed, run.id) == [first]


async def test_many_messages_at_once_form_one_queue(bed: Bed):
    runs = [bed.new(multitask=Multitask.ENQUEUE) for _ in range(12)]
    assert all(await asyncio.gather(*map(bed.journal.start, runs)))
    order: list[str] = []
    while claim := await claimed(bed):
        assert len(claim) == 1
        order.append(claim[0].id)
        await bed.finish(claim[0])
    assert sorted(order) == sorted(run.id for run in runs)


async def test_queue_survives_the_loss_of_its_first_worker(bed: Bed):
    first, second = await message(bed), await message(bed)
    await claimed(bed)
    await bed.recover()
    (again,) = await claimed(bed)
    assert again.id == first
    await bed.finish(again)
    assert [run.id for run in await claimed(bed)] == [second]
