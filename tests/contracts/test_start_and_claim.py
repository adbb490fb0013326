"""Start inserts once; claim takes by lane, priority and age, and fences by epoch."""

import pytest

from ripieno.domain.batches import Append, Standing
from ripieno.domain.entries import EntryType, NewEntry
from ripieno.domain.errors import NotFound
from ripieno.domain.hints import HintKind
from ripieno.domain.interrupts import InterruptStatus
from ripieno.domain.runs import RunInput, RunStatus
from tests.contracts.bed import TENANT, Bed, intent


async def test_started_run_is_queued_with_all_that_was_asked(bed: Bed):
    asked = RunInput("go", {"deep": [1, None, {"ä": "ö"}]}, "plan", {"c": 1}, "offline", {"max_turns": 3})
    run = bed.new(input=asked, deadline=bed.after(60), lane="batch", priority=7, dry_run=True, metadata={"m": [1]})
    assert await bed.journal.start(run)
    row = await bed.records.run(TENANT, run.id)
    assert (row.status, row.epoch, row.last_seq, row.inbox_seq) == (RunStatus.QUEUED, 0, 0, 0)
    assert (row.input, row.root_id, row.created_at) == (asked, run.id, bed.clock.now())
    assert (row.deadline, row.lane, row.priority, row.dry_run, row.metadata) == (
        bed.after(60),
        "batch",
        7,
        True,
        {"m": [1]},
    )
    assert (row.started_at, row.ended_at, row.result, row.exit_reason) == (None, None, None, None)
    assert bed.hinted(run.id) == {HintKind.WORK, HintKind.STATUS}


async def test_starting_the_same_id_again_changes_nothing(bed: Bed):
    run = bed.new()
    assert await bed.journal.start(run)
    assert not await bed.journal.start(bed.new(id=run.id, target="other"))
    assert (await bed.records.run(TENANT, run.id)).target == "clerk"


async def test_session_begins_with_its_first_run_and_is_touched_by_each(bed: Bed):
    await bed.start()
    began = bed.clock.now()
    bed.clock.advance(5)
    await bed.start(created_by="bob")
    session = await bed.records.session(TENANT, "ses_1")
    assert (session.created_by, session.created_at, session.updated_at) == ("alice", began, bed.clock.now())


async def test_claims_go_by_lane_then_priority_then_age(bed: Bed):
    old = await bed.start()
    bed.clock.advance(1)
    young, high = await bed.start(), await bed.start(priority=5)
    unknown_lane = await bed.start(lane="slow")
    batch, interactive = await bed.start(lane="batch", priority=9), await bed.start(lane="interactive")
    first = await bed.journal.claim("w1", 2)
    rest = await bed.journal.claim("w1", 10)
    order = [claimed.run.id for claimed in [*first, *rest]]
    assert order == [interactive, high, old, young, unknown_lane, batch]
    assert await bed.journal.claim("w1", 10) == []


async def test_claim_begins_an_epoch_and_starts_the_clock_once(bed: Bed):
    run = await bed.running()
    assert (run.status, run.epoch, run.started_at) == (RunStatus.RUNNING, 1, bed.clock.now())
    began = bed.clock.now()
    await bed.journal.release(run.id, run.epoch)
    bed.clock.advance(3)
    again = (await bed.claim(run.id)).run
    assert (again.epoch, again.started_at) == (2, began)
    assert await bed.row(run) == again


async def test_claim_brings_everything_the_leg_needs(bed: Bed):
    run = await bed.running()
    await bed.append(run, "a", "b")
    await bed.append(run, "c/intent", intents=(intent(run, "c"),))
    interrupt_id = await bed.ask(run)
    await bed.send(run, "one", n=1)
    await bed.send(run, "two", n=2)
    await bed.append(run, "read", consumed=(1,))
    await bed.journal.release(run.id, run.epoch)
    claimed = await bed.claim(run.id)
    assert [entry.key for entry in claimed.entries] == ["a", "b", "c/intent", "q", "read"]
    assert [row.n for row in claimed.inbox] == [2]
    assert [(effect.key, effect.attempt) for effect in claimed.effects] == [("c", 1)]
    assert [(asked.id, asked.status) for asked in claimed.interrupts] == [(interrupt_id, InterruptStatus.PENDING)]
    assert (claimed.run.inbox_seq, claimed.run.last_seq) == (2, 5)


async def test_held_and_ended_and_waiting_runs_are_not_claimed(bed: Bed):
    await bed.parked()
    await bed.ended()
    held = await bed.start()
    await bed.journal.pause(TENANT, held, "alice")
    assert await bed.journal.claim("w1", 10) == []


async def test_a_tenants_run_is_nobody_elses(bed: Bed):
    run = await bed.running()
    await bed.ask(run)
    for refused in (
        bed.records.run("other", run.id),
        bed.records.session("other", "ses_1"),
        bed.journal.send("other", run.id, "t", {}, "d"),
        bed.journal.cancel("other", run.id, "eve", ""),
        bed.journal.pause("other", run.id, "alice"),
        bed.journal.resume("other", run.id, "alice"),
    ):
        with pytest.raises(NotFound):
            await refused
    assert await bed.records.entries("other", run.id) in ((), [])
    assert await bed.records.effects("other", run.id) in ((), [])


async def test_two_tenants_may_use_one_session_name(bed: Bed):
    await bed.start()
    await bed.start(tenant="other", created_by="zoe")
    assert (await bed.records.session("other", "ses_1")).created_by == "zoe"
    assert (await bed.records.session(TENANT, "ses_1")).created_by == "alice"


async def test_claim_of_a_run_that_only_received_brings_its_inbox(bed: Bed):
    run_id = await bed.start()
    await bed.journal.send(TENANT, run_id, "hello", {"n": 1}, "d")
    claimed = await bed.claim(run_id)
    assert [(row.n, row.topic, row.body, row.dedupe) for row in claimed.inbox] == [(1, "hello", {"n": 1}, "d")]
    batch = Append(run_id, claimed.run.epoch, (NewEntry("k", EntryType.RUN_STARTED, {}),), consumed=(1,))
    await bed.journal.append(batch)
    assert await bed.journal.unread(run_id, claimed.run.epoch) in ((1, ()), (1, []))


async def test_whoever_claimed_a_run_is_sure_of_it(bed: Bed):
    run = await bed.running()
    await bed.append(run, "k")
    assert bed.journal.standing(run.id, run.epoch) is Standing.SURE
