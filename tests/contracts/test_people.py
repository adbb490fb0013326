"""Several people decide: who may, how many must, what happens when nobody does. The same in every store."""

import asyncio
from typing import Any

import pytest

from ripieno.domain.batches import Pumped
from ripieno.domain.errors import (
    AlreadyDecided,
    AlreadyEscalated,
    AlreadyVoted,
    InterruptExpired,
    Invalid,
    NotAssignee,
    NotFound,
    OwnRequest,
)
from ripieno.domain.filters import InterruptFilter
from ripieno.domain.hints import HintKind
from ripieno.domain.interrupts import (
    Decision,
    DecisionKind,
    Interrupt,
    InterruptKind,
    InterruptStatus,
    OnExpiry,
    Terms,
)
from ripieno.domain.principals import Principal
from ripieno.domain.runs import Run, RunStatus
from tests.contracts.bed import TENANT, Bed

PAIR = Terms(required=2, exclude_requester=True)
DANA = Principal("dana", TENANT, ("finance",))
BOSS = Principal("boss", TENANT, ("admin",))


async def waiting(bed: Bed, kind: InterruptKind = InterruptKind.APPROVAL, **fields: Any) -> tuple[Run, str]:
    """A run of alice that waits for a decision."""
    run = await bed.running()
    interrupt_id = await bed.ask(run, kind=kind, **fields)
    await bed.park(run, RunStatus.AWAITING_APPROVAL)
    bed.hints.clear()
    return run, interrupt_id


async def say(
    bed: Bed, interrupt_id: str, by: str, kind: DecisionKind = DecisionKind.APPROVE, *roles: str, **fields: Any
) -> Interrupt:
    return await bed.journal.decide(TENANT, interrupt_id, Decision(kind, by, **fields), roles)


async def test_two_must_approve(bed: Bed):
    run, asked = await waiting(bed, terms=PAIR)
    first = await say(bed, asked, "bob", reason="fine")
    assert (first.status, first.decisions) == (InterruptStatus.PENDING, ())
    assert bed.hinted(run.id) == set()
    assert ((await bed.row(run)).status, (await bed.row(run)).inbox_seq) == (RunStatus.AWAITING_APPROVAL, 0)
    bed.clock.advance(1)
    second = await say(bed, asked, "carol")
    assert second.status is InterruptStatus.APPROVED
    assert [(vote.by, vote.kind, vote.reason) for vote in second.votes] == [
        ("bob", DecisionKind.APPROVE, "fine"),
        ("carol", DecisionKind.APPROVE, None),
    ]
    assert [decision.decided_by for decision in second.decisions] == ["carol"]
    assert second == await bed.records.interrupt(TENANT, asked)
    assert [second] == list(await bed.records.interrupts(TENANT, InterruptFilter(run_id=run.id), 9))
    assert bed.hinted(run.id) == {HintKind.WORK, HintKind.STATUS}
    claimed = await bed.claim(run.id)
    assert [letter.body["decision"]["decided_by"] for letter in claimed.inbox] == ["carol"]
    assert claimed.interrupts == (second,)


async def test_one_no_is_enough(bed: Bed):
    run, asked = await waiting(bed, terms=PAIR)
    await say(bed, asked, "bob")
    denied = await say(bed, asked, "carol", DecisionKind.DENY)
    assert denied.status is InterruptStatus.DENIED
    assert (await bed.row(run)).status is RunStatus.QUEUED


async def test_each_has_one_vote(bed: Bed):
    _, asked = await waiting(bed, terms=Terms(required=3))
    await say(bed, asked, "bob")
    for kind in (DecisionKind.APPROVE, DecisionKind.DENY):
        with pytest.raises(AlreadyVoted, match="it needs 2 more"):
            await say(bed, asked, "bob", kind)
    assert len((await bed.records.interrupt(TENANT, asked)).votes) == 1


async def test_votes_at_once_are_all_counted_and_one_closes(bed: Bed):
    run, asked = await waiting(bed, terms=Terms(required=5))

    async def vote(number: int) -> str:
        try:
            return (await say(bed, asked, f"person{number % 10}")).status.value
        except (AlreadyVoted, AlreadyDecided) as refused:
            return refused.code

    said = await asyncio.gather(*(vote(number) for number in range(30)))
    assert (said.count("pending"), said.count("approved")) == (4, 1)
    assert (await bed.row(run)).inbox_seq == 1
    assert len((await bed.records.interrupt(TENANT, asked)).votes) == 5


async def test_who_asked_may_not_approve_but_may_deny(bed: Bed):
    _, asked = await waiting(bed, terms=Terms(exclude_requester=True))
    with pytest.raises(OwnRequest):
        await say(bed, asked, "alice", DecisionKind.APPROVE, "admin")
    assert (await say(bed, asked, "alice", DecisionKind.DENY)).status is InterruptStatus.DENIED


async def test_only_those_who_are_asked_may_decide_and_admins(bed: Bed):
    terms = Terms(required=3, assignees=("bob", "role:finance"))
    _, asked = await waiting(bed, terms=terms)
    with pytest.raises(NotAssignee):
        await say(bed, asked, "eve", DecisionKind.DENY, "sales")
    await say(bed, asked, "bob")
    await say(bed, asked, "dana", DecisionKind.APPROVE, "finance")
    assert (await say(bed, asked, "boss", DecisionKind.APPROVE, "admin")).status is InterruptStatus.APPROVED


async def test_arguments_of_a_call_that_several_must_approve_stay_as_they_are(bed: Bed):
    _, asked = await waiting(bed, terms=PAIR)
    with pytest.raises(Invalid) as refused:
        await say(bed, asked, "bob", arguments={"eur": 1})
    assert [problem.pointer for problem in refused.value.problems] == ["/arguments"]


@pytest.mark.parametrize(
    ("kind", "decision", "fields", "pointer"),
    [
        (InterruptKind.APPROVAL, DecisionKind.APPROVE, {"amount": 1.0}, "/amount"),
        (InterruptKind.BUDGET, DecisionKind.DENY, {"amount": 1.0}, "/amount"),
        (InterruptKind.APPROVAL, DecisionKind.DENY, {"arguments": {}}, "/arguments"),
        (InterruptKind.QUESTION, DecisionKind.ANSWER, {"arguments": {}}, "/arguments"),
    ],
)
async def test_what_does_not_belong_to_a_decision_is_refused(
    bed: Bed, kind: InterruptKind, decision: DecisionKind, fields: dict[str, Any], pointer: str
):
    _, asked = await waiting(bed, kind)
    with pytest.raises(Invalid) as refused:
        await say(bed, asked, "bob", decision, **fields)
    assert [problem.pointer for problem in refused.value.problems] == [pointer]


async def test_a_budget_is_raised_by_an_amount(bed: Bed):
    run, asked = await waiting(bed, InterruptKind.BUDGET)
    assert (await say(bed, asked, "bob", amount=2.5)).decisions[0].amount == 2.5
    assert (await bed.claim(run.id)).inbox[0].body["decision"]["amount"] == 2.5


async def test_late_comers_hear_who_decided_and_when(bed: Bed):
    _, asked = await waiting(bed)
    bed.clock.advance(5)
    await say(bed, asked, "bob")
    with pytest.raises(AlreadyDecided) as refused:
        await say(bed, asked, "carol")
    assert (refused.value.decided_by, refused.value.decided_at) == ("bob", bed.clock.now())


# -- others are asked --------------------------------------------------------------------------------------------------


async def test_delegation_puts_another_in_ones_place(bed: Bed):
    _, asked = await waiting(bed, terms=Terms(assignees=("dana", "bob")))
    handed = await bed.journal.delegate(DANA, asked, ["fay", "bob"])
    assert handed.assignees == ("bob", "fay")
    assert handed == await bed.records.interrupt(TENANT, asked)
    with pytest.raises(NotAssignee):
        await bed.journal.delegate(DANA, asked, ["dana"])
    assert (await bed.journal.delegate(BOSS, asked, ["role:finance"])).assignees == ("role:finance",)
    assert (await say(bed, asked, "dana", DecisionKind.APPROVE, "finance")).status is InterruptStatus.APPROVED
    with pytest.raises(AlreadyDecided):
        await bed.journal.delegate(BOSS, asked, ["fay"])


async def test_a_question_to_everybody_can_be_put_to_one(bed: Bed):
    _, asked = await waiting(bed)
    assert (await bed.journal.delegate(DANA, asked, ["fay"])).assignees == ("fay",)
    with pytest.raises(NotAssignee):
        await say(bed, asked, "dana")


async def test_it_cannot_be_delegated_to_whoever_may_not_decide(bed: Bed):
    _, asked = await waiting(bed, terms=PAIR)
    with pytest.raises(Invalid) as refused:
        await bed.journal.delegate(DANA, asked, ["alice"])
    assert [problem.pointer for problem in refused.value.problems] == ["/to"]


async def test_what_was_put_to_somebody_is_found(bed: Bed):
    _, mine = await waiting(bed, terms=Terms(assignees=("dana", "role:finance")))
    _, theirs = await waiting(bed, terms=Terms(assignees=("dana.smith",)))

    async def found(assignee: str) -> list[str]:
        return [asked.id for asked in await bed.records.interrupts(TENANT, InterruptFilter(assignee=assignee), 9)]

    assert (await found("dana"), await found("role:finance"), await found("dan")) == ([mine], [mine], [])
    assert await found("dana.smith") == [theirs]


async def test_escalation_asks_those_above_with_new_time_once(bed: Bed):
    terms = Terms(assignees=("dana",), seconds=60, escalate_to=("role:cfo",))
    _, asked = await waiting(bed, terms=terms, expires_at=bed.after(60))
    bed.clock.advance(50)
    with pytest.raises(NotAssignee):
        await bed.journal.escalate(Principal("eve", TENANT), asked)
    raised = await bed.journal.escalate(DANA, asked)
    assert (raised.assignees, raised.expires_at, raised.escalated_at) == (
        ("role:cfo",),
        bed.after(60),
        bed.clock.now(),
    )
    assert raised == await bed.records.interrupt(TENANT, asked)
    with pytest.raises(NotAssignee):
        await say(bed, asked, "dana")
    with pytest.raises(AlreadyEscalated):
        await bed.journal.escalate(BOSS, asked)


async def test_nobody_hands_on_what_is_not_there_is_anothers_or_too_late(bed: Bed):
    _, asked = await waiting(bed, expires_at=bed.after(9))
    stranger = Principal("eve", "other", ("admin",))
    for name in (asked, "apr_0"):
        with pytest.raises(NotFound):
            await bed.journal.delegate(stranger, name, ["eve"])
        with pytest.raises(NotFound):
            await bed.journal.escalate(stranger, name)
        with pytest.raises(NotFound):
            await bed.journal.withdraw("other", name)
    bed.clock.advance(9)
    with pytest.raises(InterruptExpired):
        await bed.journal.delegate(BOSS, asked, ["fay"])
    with pytest.raises(InterruptExpired):
        await bed.journal.escalate(BOSS, asked)


# -- nobody decides ----------------------------------------------------------------------------------------------------


async def test_what_nobody_decides_goes_up_and_then_is_denied(bed: Bed):
    terms = Terms(assignees=("dana",), seconds=60, on_expiry=OnExpiry.ESCALATE)
    run, asked = await waiting(bed, terms=terms, expires_at=bed.after(60))
    bed.clock.advance(60)
    assert await bed.journal.pump() == Pumped(expired=1)
    raised = await bed.records.interrupt(TENANT, asked)
    assert (raised.status, raised.assignees, raised.expires_at) == (
        InterruptStatus.PENDING,
        ("role:admin",),
        bed.after(60),
    )
    assert (await bed.row(run)).status is RunStatus.AWAITING_APPROVAL
    assert await bed.journal.pump() == Pumped()
    bed.clock.advance(60)
    assert await bed.journal.pump() == Pumped(expired=1)
    closed = await bed.records.interrupt(TENANT, asked)
    assert (closed.status, closed.decisions[0].kind) == (InterruptStatus.EXPIRED, DecisionKind.DENY)
    assert (await bed.row(run)).status is RunStatus.QUEUED


async def test_what_was_escalated_by_hand_is_not_escalated_again(bed: Bed):
    terms = Terms(seconds=60, on_expiry=OnExpiry.ESCALATE)
    _, asked = await waiting(bed, terms=terms, expires_at=bed.after(60))
    await bed.journal.escalate(DANA, asked)
    bed.clock.advance(60)
    await bed.journal.pump()
    assert (await bed.records.interrupt(TENANT, asked)).status is InterruptStatus.EXPIRED


async def test_expiry_can_cancel_the_run(bed: Bed):
    terms = Terms(on_expiry=OnExpiry.CANCEL)
    run, asked = await waiting(bed, terms=terms, expires_at=bed.after(60))
    child = await bed.parked(parent_id=run.id)
    bed.clock.advance(60)
    assert (await bed.journal.pump()).expired == 1
    row = await bed.row(run)
    assert row.status is RunStatus.CANCELLED
    assert row.result is not None
    assert row.result.error is not None
    assert row.result.error.detail == f"cancelled by system: nobody decided {asked} in time"
    closed = await bed.records.interrupt(TENANT, asked)
    assert (closed.status, closed.decisions[0].decided_by) == (InterruptStatus.EXPIRED, "system")
    await bed.journal.pump()
    assert (await bed.row(child)).status is RunStatus.CANCELLED


async def test_expiry_asks_a_leg_that_still_works_to_stop(bed: Bed):
    run = await bed.running()
    await bed.ask(run, terms=Terms(on_expiry=OnExpiry.CANCEL), expires_at=bed.after(1))
    bed.clock.advance(1)
    await bed.journal.pump()
    assert (await bed.row(run)).cancel_at == bed.clock.now()


async def test_votes_do_not_outlive_their_time(bed: Bed):
    _, asked = await waiting(bed, terms=PAIR, expires_at=bed.after(60))
    await say(bed, asked, "bob")
    bed.clock.advance(60)
    with pytest.raises(InterruptExpired):
        await say(bed, asked, "carol")
    await bed.journal.pump()
    closed = await bed.records.interrupt(TENANT, asked)
    assert (closed.status, len(closed.votes)) == (InterruptStatus.EXPIRED, 1)


async def test_more_than_a_slice_is_overdue_at_once(bed: Bed):
    run = await bed.running()
    for number in range(210):
        await bed.ask(run, key=f"q{number}", expires_at=bed.after(1))
    bed.clock.advance(1)
    assert (await bed.journal.pump()).expired == 210


async def test_a_question_is_taken_back_if_nobody_answered(bed: Bed):
    run = await bed.running()
    asked = await bed.ask(run)
    assert (await bed.journal.withdraw(TENANT, asked)).status is InterruptStatus.VOID
    with pytest.raises(AlreadyDecided) as refused:
        await say(bed, asked, "bob")
    assert (refused.value.status, refused.value.decided_by) == (InterruptStatus.VOID, None)
    other = await bed.ask(run, key="other")
    decided = await say(bed, other, "bob", DecisionKind.DENY)
    assert await bed.journal.withdraw(TENANT, other) == decided
