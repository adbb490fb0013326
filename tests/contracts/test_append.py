"""Append: fenced, without gaps, all or nothing."""

import asyncio
from typing import Any

import pytest

from ripieno.domain import ids
from ripieno.domain.batches import Append, EffectClose
from ripieno.domain.effects import EffectState
from ripieno.domain.entries import EntryType, NewEntry
from ripieno.domain.errors import IntentRefused, Invalid, JournalMismatch, LegLost, NotFound
from ripieno.domain.hints import HintKind
from ripieno.domain.interrupts import InterruptKind, NewInterrupt
from ripieno.domain.runs import RunStatus
from tests.contracts.bed import TENANT, Bed, intent


async def test_entries_are_numbered_from_one_without_gaps(bed: Bed):
    run = await bed.running()
    bed.hints.clear()
    first = await bed.append(run, "a", "b")
    bed.clock.advance(1)
    second = await bed.append(run, "c")
    assert [(entry.seq, entry.key, entry.epoch) for entry in [*first, *second]] == [
        (1, "a", 1),
        (2, "b", 1),
        (3, "c", 1),
    ]
    assert list(await bed.records.entries(TENANT, run.id)) == [*first, *second]
    row = await bed.row(run)
    assert (row.last_seq, row.updated_at) == (3, bed.clock.now())
    assert bed.hinted(run.id) == {HintKind.PROGRESS}


BODIES: list[dict[str, Any]] = [
    {},
    {"text": "ä \n \0 \u2028 🎻", "deep": [[{}, None, True, 1.5, -3, 1e300]]},
    {"big": "x" * 100_000},
    {"number": 2**60},
]


@pytest.mark.parametrize("body", BODIES, ids=lambda body: " ".join(body) or "empty")
async def test_body_comes_back_as_it_went(bed: Bed, body: dict[str, Any]):
    run = await bed.running()
    await bed.journal.append(Append(run.id, run.epoch, (NewEntry("k", EntryType.TOOL_RETURNED, body),)))
    (entry,) = await bed.records.entries(TENANT, run.id)
    assert (entry.type, entry.body, entry.v) == (EntryType.TOOL_RETURNED, body, 1)


async def test_what_json_cannot_say_is_replaced(bed: Bed):
    run = await bed.running()
    body = {"nan": float("nan"), "inf": [float("inf")], "half": "a\udc80b"}
    await bed.journal.append(Append(run.id, run.epoch, (NewEntry("k", EntryType.TOOL_RETURNED, body),)))
    (entry,) = await bed.records.entries(TENANT, run.id)
    assert entry.body == {"nan": None, "inf": [None], "half": "a?b"}


async def test_old_epoch_writes_nothing(bed: Bed):
    old = await bed.running()
    await bed.journal.release(old.id, old.epoch)
    new = (await bed.claim(old.id)).run
    child = bed.new(parent_id=old.id)
    with pytest.raises(LegLost):
        await bed.append(old, "late", intents=(intent(old, "late"),), children=(child,))
    assert await bed.keys(new) == []
    assert await bed.states(new) == []
    with pytest.raises(NotFound):
        await bed.records.run(TENANT, child.id)


@pytest.mark.parametrize("state", [RunStatus.QUEUED, RunStatus.WAITING, RunStatus.COMPLETED])
async def test_run_without_a_leg_takes_no_entry_even_under_its_epoch(bed: Bed, state: RunStatus):
    run = await bed.running()
    match state:
        case RunStatus.QUEUED:
            await bed.journal.release(run.id, run.epoch)
        case RunStatus.WAITING:
            await bed.park(run)
        case _:
            await bed.finish(run)
    with pytest.raises(LegLost):
        await bed.append(run, "late")


async def test_unknown_run_is_a_lost_leg(bed: Bed):
    with pytest.raises(LegLost):
        await bed.journal.append(Append("run_0", 1, (NewEntry("k", EntryType.RUN_STARTED, {}),)))


async def test_a_key_is_written_once(bed: Bed):
    run = await bed.running()
    await bed.append(run, "a")
    with pytest.raises(JournalMismatch):
        await bed.append(run, "b", "a")
    assert await bed.keys(run) == ["a"]
    assert [entry.seq for entry in await bed.append(run, "b")] == [2]


async def test_intent_and_close_live_in_the_ledger(bed: Bed):
    run = await bed.running()
    await bed.append(run, "a/intent/1", intents=(intent(run, "a"),))
    bed.clock.advance(2)
    await bed.append(run, "b/intent/1", intents=(intent(run, "b"),))
    await bed.append(run, "b", closes=(EffectClose("b", 1, EffectState.FAILED),))
    await bed.append(run, "b/intent/2", intents=(intent(run, "b", attempt=2),))
    effects = await bed.records.effects(TENANT, run.id)
    assert [(effect.key, effect.attempt, effect.state) for effect in effects] == [
        ("a", 1, EffectState.INTENDED),
        ("b", 1, EffectState.FAILED),
        ("b", 2, EffectState.INTENDED),
    ]
    assert (effects[0].intended_at, effects[0].closed_at) == (bed.after(-2), None)
    assert effects[1].closed_at == bed.clock.now()
    assert effects[1].idempotency_key == effects[2].idempotency_key


@pytest.mark.parametrize("stop", ["cancel", "pause"])
async def test_intents_are_refused_while_the_run_is_stopping(bed: Bed, stop: str):
    run = await bed.running()
    if stop == "cancel":
        await bed.journal.cancel(TENANT, run.id, "bob", "")
    else:
        await bed.journal.pause(TENANT, run.id, "alice")
    with pytest.raises(IntentRefused):
        await bed.append(run, "a/intent/1", intents=(intent(run, "a"),))
    assert await bed.keys(run) == []
    assert await bed.states(run) == []
    await bed.append(run, "outcome")  # what is under way may still be written down
    assert await bed.keys(run) == ["outcome"]


@pytest.mark.parametrize(
    "belongings",
    [
        {"closes": (EffectClose("nowhere", 1, EffectState.DONE),)},
        {"consumed": (1,)},
        {"interrupts": (NewInterrupt("apr_1", "k", InterruptKind.APPROVAL, "h", {"bad": object()}),)},
    ],
)
async def test_a_batch_is_written_whole_or_not_at_all(bed: Bed, belongings: dict[str, Any]):
    run = await bed.running()
    bed.hints.clear()
    child = bed.new(parent_id=run.id)
    with pytest.raises((JournalMismatch, Invalid)):
        await bed.append(run, "a", intents=(intent(run, "a"),), children=(child,), **belongings)
    row = await bed.row(run)
    assert (row.last_seq, await bed.keys(run), await bed.states(run)) == (0, [], [])
    with pytest.raises(NotFound):
        await bed.records.run(TENANT, child.id)
    assert bed.hints == []


async def test_same_effect_or_interrupt_is_not_opened_twice(bed: Bed):
    run = await bed.running()
    await bed.append(run, "i1", intents=(intent(run, "a"),))
    await bed.ask(run)
    with pytest.raises(JournalMismatch):
        await bed.append(run, "i2", intents=(intent(run, "a"),))
    again = NewInterrupt("apr_other", "q", InterruptKind.APPROVAL, "h", {})
    with pytest.raises(JournalMismatch):
        await bed.append(run, "i3", interrupts=(again,))


async def test_a_message_is_consumed_once(bed: Bed):
    run = await bed.running()
    await bed.send(run, "d")
    await bed.append(run, "a", consumed=(1,))
    with pytest.raises(JournalMismatch):
        await bed.append(run, "b", consumed=(1,))
    assert await bed.send(run, "d") == 1  # a late double is still known
    assert (await bed.journal.unread(run.id, run.epoch))[0] == 1


async def test_child_starts_with_its_entry_and_only_once(bed: Bed):
    parent = await bed.running()
    child = bed.new(id=ids.derive(ids.RUN, parent.id, "child/a"), parent_id=parent.id, parent_key="child/a")
    bed.hints.clear()
    await bed.append(parent, "child/a", children=(child,))
    assert HintKind.WORK in bed.hinted(child.id)
    await bed.append(parent, "again", children=(child,))
    row = await bed.records.run(TENANT, child.id)
    assert (row.status, row.parent_id, row.parent_key) == (RunStatus.QUEUED, parent.id, "child/a")
    assert (await bed.claim(child.id)).run.epoch == 1


async def test_poisonous_batch_harms_nobody_else(bed: Bed):
    runs = [await bed.running() for _ in range(20)]

    async def work(index: int) -> str:
        body: dict[str, Any] = {"poison": object()} if index % 5 == 0 else {"n": index}
        batch = Append(runs[index].id, runs[index].epoch, (NewEntry("k", EntryType.MODEL_REPLIED, body),))
        try:
            await bed.journal.append(batch)
        except Invalid:
            return "refused"
        return "written"

    outcomes = await asyncio.gather(*(work(index) for index in range(20)))
    assert outcomes == ["refused" if index % 5 == 0 else "written" for index in range(20)]
    assert [await bed.keys(run) for run in runs] == [[] if index % 5 == 0 else ["k"] for index in range(20)]
