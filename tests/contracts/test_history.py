"""A run's past: taken up again under a new generation, copied into a new run, effects settled afterwards."""

from dataclasses import replace
from typing import Any

import pytest

from ripieno.domain.batches import EffectClose
from ripieno.domain.dead_letters import DeadLetter, DeadLetterFilter, DeadLetterKind, DeadLetterState, Replay
from ripieno.domain.effects import EffectState
from ripieno.domain.entries import EntryType, NewEntry
from ripieno.domain.errors import Conflict, LegLost, NotFound, RunActive
from ripieno.domain.hints import HintKind
from ripieno.domain.outbox import AuditFilter
from ripieno.domain.past import EffectName, Founding, Reopening, Settled
from ripieno.domain.runs import ExitReason, Run, RunKind, RunResult, RunStatus
from tests.contracts.bed import TENANT, Bed, encoded, intent

RETRY = NewEntry("g2/retry", EntryType.RUN_RETRIED, {"generation": 2, "dropped": [2]})


def reopening(run: Run, **fields: Any) -> Reopening:
    return replace(Reopening(TENANT, run.id, run.last_seq, RETRY, "bob"), **fields)


async def over(bed: Bed, status: RunStatus = RunStatus.FAILED) -> Run:
    return await bed.row(await bed.ended(status))


@pytest.mark.parametrize("status", [RunStatus.FAILED, RunStatus.COMPLETED, RunStatus.CANCELLED])
async def test_reopening_queues_the_run_under_a_new_generation(bed: Bed, status: RunStatus):
    before = await over(bed, status)
    bed.hints.clear()
    run = await bed.history.reopen(reopening(before, deadline=bed.after(60)))
    assert (run.status, run.generation, run.epoch) == (RunStatus.QUEUED, 2, before.epoch + 1)
    assert (run.exit_reason, run.result, run.ended_at, run.cancel_at) == (None, None, None, None)
    assert (run.deadline, run.last_seq) == (bed.after(60), before.last_seq + 1)
    assert run == await bed.row(run)
    assert bed.hinted(run.id) == {HintKind.WORK, HintKind.STATUS, HintKind.PROGRESS}
    entries = await bed.records.entries(TENANT, run.id)
    assert [(entry.seq, entry.key) for entry in entries] == [(1, "end"), (2, "g2/retry")]
    claimed = await bed.claim(run.id)
    assert (claimed.run.epoch, claimed.run.generation) == (before.epoch + 2, 2)
    await bed.append(claimed.run, "g2/a")
    await bed.append(claimed.run, "g2/b")


async def test_a_reopened_run_is_cancelled_under_its_own_key(bed: Bed):
    run = await bed.history.reopen(reopening(await over(bed)))
    ended = await bed.journal.cancel(TENANT, run.id, "bob", "")
    assert (ended.status, ended.exit_reason) == (RunStatus.CANCELLED, ExitReason.OPERATOR)
    assert (await bed.keys(run))[-1] == "g2/end"


async def test_a_cancelled_run_that_is_reopened_is_not_cancelled_again(bed: Bed):
    run = await bed.running()
    await bed.journal.cancel(TENANT, run.id, "bob", "")
    await bed.finish(run, RunStatus.CANCELLED)
    again = await bed.history.reopen(reopening(await bed.row(run)))
    claimed = await bed.claim(again.id)
    await bed.append(claimed.run, "i", intents=(intent(run, "g2/a"),))
    bed.clock.advance(10)
    await bed.journal.pump()
    assert (await bed.row(run)).status is RunStatus.RUNNING


async def test_only_what_has_ended_and_was_read_whole(bed: Bed):
    running = await bed.running()
    with pytest.raises(RunActive):
        await bed.history.reopen(reopening(running))
    ended = await over(bed)
    with pytest.raises(Conflict):
        await bed.history.reopen(reopening(ended, last_seq=0))
    with pytest.raises(NotFound):
        await bed.history.reopen(reopening(ended, tenant="other"))
    with pytest.raises(NotFound):
        await bed.history.reopen(reopening(ended, run_id="run_nobody"))
    assert await bed.row(ended) == ended


async def test_the_same_reopening_twice_is_one(bed: Bed):
    run = await over(bed)
    first = await bed.history.reopen(reopening(run))
    assert await bed.history.reopen(reopening(run)) == first
    other = replace(RETRY, body={"generation": 2, "dropped": []})
    with pytest.raises(RunActive):
        await bed.history.reopen(reopening(run, entry=other))


async def test_the_leg_before_a_reopening_is_lost(bed: Bed):
    run = await bed.running()
    await bed.finish(run, RunStatus.FAILED)
    await bed.history.reopen(reopening(await bed.row(run)))
    with pytest.raises(LegLost):
        await bed.append(run, "late")


async def test_words_on_effects_go_into_the_ledger_with_it(bed: Bed):
    run = await bed.running()
    await bed.append(run, "i", intents=(intent(run, "a"), intent(run, "b")))
    await bed.append(run, "b", closes=(EffectClose("b", 1, EffectState.DONE),))
    await bed.finish(run, RunStatus.FAILED)
    assert await bed.states(run) == [EffectState.UNKNOWN, EffectState.DONE]
    word = Settled(EffectName(run.id, "a", 1), EffectState.FAILED)
    await bed.history.reopen(reopening(await bed.row(run), settled=(word,)))
    assert await bed.states(run) == [EffectState.FAILED, EffectState.DONE]


async def test_founding_starts_a_run_with_a_journal(bed: Bed):
    new = bed.new()
    lines = tuple(NewEntry(key, EntryType.MODEL_REPLIED, {"key": key}) for key in ("a", "b"))
    copied = replace(intent(await bed.running(), "a").effect, state=EffectState.INHERITED)
    bed.hints.clear()
    assert await bed.history.found(Founding(new, lines, (copied,)))
    assert not await bed.history.found(Founding(new, lines, (copied,)))
    assert bed.hinted(new.id) >= {HintKind.WORK, HintKind.STATUS}
    claimed = await bed.claim(new.id)
    assert [(entry.seq, entry.key, entry.epoch) for entry in claimed.entries] == [(1, "a", 0), (2, "b", 0)]
    (effect,) = claimed.effects
    assert (effect.run_id, effect.state, effect.intended_at) == (new.id, EffectState.INHERITED, bed.clock.now())
    await bed.append(claimed.run, "c")
    assert await bed.keys(claimed.run) == ["a", "b", "c"]


async def test_a_rollback_waits_for_the_end_and_keeps_the_run_closed(bed: Bed):
    run = await bed.running()
    undo = bed.new(kind=RunKind.ROLLBACK, target=run.id)
    with pytest.raises(RunActive):
        await bed.history.found(Founding(undo, (), about=run.id))
    await bed.finish(run, RunStatus.COMPLETED)
    assert await bed.history.found(Founding(undo, (), about=run.id))
    assert not await bed.history.found(Founding(undo, (), about=run.id)), "asked again: it is there"
    with pytest.raises(RunActive) as busy:
        await bed.history.reopen(reopening(await bed.row(run)))
    assert busy.value.active_ids == (undo.id,)
    with pytest.raises(RunActive):
        await bed.history.found(Founding(bed.new(kind=RunKind.ROLLBACK, target=run.id), (), about=run.id))
    await bed.finish((await bed.claim(undo.id)).run)
    assert (await bed.history.reopen(reopening(await bed.row(run)))).generation == 2


async def test_settling_is_done_once_and_for_the_own_tenant(bed: Bed):
    run = await bed.running()
    await bed.append(run, "i", intents=(intent(run, "a"),))
    word = Settled(EffectName(run.id, "a", 1), EffectState.COMPENSATED)
    nobody = Settled(EffectName("run_nobody", "a", 1), EffectState.COMPENSATED)
    await bed.history.settle("other", (word,))
    assert await bed.states(run) == [EffectState.INTENDED]
    await bed.history.settle(TENANT, (word, nobody))
    (first,) = await bed.records.effects(TENANT, run.id)
    bed.clock.advance(5)
    await bed.history.settle(TENANT, (word,))
    assert list(await bed.records.effects(TENANT, run.id)) == [first]
    assert first.state is EffectState.COMPENSATED


async def lost(bed: Bed) -> tuple[Run, dict[str, DeadLetter]]:
    """A run that failed with an effect of which nobody knows and a message that it never read; its letters by kind."""
    run = await bed.running()
    await bed.append(run, "i", intents=(intent(run, "a"),))
    await bed.send(run, "unread")
    await bed.finish(run, RunStatus.FAILED)
    found = await bed.dead_letters.page(TENANT, DeadLetterFilter(run_id=run.id), 10)
    letters = {letter.kind.value: letter for letter in found}
    assert set(letters) == {"run", "effect", "message"}
    return await bed.row(run), letters


async def again(bed: Bed, letter: DeadLetter) -> DeadLetter:
    return await bed.dead_letters.get(TENANT, letter.id)


async def test_a_retry_deals_with_the_dead_letters_of_its_run(bed: Bed):
    run, before = await lost(bed)
    _, others = await lost(bed)
    await bed.history.reopen(reopening(run))
    for kind in ("run", "effect"):
        letter = await again(bed, before[kind])
        assert (letter.state, letter.settled_by, letter.settled_at) == (
            DeadLetterState.REPLAYED,
            "bob",
            bed.clock.now(),
        )
        assert letter.outcome == {"run_id": run.id, "generation": 2}
        assert await bed.dead_letters.replay(TENANT, letter.id, Replay("carol", run=bed.new())) == letter
    assert await again(bed, before["message"]) == before["message"]
    assert [await again(bed, letter) for letter in others.values()] == list(others.values())
    audited = await bed.outbox.audits(TENANT, AuditFilter("REPLAY_DEAD_LETTER"), 10)
    assert {(row.actor, row.target) for row in audited} == {("bob", before[kind].id) for kind in ("run", "effect")}


async def test_a_retried_run_that_fails_again_is_another_dead_letter(bed: Bed):
    run, before = await lost(bed)
    await bed.history.reopen(reopening(run))
    claimed = await bed.claim(run.id)
    result = RunResult(RunStatus.FAILED, ExitReason.MODEL_ERROR)
    ending = NewEntry("g2/end", EntryType.RUN_FAILED, {"result": encoded(result)})
    await bed.journal.finish(run.id, claimed.run.epoch, ending, result)
    which = DeadLetterFilter(DeadLetterKind.RUN, DeadLetterState.OPEN, run.id)
    (letter,) = await bed.dead_letters.page(TENANT, which, 10)
    assert (letter.id != before["run"].id, letter.attempts) == (True, 2)


async def test_a_run_instead_of_another_deals_with_its_letter_alone(bed: Bed):
    run, before = await lost(bed)
    other = bed.new()
    assert await bed.history.found(Founding(other, ()))
    assert (await again(bed, before["run"])).state is DeadLetterState.OPEN
    fork = bed.new(created_by="carol")
    assert await bed.history.found(Founding(fork, (), instead_of=run.id))
    letter = await again(bed, before["run"])
    assert (letter.state, letter.settled_by) == (DeadLetterState.REPLAYED, "carol")
    assert letter.outcome == {"run_id": fork.id}
    assert await again(bed, before["effect"]) == before["effect"]


async def test_an_effect_of_which_somebody_has_told_is_no_dead_letter(bed: Bed):
    run, before = await lost(bed)
    undo = bed.new(kind=RunKind.ROLLBACK, target=run.id)
    nobody = Settled(EffectName(run.id, "b", 1), EffectState.DONE)
    assert await bed.history.found(Founding(undo, (), about=run.id, settled=(nobody,)))
    assert await again(bed, before["effect"]) == before["effect"]
    word = Settled(EffectName(run.id, "a", 1), EffectState.FAILED)
    assert await bed.history.found(Founding(bed.new(created_by="carol"), (), settled=(word,)))
    letter = await again(bed, before["effect"])
    assert (letter.state, letter.settled_by, letter.outcome) == (DeadLetterState.DISCARDED, "carol", None)
    assert await again(bed, before["run"]) == before["run"]
    said, undone = await bed.outbox.audits(TENANT, AuditFilter(), 10)
    assert (said.action, said.actor, said.target) == ("DISCARD_DEAD_LETTER", "carol", letter.id)
    assert (undone.action, undone.actor, undone.target) == ("ROLLBACK_RUN", undo.created_by, run.id)
    assert undone.detail == {"by_run": undo.id}


async def test_who_let_a_run_go_on_is_on_record_once(bed: Bed):
    run = await over(bed)
    for _ in range(2):
        await bed.history.reopen(reopening(run))
    (row,) = await bed.outbox.audits(TENANT, AuditFilter("RETRY_RUN"), 10)
    assert (row.actor, row.target, row.detail) == ("bob", run.id, {"from": RETRY.key})
