"""Dead letters: what a run's end buries, and how each is dealt with once."""

import asyncio

import pytest

from ripieno.domain.batches import Append, EffectClose, EffectIntent
from ripieno.domain.dead_letters import (
    DeadLetter,
    DeadLetterFilter,
    DeadLetterKind,
    DeadLetterState,
    Message,
    Replay,
)
from ripieno.domain.effects import Effect, EffectClass, EffectState
from ripieno.domain.entries import EntryType, NewEntry
from ripieno.domain.errors import DeadLetterSettled, NotFound, RunEnded
from ripieno.domain.hints import HintKind
from ripieno.domain.ids import idempotency_key
from ripieno.domain.outbox import AuditFilter
from ripieno.domain.runs import ExitReason, Run, RunError, RunInput, RunKind, RunResult, RunStatus
from tests.contracts.bed import TENANT, Bed, encoded

EVERYTHING = DeadLetterFilter()
KINDS = DeadLetterKind


async def fail(bed: Bed, run: Run, reason: ExitReason = ExitReason.MODEL_ERROR, code: str = "model_refused") -> None:
    result = RunResult(RunStatus.FAILED, reason, error=RunError(code, "it's over"))
    ending = NewEntry("end", EntryType.RUN_FAILED, {"result": encoded(result)})
    await bed.journal.finish(run.id, run.epoch, ending, result)


async def act(bed: Bed, run: Run, key: str, state: EffectState | None, **fields: object) -> None:
    """An effect with its entries, as the tool performer writes them."""
    effect = Effect(
        **{
            "run_id": run.id,
            "key": key,
            "attempt": 1,
            "tool": "shop.pay",
            "effect": EffectClass.IRREVERSIBLE,
            "state": EffectState.INTENDED,
            "idempotency_key": idempotency_key(run.id, key),
            "arguments_hash": key,
            **fields,
        }  # pyright: ignore[reportArgumentType]
    )
    begun = NewEntry(f"{key}/intent/{effect.attempt}", EntryType.EFFECT_INTENDED, {"arguments": {"eur": 3}})
    await bed.journal.append(Append(run.id, run.epoch, (begun,), intents=(EffectIntent(effect),)))
    if state is not None:
        ended = NewEntry(key, EntryType.TOOL_RETURNED, {"result": {"text": f"{key} said no"}})
        close = EffectClose(key, effect.attempt, state)
        await bed.journal.append(Append(run.id, run.epoch, (ended,), closes=(close,)))


async def letters(bed: Bed, which: DeadLetterFilter = EVERYTHING) -> list[DeadLetter]:
    return list(await bed.dead_letters.page(TENANT, which, 100))


async def one(bed: Bed) -> DeadLetter:
    (letter,) = await letters(bed)
    return letter


async def test_run_that_failed_is_kept_with_all_that_starts_it_again(bed: Bed):
    given = RunInput("count", data={"n": 10}, context={"why": "it is asked"})
    run = await bed.running(input=given, lane="batch", priority=3, metadata={"tag": "x"})
    await bed.append(run, "a", "b")
    await fail(bed, run)
    letter = await one(bed)
    assert letter.id.startswith(f"dlq_{run.id[4:16]}")
    assert (letter.kind, letter.state, letter.run_id) == (KINDS.RUN, DeadLetterState.OPEN, run.id)
    assert (letter.cause, letter.detail, letter.attempts) == ("model_refused", "it's over", 1)
    assert (letter.subject, letter.created_at, letter.settled_at) == ("3", bed.clock.now(), None)
    assert letter.payload == {
        "agent": "clerk",
        "agent_version": "v1",
        "session_id": "ses_1",
        "input": encoded(given),
        "lane": "batch",
        "priority": 3,
        "dry_run": False,
        "metadata": {"tag": "x"},
    }


@pytest.mark.parametrize(
    "reason",
    [
        ExitReason.MAX_TURNS,
        ExitReason.BUDGET_EXCEEDED,
        ExitReason.DEADLINE,
        ExitReason.POLICY_DENIED,
        ExitReason.INVALID_OUTPUT,
        ExitReason.LOOP_DETECTED,
    ],
)
async def test_run_that_did_what_it_was_asked_is_no_dead_letter(bed: Bed, reason: ExitReason):
    await fail(bed, await bed.running(), reason)
    assert await letters(bed) == []


async def test_completed_and_cancelled_runs_are_no_dead_letters(bed: Bed):
    await bed.ended()
    queued = await bed.start()
    await bed.journal.cancel(TENANT, queued, "bob", "")
    assert await letters(bed) == []


async def test_child_is_its_parents_affair_unless_it_kills_workers(bed: Bed):
    parent = await bed.parked()
    child = await bed.running(parent_id=parent.id)
    await fail(bed, child)
    assert await letters(bed) == []
    killer = await bed.running(parent_id=parent.id)
    await fail(bed, killer, ExitReason.DEFECT, "worker_died")
    letter = await one(bed)
    assert (letter.run_id, letter.cause) == (killer.id, "worker_died")


@pytest.mark.parametrize("failed", [False, True])
async def test_effects_that_nobody_saw_end_are_kept_however_the_run_ends(bed: Bed, failed: bool):
    run = await bed.running()
    await act(bed, run, "lost", None)
    await act(bed, run, "timed-out", EffectState.UNKNOWN)
    await act(bed, run, "well", EffectState.DONE)
    await act(bed, run, "given-up", EffectState.ABANDONED)
    await (fail(bed, run, ExitReason.MAX_TURNS) if failed else bed.finish(run))
    found = {letter.subject: letter for letter in await letters(bed)}
    assert set(found) == {"lost/1", "timed-out/1"}
    letter = found["lost/1"]
    assert (letter.kind, letter.cause) == (KINDS.EFFECT, "effect_unknown")
    assert letter.payload == {
        "key": "lost",
        "tool": "shop.pay",
        "effect": "irreversible",
        "idempotency_key": idempotency_key(run.id, "lost"),
        "arguments": {"eur": 3},
    }


async def test_failed_effects_are_kept_once_and_only_of_failed_runs(bed: Bed):
    for ends in (fail, None):
        run = await bed.running()
        await act(bed, run, "a", EffectState.FAILED, arguments_hash="same")
        await act(bed, run, "b", EffectState.FAILED, arguments_hash="same")
        await act(bed, run, "c", EffectState.FAILED, arguments_hash="mended")
        await act(bed, run, "d", EffectState.DONE, arguments_hash="mended")
        await act(bed, run, "e", EffectState.FAILED, arguments_hash="same", tool="shop.other")
        await (fail(bed, run, ExitReason.MAX_TURNS) if ends else bed.finish(run))
        if ends:
            found = {letter.subject: letter for letter in await letters(bed)}
            assert set(found) == {"b/1", "e/1"}
            assert (found["b/1"].cause, found["b/1"].detail) == ("effect_failed", "b said no")
    assert len(await letters(bed)) == 2


async def test_who_calls_a_tool_is_told_what_failed(bed: Bed):
    """But not what nobody saw end, nor that the call kills workers."""
    run = await bed.running(kind=RunKind.TOOL)
    await act(bed, run, "a", EffectState.FAILED)
    await act(bed, run, "b", EffectState.UNKNOWN)
    await fail(bed, run, ExitReason.TOOL_ERROR)
    assert [letter.subject for letter in await letters(bed)] == ["b/1"]
    await fail(bed, await bed.running(kind=RunKind.TOOL), ExitReason.DEFECT, "worker_died")
    assert len(await letters(bed, DeadLetterFilter(kind=KINDS.RUN))) == 1


async def test_unread_messages_are_kept_the_engines_own_are_not(bed: Bed):
    run = await bed.running()
    await bed.journal.send(TENANT, run.id, "note", {"n": 1}, "d1")
    await bed.journal.send(TENANT, run.id, "child.ended", {"run_id": "run_x"}, "d2")
    await bed.finish(run)
    letter = await one(bed)
    assert (letter.kind, letter.cause, letter.subject) == (KINDS.MESSAGE, "run_ended", "1")
    assert letter.payload == {"topic": "note", "body": {"n": 1}, "dedupe": "d1"}


async def test_cancelled_and_fenced_runs_leave_their_effects_and_messages_too(bed: Bed):
    waiting = await bed.parked()
    await bed.journal.pause(TENANT, waiting.id, "alice")  # messages to a held run wait
    await bed.send(waiting, "unread")
    await bed.journal.cancel(TENANT, waiting.id, "bob", "")
    frozen = await bed.running()
    await act(bed, frozen, "pay", None)
    await bed.journal.cancel(TENANT, frozen.id, "bob", "")
    bed.clock.advance(6)
    await bed.journal.pump()
    assert {(letter.run_id, letter.kind) for letter in await letters(bed)} == {
        (waiting.id, KINDS.MESSAGE),
        (frozen.id, KINDS.EFFECT),
    }


async def test_pages_and_filters(bed: Bed):
    made: list[str] = []
    for index in range(5):
        run = await bed.running()
        await fail(bed, run)
        made.append(run.id)
        bed.clock.advance(index % 2)
    run = await bed.running(tenant="other")
    await fail(bed, run)
    seen: list[DeadLetter] = []
    before = None
    while page := await bed.dead_letters.page(TENANT, EVERYTHING, 2, before):
        seen += page
        before = seen[-1].id
    assert sorted(letter.run_id for letter in seen) == sorted(made)
    assert [letter.created_at for letter in seen] == sorted((each.created_at for each in seen), reverse=True)
    assert await bed.dead_letters.page(TENANT, EVERYTHING, 2, "dlq_nobody") == []
    assert [letter.run_id for letter in await letters(bed, DeadLetterFilter(run_id=made[2]))] == [made[2]]
    assert await letters(bed, DeadLetterFilter(kind=KINDS.MESSAGE)) == []
    assert len(await letters(bed, DeadLetterFilter(KINDS.RUN, DeadLetterState.OPEN))) == 5
    with pytest.raises(NotFound):
        await bed.dead_letters.get(TENANT, (await bed.dead_letters.page("other", EVERYTHING, 1))[0].id)


async def test_run_is_replayed_once(bed: Bed):
    await fail(bed, await bed.running())
    letter = await one(bed)
    bed.hints.clear()
    orders = [Replay("bob", run=bed.new()) for _ in range(5)]
    answers = await asyncio.gather(*(bed.dead_letters.replay(TENANT, letter.id, order) for order in orders))
    settled = answers[0]
    assert all(answer == settled for answer in answers)
    assert (settled.state, settled.settled_by) == (DeadLetterState.REPLAYED, "bob")
    assert settled.outcome is not None
    started = settled.outcome["run_id"]
    assert (await bed.row_of(started)).status is RunStatus.QUEUED
    assert HintKind.WORK in bed.hinted(started)
    assert [order.run.id for order in orders if order.run and order.run.id != started] == [
        order.run.id for order in orders if order.run and not await exists(bed, order.run.id)
    ]
    assert await bed.dead_letters.get(TENANT, letter.id) == settled
    (row,) = await bed.outbox.audits(TENANT, AuditFilter(), 10)
    assert (row.action, row.actor, row.target, row.at) == ("REPLAY_DEAD_LETTER", "bob", letter.id, bed.clock.now())
    assert row.detail == {"run_id": started}


async def exists(bed: Bed, run_id: str) -> bool:
    try:
        await bed.row_of(run_id)
    except NotFound:
        return False
    return True


async def test_message_is_sent_again_to_a_run_that_lives(bed: Bed):
    over = await bed.running()
    await bed.send(over, "d1", n=1)
    await bed.finish(over)
    letter = await one(bed)
    with pytest.raises(RunEnded):
        await bed.dead_letters.replay(TENANT, letter.id, Replay("bob", message=Message(over.id, "note", {"n": 1})))
    assert (await one(bed)).state is DeadLetterState.OPEN
    waiting = await bed.parked()
    order = Replay("bob", message=Message(waiting.id, "note", {"n": 2}))
    settled = await bed.dead_letters.replay(TENANT, letter.id, order)
    assert settled.outcome == {"run_id": waiting.id, "n": 1}
    assert await bed.dead_letters.replay(TENANT, letter.id, order) == settled
    claimed = await bed.claim(waiting.id)
    assert [(row.topic, row.body, row.dedupe) for row in claimed.inbox] == [("note", {"n": 2}, letter.id)]


async def test_effect_that_was_repeated_is_done(bed: Bed):
    run = await bed.running()
    await act(bed, run, "pay", None)
    await act(bed, run, "other", None)
    await bed.finish(run)
    letter = next(letter for letter in await letters(bed) if letter.subject == "pay/1")
    order = Replay("bob", result={"text": "paid"}, through="run_x")
    settled = await bed.dead_letters.replay(TENANT, letter.id, order)
    assert settled.outcome == {"result": {"text": "paid"}, "run_id": "run_x"}
    assert await bed.states(run) == [EffectState.DONE, EffectState.UNKNOWN]


async def test_discarded_letters_stay_discarded(bed: Bed):
    await fail(bed, await bed.running())
    letter = await one(bed)
    settled = await bed.dead_letters.discard(TENANT, letter.id, "bob")
    assert (settled.state, settled.outcome) == (DeadLetterState.DISCARDED, None)
    assert await bed.dead_letters.discard(TENANT, letter.id, "carol") == settled
    with pytest.raises(DeadLetterSettled):
        await bed.dead_letters.replay(TENANT, letter.id, Replay("bob", run=bed.new()))
    (row,) = await bed.outbox.audits(TENANT, AuditFilter(), 10)
    assert (row.action, row.actor, row.target) == ("DISCARD_DEAD_LETTER", "bob", letter.id)
    assert row.detail == {"kind": "run", "run_id": letter.run_id, "cause": letter.cause}


async def test_replayed_letters_cannot_be_discarded(bed: Bed):
    await fail(bed, await bed.running())
    letter = await one(bed)
    await bed.dead_letters.replay(TENANT, letter.id, Replay("bob", run=bed.new()))
    with pytest.raises(DeadLetterSettled):
        await bed.dead_letters.discard(TENANT, letter.id, "bob")
    for doing in (bed.dead_letters.replay(TENANT, "dlq_x", Replay("bob")), bed.dead_letters.discard(TENANT, "x", "b")):
        with pytest.raises(NotFound):
            await doing
