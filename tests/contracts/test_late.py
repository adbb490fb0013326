"""Outcomes that come when their leg has lost its run: the ledger takes them once, a living run is told."""

import pytest

from ripieno.domain import ids
from ripieno.domain.batches import EffectClose, LateOutcome
from ripieno.domain.dead_letters import DeadLetterFilter, DeadLetterState
from ripieno.domain.effects import LATE, EffectState
from ripieno.domain.outbox import IGNORE_OUTCOME, AuditFilter
from ripieno.domain.runs import Run, RunStatus
from tests.contracts.bed import TENANT, Bed, intent

RESULT = {"status": "ok", "text": "paid"}


def outcome(run: Run, state: EffectState = EffectState.DONE, attempt: int = 1, tenant: str = TENANT) -> LateOutcome:
    return LateOutcome(tenant, run.id, EffectClose("pay", attempt, state), RESULT)


async def begun(bed: Bed) -> Run:
    """A run whose leg is lost in the middle of a call."""
    run = await bed.running()
    await bed.append(run, "pay/intent/1", intents=(intent(run, "pay"),))
    await bed.recover()
    return run


async def ignored(bed: Bed) -> list[object]:
    return [row.detail for row in await bed.outbox.audits(TENANT, AuditFilter(IGNORE_OUTCOME), 9)]


@pytest.mark.parametrize("state", [EffectState.DONE, EffectState.FAILED])
async def test_it_settles_the_effect_and_is_sent_once(bed: Bed, state: EffectState):
    run = await begun(bed)
    bed.clock.advance(3)
    assert await bed.journal.late(outcome(run, state))
    assert not await bed.journal.late(outcome(run, state))
    (effect,) = await bed.records.effects(TENANT, run.id)
    assert (effect.state, effect.closed_at) == (state, bed.clock.now())
    claimed = await bed.claim(run.id)
    body = {"key": "pay", "attempt": 1, "state": state.value, "result": RESULT}
    assert [(row.topic, row.body) for row in claimed.inbox] == [(LATE, body)]
    assert await ignored(bed) == []


async def test_it_wakes_a_run_that_waits_for_a_person(bed: Bed):
    run = await begun(bed)
    again = (await bed.claim(run.id)).run
    await bed.ask(again, "pay/unknown/1")
    assert await bed.park(again, RunStatus.AWAITING_INPUT)
    assert await bed.journal.late(outcome(run))
    assert (await bed.row(run)).status is RunStatus.QUEUED


async def test_it_reaches_a_leg_that_is_about_to_park(bed: Bed):
    run = await begun(bed)
    again = (await bed.claim(run.id)).run
    assert await bed.journal.late(outcome(run))
    assert not await bed.park(again, inbox_seq=0)


async def test_what_was_settled_stays_and_another_end_is_on_record(bed: Bed):
    run = await begun(bed)
    again = (await bed.claim(run.id)).run
    await bed.append(again, "pay", closes=(EffectClose("pay", 1, EffectState.FAILED),))
    assert not await bed.journal.late(outcome(run))
    assert await bed.states(run) == [EffectState.FAILED]
    assert await ignored(bed) == [{"key": "pay", "attempt": 1, "settled_as": "failed", "came_late": "done"}]
    assert not (await bed.journal.unread(again.id, again.epoch))[1]


async def test_a_leg_does_not_close_what_came_late_another_way(bed: Bed):
    run = await begun(bed)
    again = (await bed.claim(run.id)).run
    assert await bed.journal.late(outcome(run))
    second = intent(again, "pay", 2)
    await bed.append(again, "pay/intent/2", intents=(second,), closes=(EffectClose("pay", 1, EffectState.FAILED),))
    assert await bed.states(run) == [EffectState.DONE, EffectState.INTENDED]


async def test_an_ended_run_is_told_nothing_and_nobody_will_repeat_what_was_done(bed: Bed):
    run = await begun(bed)
    await bed.journal.cancel(TENANT, run.id, "bob", "")
    before = await bed.row(run)
    assert await bed.states(run) == [EffectState.UNKNOWN]
    assert await bed.journal.late(outcome(run))
    assert await bed.states(run) == [EffectState.DONE]
    assert await bed.row(run) == before
    (letter,) = await bed.dead_letters.page(TENANT, DeadLetterFilter(), 9)
    assert letter.state is DeadLetterState.DISCARDED


async def test_what_failed_after_all_can_be_tried_again_from_its_dead_letter(bed: Bed):
    run = await begun(bed)
    await bed.journal.cancel(TENANT, run.id, "bob", "")
    assert await bed.journal.late(outcome(run, EffectState.FAILED))
    (letter,) = await bed.dead_letters.page(TENANT, DeadLetterFilter(), 9)
    assert letter.state is DeadLetterState.OPEN


async def test_nobody_tells_of_what_is_not_there(bed: Bed):
    run = await begun(bed)
    assert not await bed.journal.late(outcome(run, attempt=2))
    assert not await bed.journal.late(outcome(run, tenant="other"))
    assert not await bed.journal.late(LateOutcome(TENANT, bed.clock.new_id(ids.RUN), outcome(run).close, RESULT))
    assert await bed.states(run) == [EffectState.INTENDED]
