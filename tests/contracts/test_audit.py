"""A decision and all that follows from it are one transaction: audit, vote, message and wake-up, or nothing."""

from collections.abc import AsyncIterator, Sequence
from pathlib import Path
from typing import Any

import pytest

from ripieno.domain.errors import RipienoError
from ripieno.domain.interrupts import Decision, DecisionKind, InterruptKind, InterruptStatus, OnExpiry, Terms
from ripieno.domain.outbox import AuditFilter, AuditRow
from ripieno.domain.principals import Principal
from ripieno.domain.runs import Run, RunKind, RunStatus
from ripieno.domain.schedules import NewSchedule, ScheduleChange, ScheduleSpec, Target, Trigger
from ripieno.store.dispatch_local import LocalDispatch
from ripieno.store.embedded import EmbeddedStore
from ripieno.store.portable.frame import Frame, Frames, Work
from ripieno.store.postgres.opening import PostgresStore
from ripieno.store.schedules import StoredSchedules
from ripieno.testing.fake_clock import FakeClock
from tests.contracts.bed import STORES, TENANT, Bed
from tests.servers import postgres

KINDS = [pytest.param("sqlite"), pytest.param("postgres", marks=postgres.NEEDS)]
BOSS = Principal("boss", TENANT, ("admin",))

BREAKING: dict[type[object], Sequence[str]] = {
    EmbeddedStore: (
        "CREATE TRIGGER breaks BEFORE INSERT ON {table} WHEN {when} BEGIN SELECT RAISE(ABORT, 'no room'); END",
    ),
    PostgresStore: (
        "CREATE FUNCTION breaking() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RAISE EXCEPTION 'no room'; END $$",
        "CREATE TRIGGER breaks BEFORE INSERT ON {table} FOR EACH ROW WHEN ({when}) EXECUTE FUNCTION breaking()",
    ),
}
MENDING: dict[type[object], Sequence[str]] = {
    EmbeddedStore: ("DROP TRIGGER breaks",),
    PostgresStore: ("DROP TRIGGER breaks ON {table}", "DROP FUNCTION breaking"),
}
PLACES = [("outbox", "NEW.type = 'audit'"), ("inbox", "NEW.topic = 'interrupt.decided'"), ("votes", "NEW.n = 1")]


@pytest.fixture(params=KINDS)
async def kept(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Bed]:
    """A store that could fail half-way."""
    clock, dispatch = FakeClock(), LocalDispatch()
    async with STORES[request.param](tmp_path / "data", clock, dispatch) as store:
        yield Bed(store, clock, dispatch)


@pytest.fixture(params=PLACES, ids=[place for place, _ in PLACES])
async def broken(kept: Bed, request: pytest.FixtureRequest) -> AsyncIterator[Bed]:
    """A store that fails in the middle of a decision."""
    table, when = request.param
    await execute(kept, BREAKING[type(kept.store)], table=table, when=when)
    yield kept
    await execute(kept, MENDING[type(kept.store)], table=table)


def frames(bed: Bed) -> Frames:
    assert isinstance(bed.store, EmbeddedStore | PostgresStore)
    return bed.store.frames


async def execute(bed: Bed, statements: Sequence[str], **words: str) -> None:
    def work(frame: Frame) -> Work[None]:
        for statement in statements:
            yield from frame.all(statement.format(**words))

    await frames(bed).write(work)


async def audit(bed: Bed) -> list[AuditRow]:
    return list(await bed.outbox.audits(TENANT, AuditFilter(), 99))[::-1]


async def waiting(bed: Bed, **fields: Any) -> tuple[Run, str]:
    run = await bed.running()
    asked = await bed.ask(run, **fields)
    await bed.park(run, RunStatus.AWAITING_APPROVAL)
    return run, asked


async def test_what_fails_half_way_leaves_nothing(broken: Bed):
    run, asked = await waiting(broken)
    broken.hints.clear()
    with pytest.raises(RipienoError):
        await broken.journal.decide(TENANT, asked, Decision(DecisionKind.APPROVE, "bob"))
    standing = await broken.records.interrupt(TENANT, asked)
    assert (standing.status, standing.votes, standing.decisions) == (InterruptStatus.PENDING, (), ())
    row = await broken.row(run)
    assert (row.status, row.inbox_seq) == (RunStatus.AWAITING_APPROVAL, 0)
    assert await audit(broken) == []
    assert broken.hinted(run.id) == set()


@pytest.mark.parametrize(
    ("kind", "decision", "action"),
    [
        (InterruptKind.APPROVAL, DecisionKind.APPROVE, "APPROVE_ACTION"),
        (InterruptKind.APPROVAL, DecisionKind.DENY, "DENY_ACTION"),
        (InterruptKind.BUDGET, DecisionKind.APPROVE, "RAISE_BUDGET"),
        (InterruptKind.BUDGET, DecisionKind.DENY, "DENY_BUDGET"),
        (InterruptKind.QUESTION, DecisionKind.ANSWER, "ANSWER_QUESTION"),
        (InterruptKind.UNKNOWN_EFFECT, DecisionKind.COMMITTED, "CONFIRM_EFFECT"),
        (InterruptKind.UNKNOWN_EFFECT, DecisionKind.RETRY, "RETRY_EFFECT"),
        (InterruptKind.UNKNOWN_EFFECT, DecisionKind.ABANDON, "ABANDON_EFFECT"),
    ],
)
async def test_every_decision_is_on_record(bed: Bed, kind: InterruptKind, decision: DecisionKind, action: str):
    run, asked = await waiting(bed, kind=kind)
    bed.clock.advance(7)
    await bed.journal.decide(TENANT, asked, Decision(decision, "bob", "because"))
    (row,) = await audit(bed)
    assert (row.action, row.actor, row.target, row.at) == (action, "bob", asked, bed.clock.now())
    assert (row.detail["run_id"], row.detail["subject_hash"], row.detail["requested_by"]) == (run.id, "hash", "alice")
    assert (row.detail["decision"]["kind"], row.detail["decision"]["reason"]) == (decision, "because")


async def test_each_word_on_the_way_is_on_record(bed: Bed):
    terms = Terms(required=2, seconds=60, on_expiry=OnExpiry.ESCALATE)
    _, asked = await waiting(bed, terms=terms, expires_at=bed.after(60))
    await bed.journal.decide(TENANT, asked, Decision(DecisionKind.APPROVE, "bob"))
    await bed.journal.delegate(BOSS, asked, ["carol"])
    bed.clock.advance(60)
    await bed.journal.pump()
    bed.clock.advance(60)
    await bed.journal.pump()
    other = await bed.ask(await bed.running())
    await bed.journal.withdraw(TENANT, other)
    await bed.journal.withdraw(TENANT, other)
    rows = await audit(bed)
    assert [(row.action, row.actor) for row in rows] == [
        ("VOTE_ACTION", "bob"),
        ("DELEGATE_INTERRUPT", "boss"),
        ("ESCALATE_INTERRUPT", "system"),
        ("EXPIRE_INTERRUPT", "system"),
        ("WITHDRAW_INTERRUPT", "system"),
    ]
    assert [row.detail["assignees"] for row in rows[1:3]] == [["carol"], ["role:admin"]]


async def test_a_schedule_that_cannot_be_recorded_is_not_changed(kept: Bed):
    schedules, alice = StoredSchedules(frames(kept)), Principal("alice", TENANT)
    await schedules.create(NewSchedule("sch_1", TENANT, "nightly", "clerk", ScheduleSpec(every=60), "alice"))
    await execute(kept, BREAKING[type(kept.store)], table="outbox", when="NEW.type = 'audit'")
    for doomed in (
        schedules.change(alice, "nightly", ScheduleChange(paused=True)),
        schedules.trigger(TENANT, "nightly", Target("clerk", "v1", RunKind.AGENT), Trigger("run_1", "bob")),
        schedules.delete(alice, "nightly"),
    ):
        with pytest.raises(RipienoError):
            await doomed
    assert (await schedules.schedule(TENANT, "nightly")).version == 1
    assert await schedules.ticks(TENANT, "nightly", 10) == []
    assert [row.action for row in await audit(kept)] == ["CREATE_SCHEDULE"]
    await execute(kept, MENDING[type(kept.store)], table="outbox")
