"""Transactions that were committed although the connection broke before their answer came: done again, they say so."""

from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import ParamSpec, TypeVar

import pytest

from ripieno.domain import ids
from ripieno.domain.interrupts import Decision, DecisionKind, InterruptStatus, Terms
from ripieno.domain.mail import NewMail
from ripieno.domain.past import Founding
from ripieno.domain.principals import Principal
from ripieno.domain.runs import RunKind, RunStatus
from ripieno.store.dispatch_local import LocalDispatch
from ripieno.store.embedded import EmbeddedStore
from ripieno.store.history import StoredHistory
from ripieno.store.mailboxes import StoredMailboxes
from ripieno.store.portable import interrupts
from ripieno.store.portable.frame import Frames, Verb
from ripieno.store.postgres.opening import PostgresStore
from ripieno.testing.fake_clock import FakeClock
from tests.contracts.bed import STORES, TENANT, Bed
from tests.servers import postgres

P = ParamSpec("P")
T = TypeVar("T")

KINDS = [pytest.param("sqlite"), pytest.param("postgres", marks=postgres.NEEDS)]
BOX = "agent/clerk"
BOB = Principal("bob", TENANT, ("approver",))


class Forgetful:
    """`Frames` that hear of no commit the first time, and so do everything twice."""

    def __init__(self, frames: Frames) -> None:
        self._frames = frames
        self.read: Callable[..., object] = frames.read

    async def write(self, verb: Verb[P, T], *given: P.args, **named: P.kwargs) -> T:
        await self._frames.write(verb, *given, **named)
        return await self._frames.write(verb, *given, **named)


@pytest.fixture(params=KINDS)
async def bed(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Bed]:
    clock, dispatch = FakeClock(), LocalDispatch()
    async with STORES[request.param](tmp_path / "data", clock, dispatch) as store:
        yield Bed(store, clock, dispatch)


def forgetful(bed: Bed) -> Forgetful:
    assert isinstance(bed.store, EmbeddedStore | PostgresStore)
    return Forgetful(bed.store.frames)


async def test_received_messages_are_not_lost(bed: Bed):
    boxes = StoredMailboxes(forgetful(bed))  # pyright: ignore[reportArgumentType]
    for n in range(4):
        bed.clock.advance(0.001)
        await boxes.post(NewMail(bed.clock.new_id(ids.MESSAGE), TENANT, BOX, "alice", n))
    assert [each.body for each in await boxes.receive(TENANT, BOX, 2, "bob", "k1")] == [0, 1]
    assert [each.body for each in await boxes.receive(TENANT, BOX, 9, "bob", "k2")] == [2, 3]


async def test_who_acknowledged_is_not_told_that_somebody_did(bed: Bed):
    boxes = StoredMailboxes(forgetful(bed))  # pyright: ignore[reportArgumentType]
    posted = await boxes.post(NewMail(bed.clock.new_id(ids.MESSAGE), TENANT, BOX, "alice", "hello"))
    assert await boxes.acknowledge(TENANT, posted.id, "bob") == posted


async def test_who_decided_is_not_told_that_somebody_was_faster(bed: Bed):
    asked = await bed.ask(await bed.running())
    word = Decision(DecisionKind.APPROVE, "bob")
    decided = await forgetful(bed).write(interrupts.decide, (TENANT, ()), asked, word, [])
    assert decided.status is InterruptStatus.APPROVED
    assert len(await bed.outbox.events(TENANT, "interrupt.decided", 0, 9)) <= 1


async def test_who_handed_on_is_not_told_that_it_is_not_theirs(bed: Bed):
    terms = Terms(assignees=("bob",), escalate_to=("eve",))
    asked = await bed.ask(await bed.running(), terms=terms)
    kept = await forgetful(bed).write(interrupts.delegate, BOB, asked, ["dan"], [])
    assert kept.assignees == ("dan",)
    other = await bed.ask(await bed.running(), terms=terms)
    assert (await forgetful(bed).write(interrupts.escalate, BOB, other, [])).assignees == ("eve",)


async def test_a_rollback_is_not_in_its_own_way(bed: Bed):
    run = await bed.ended(RunStatus.COMPLETED)
    undo = bed.new(kind=RunKind.ROLLBACK, target=run.id)
    history = StoredHistory(forgetful(bed), bed.records)  # pyright: ignore[reportArgumentType]
    await history.found(Founding(undo, (), about=run.id))
    assert (await bed.row_of(undo.id)).status is RunStatus.QUEUED
