"""Decide: once, by one, and the run hears of it in the same transaction."""

import asyncio

import pytest

from ripieno.domain import jsons
from ripieno.domain.errors import AlreadyDecided, InterruptExpired, Invalid, NotFound
from ripieno.domain.hints import HintKind
from ripieno.domain.interrupts import Decision, DecisionKind, InterruptKind, InterruptStatus
from ripieno.domain.runs import RunStatus
from tests.contracts.bed import TENANT, Bed

APPROVE = Decision(DecisionKind.APPROVE, "bob")


async def test_opened_interrupt_shows_what_was_asked(bed: Bed):
    run = await bed.running()
    asked = await bed.records.interrupt(TENANT, await bed.ask(run, expires_at=bed.after(60)))
    assert (asked.run_id, asked.key, asked.kind, asked.status) == (
        run.id,
        "q",
        InterruptKind.APPROVAL,
        InterruptStatus.PENDING,
    )
    assert (asked.request, asked.risk, asked.reasons, asked.requested_by) == (
        {"tool": "shop.pay"},
        "high",
        ("dear",),
        "alice",
    )
    assert (asked.created_at, asked.expires_at, asked.decisions) == (bed.clock.now(), bed.after(60), ())


async def test_decision_closes_tells_and_wakes(bed: Bed):
    run = await bed.running()
    interrupt_id = await bed.ask(run)
    await bed.park(run, RunStatus.AWAITING_APPROVAL)
    bed.clock.advance(9)
    bed.hints.clear()
    said = Decision(DecisionKind.APPROVE, "bob", "fine", {"amount": 3})
    decided = await bed.journal.decide(TENANT, interrupt_id, said)
    assert (decided.status, decided.decisions[0].arguments) == (InterruptStatus.APPROVED, {"amount": 3})
    assert decided.decisions[0].decided_at == bed.clock.now()
    assert decided == await bed.records.interrupt(TENANT, interrupt_id)
    assert bed.hinted(run.id) == {HintKind.WORK, HintKind.STATUS}
    (message,) = (await bed.claim(run.id)).inbox
    assert (message.topic, message.dedupe) == ("interrupt.decided", interrupt_id)
    assert message.body["interrupt_id"] == interrupt_id
    assert jsons.decode(Decision, message.body["decision"]) == decided.decisions[0]


async def test_early_decision_lies_in_the_inbox(bed: Bed):
    run = await bed.running()
    interrupt_id = await bed.ask(run)
    await bed.journal.decide(TENANT, interrupt_id, APPROVE)
    assert not await bed.park(run, RunStatus.AWAITING_APPROVAL, inbox_seq=0)
    assert len((await bed.journal.unread(run.id, run.epoch))[1]) == 1


@pytest.mark.parametrize(
    ("kind", "decision", "status"),
    [
        (InterruptKind.APPROVAL, DecisionKind.DENY, InterruptStatus.DENIED),
        (InterruptKind.BUDGET, DecisionKind.APPROVE, InterruptStatus.APPROVED),
        (InterruptKind.QUESTION, DecisionKind.ANSWER, InterruptStatus.ANSWERED),
        (InterruptKind.UNKNOWN_EFFECT, DecisionKind.COMMITTED, InterruptStatus.ANSWERED),
        (InterruptKind.UNKNOWN_EFFECT, DecisionKind.RETRY, InterruptStatus.ANSWERED),
        (InterruptKind.UNKNOWN_EFFECT, DecisionKind.ABANDON, InterruptStatus.ANSWERED),
    ],
)
async def test_each_kind_has_its_answers(
    bed: Bed, kind: InterruptKind, decision: DecisionKind, status: InterruptStatus
):
    interrupt_id = await bed.ask(await bed.running(), kind=kind)
    decided = await bed.journal.decide(TENANT, interrupt_id, Decision(decision, "bob", answer={"x": [1]}))
    assert (decided.status, decided.decisions[0].answer) == (status, {"x": [1]})


@pytest.mark.parametrize(
    ("kind", "decision"),
    [
        (InterruptKind.APPROVAL, DecisionKind.ANSWER),
        (InterruptKind.QUESTION, DecisionKind.DENY),
        (InterruptKind.UNKNOWN_EFFECT, DecisionKind.APPROVE),
    ],
)
async def test_answer_that_does_not_fit_changes_nothing(bed: Bed, kind: InterruptKind, decision: DecisionKind):
    run = await bed.running()
    interrupt_id = await bed.ask(run, kind=kind)
    with pytest.raises(Invalid) as refused:
        await bed.journal.decide(TENANT, interrupt_id, Decision(decision, "bob"))
    assert [problem.pointer for problem in refused.value.problems] == ["/decision"]
    assert (await bed.records.interrupt(TENANT, interrupt_id)).status is InterruptStatus.PENDING
    assert (await bed.row(run)).inbox_seq == 0


async def test_second_decision_is_told_who_was_first(bed: Bed):
    interrupt_id = await bed.ask(await bed.running())
    await bed.journal.decide(TENANT, interrupt_id, APPROVE)
    with pytest.raises(AlreadyDecided) as refused:
        await bed.journal.decide(TENANT, interrupt_id, Decision(DecisionKind.DENY, "carol"))
    assert (refused.value.status, refused.value.decided_by) == (InterruptStatus.APPROVED, "bob")


async def test_of_fifty_at_once_one_wins(bed: Bed):
    run = await bed.running()
    interrupt_id = await bed.ask(run)
    await bed.park(run, RunStatus.AWAITING_APPROVAL)

    async def decide(index: int) -> str | None:
        kind = DecisionKind.APPROVE if index % 2 else DecisionKind.DENY
        try:
            await bed.journal.decide(TENANT, interrupt_id, Decision(kind, f"person{index}"))
        except AlreadyDecided as refused:
            return refused.decided_by
        return None

    outcomes = await asyncio.gather(*(decide(index) for index in range(50)))
    winner = f"person{outcomes.index(None)}"
    assert outcomes.count(None) == 1
    assert outcomes.count(winner) == 49
    assert [message.body["decision"]["decided_by"] for message in (await bed.claim(run.id)).inbox] == [winner]


async def test_nobody_decides_what_does_not_exist_or_is_anothers(bed: Bed):
    interrupt_id = await bed.ask(await bed.running())
    with pytest.raises(NotFound):
        await bed.journal.decide("other", interrupt_id, APPROVE)
    with pytest.raises(NotFound):
        await bed.journal.decide(TENANT, "apr_0", APPROVE)
    with pytest.raises(NotFound):
        await bed.records.interrupt("other", interrupt_id)


async def test_end_of_the_run_voids_what_is_open(bed: Bed):
    run = await bed.running()
    interrupt_id = await bed.ask(run)
    await bed.finish(run)
    with pytest.raises(AlreadyDecided) as refused:
        await bed.journal.decide(TENANT, interrupt_id, APPROVE)
    assert (refused.value.status, refused.value.decided_by) == (InterruptStatus.VOID, None)


async def test_time_to_decide_ends_before_the_pump_comes(bed: Bed):
    run = await bed.running()
    interrupt_id = await bed.ask(run, expires_at=bed.after(60))
    bed.clock.advance(60)
    with pytest.raises(InterruptExpired):
        await bed.journal.decide(TENANT, interrupt_id, APPROVE)
    assert (await bed.records.interrupt(TENANT, interrupt_id)).status is InterruptStatus.PENDING
    assert (await bed.journal.pump()).expired == 1
    with pytest.raises(InterruptExpired):
        await bed.journal.decide(TENANT, interrupt_id, APPROVE)
