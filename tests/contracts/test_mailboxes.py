"""Mailboxes, on every store: each message to one receiver, in order, whoever waits and whoever is lost."""

import asyncio
from typing import Any

import pytest

from ripieno.domain import ids
from ripieno.domain.errors import AlreadyReceived, LegLost, MailboxFull, NotFound
from ripieno.domain.hints import HintKind
from ripieno.domain.mail import Mail, NewMail, Receiver, bell
from ripieno.domain.runs import Run, RunStatus
from ripieno.engine.stores import Mailboxes
from ripieno.store.embedded import EmbeddedStore
from ripieno.store.mailboxes import StoredMailboxes
from ripieno.store.postgres.opening import PostgresStore
from ripieno.testing.memory_journal import MemoryStore
from tests.contracts.bed import TENANT, Bed

BOX = "agent/clerk"


def on(bed: Bed) -> Mailboxes:
    if isinstance(bed.store, MemoryStore):
        return bed.store.mailboxes
    assert isinstance(bed.store, EmbeddedStore | PostgresStore)
    return StoredMailboxes(bed.store.frames)


async def post(bed: Bed, body: Any = "hello", box: str = BOX, **fields: Any) -> Mail:
    bed.clock.advance(0.001)
    return await on(bed).post(NewMail(bed.clock.new_id(ids.MESSAGE), TENANT, box, "alice", body, **fields))


def wants(run: Run, key: str = "k") -> Receiver:
    return Receiver(TENANT, run.id, run.epoch, key)


async def take(bed: Bed, run: Run, key: str = "k", boxes: tuple[str, ...] = (BOX,), *, stay: bool = True) -> Any:
    found = await on(bed).take(wants(run, key), boxes, stay=stay)
    return None if found is None else found.body


async def waits(bed: Bed) -> Run:
    """A parked run that waits for a message."""
    bed.clock.advance(0.001)
    run = await bed.running()
    assert await take(bed, run) is None
    assert await bed.park(run)
    return run


async def standing(bed: Bed, *runs: Run) -> list[RunStatus]:
    return [(await bed.row(run)).status for run in runs]


async def test_messages_come_in_order_and_each_once(bed: Bed):
    for body in ("a", {"b": [1, None]}, 3):
        await post(bed, body)
    run = await bed.running()
    assert [await take(bed, run, key) for key in ("k1", "k2", "k3", "k4")] == ["a", {"b": [1, None]}, 3, None]


async def test_a_command_that_asks_again_gets_its_message_again(bed: Bed):
    await post(bed, "a")
    await post(bed, "b")
    run = await bed.running()
    assert await take(bed, run, "k1") == "a"
    await bed.recover()
    again = (await bed.claim(run.id)).run
    assert [await take(bed, again, "k1"), await take(bed, again, "k2")] == ["a", "b"]


async def test_a_leg_that_was_lost_takes_nothing(bed: Bed):
    await post(bed)
    run = await bed.running()
    await bed.recover()
    with pytest.raises(LegLost):
        await take(bed, run)
    assert len(await on(bed).unread(TENANT, BOX, 10)) == 1


async def test_the_same_message_again_is_one_message(bed: Bed):
    first = await post(bed, "a", from_run="run_1", reply_to="msg_0")
    again = NewMail(first.id, TENANT, BOX, "alice", "a", "run_1", "msg_0")
    assert await on(bed).post(again) == first
    assert [(each.n, each.from_run, each.reply_to) for each in await on(bed).unread(TENANT, BOX, 10)] == [
        (1, "run_1", "msg_0")
    ]


async def test_several_boxes_are_one_to_their_receiver(bed: Bed):
    await post(bed, "a", "session/s")
    await post(bed, "b")
    await post(bed, "c", "session/s")
    run = await bed.running()
    boxes = (BOX, "session/s")
    assert [await take(bed, run, key, boxes) for key in ("1", "2", "3")] == ["a", "b", "c"]


async def test_a_message_wakes_who_has_waited_longest_and_nobody_else(bed: Bed):
    first, second = await waits(bed), await waits(bed)
    bed.hints.clear()
    await post(bed)
    assert await standing(bed, first, second) == [RunStatus.QUEUED, RunStatus.WAITING]
    assert HintKind.WORK in {hint.kind for hint in bed.hints if hint.run_id == first.id}
    assert {hint.kind for hint in bed.hints if hint.run_id == bell(TENANT, BOX)} == {HintKind.PROGRESS}
    woken = (await bed.claim(first.id)).run
    assert await take(bed, woken) == "hello"
    assert await standing(bed, second) == [RunStatus.WAITING]


async def test_who_takes_one_of_two_messages_wakes_the_next(bed: Bed):
    first, second = await waits(bed), await waits(bed)
    await post(bed, "a")
    await post(bed, "b")
    assert await standing(bed, first, second) == [RunStatus.QUEUED, RunStatus.WAITING]
    assert await take(bed, (await bed.claim(first.id)).run) == "a"
    assert await standing(bed, second) == [RunStatus.QUEUED]
    assert await take(bed, (await bed.claim(second.id)).run) == "b"


async def test_a_message_between_the_look_and_the_park_is_not_overlooked(bed: Bed):
    run = await bed.running()
    assert await take(bed, run) is None
    bed.hints.clear()
    await post(bed)
    assert {hint.kind for hint in bed.hints if hint.run_id == run.id} == {HintKind.CONTROL}
    assert not await bed.park(run, inbox_seq=0)
    assert await take(bed, run) == "hello"


async def test_who_is_held_or_over_is_passed_by(bed: Bed):
    held, over, third = await waits(bed), await waits(bed), await waits(bed)
    await bed.journal.pause(TENANT, held.id, "alice")
    await bed.journal.cancel(TENANT, over.id, "bob", "")
    await post(bed)
    assert await standing(bed, held, over, third) == [RunStatus.PAUSED, RunStatus.CANCELLED, RunStatus.QUEUED]


async def test_who_gives_up_is_not_woken(bed: Bed):
    run = await waits(bed)
    await bed.send(run, "d1")
    again = (await bed.claim(run.id)).run
    assert await take(bed, again, stay=False) is None
    assert await bed.park(again)
    await post(bed)
    assert await standing(bed, again) == [RunStatus.WAITING]


async def test_what_a_lost_sender_or_receiver_left_is_stirred(bed: Bed):
    first, second = await waits(bed), await waits(bed)
    await post(bed)
    assert await on(bed).stir() == 1
    await bed.journal.cancel(TENANT, first.id, "bob", "woken, and cancelled before it could look")
    assert await standing(bed, second) == [RunStatus.WAITING]
    assert await on(bed).stir() == 1
    assert await standing(bed, second) == [RunStatus.QUEUED]
    assert await take(bed, (await bed.claim(second.id)).run) == "hello"
    assert await on(bed).stir() == 0


async def test_somebody_outside_looks_receives_and_acknowledges(bed: Bed):
    posted = [await post(bed, n) for n in range(4)]
    boxes = on(bed)
    assert [each.body for each in await boxes.unread(TENANT, BOX, 2)] == [0, 1]
    assert [each.body for each in await boxes.unread(TENANT, BOX, 9, after=posted[1].n)] == [2, 3]
    assert await boxes.acknowledge(TENANT, posted[1].id, "bob") == posted[1]
    with pytest.raises(AlreadyReceived, match="bob"):
        await boxes.acknowledge(TENANT, posted[1].id, "eve")
    assert [each.body for each in await boxes.receive(TENANT, BOX, 2, "bob", "a")] == [0, 2]
    assert [each.body for each in await boxes.receive(TENANT, BOX, 2, "bob", "a")] == [0, 2]
    assert [each.body for each in await boxes.receive(TENANT, BOX, 9, "eve", "b")] == [3]
    assert await boxes.receive(TENANT, BOX, 9, "eve", "c") == []


async def test_other_tenants_see_nothing(bed: Bed):
    posted = await post(bed)
    boxes = on(bed)
    assert await boxes.unread("other", BOX, 9) == []
    assert await boxes.receive("other", BOX, 9, "eve", "d") == []
    with pytest.raises(NotFound):
        await boxes.acknowledge("other", posted.id, "eve")
    with pytest.raises(NotFound):
        await boxes.acknowledge(TENANT, "msg_nothing", "eve")


async def test_many_senders_and_receivers_at_once(bed: Bed):
    runs = [await bed.running() for _ in range(4)]

    async def receive(run: Run) -> list[Any]:
        return [await take(bed, run, str(n), stay=False) for n in range(20)]

    taken, *_ = await asyncio.gather(
        asyncio.gather(*(receive(run) for run in runs)), *(post(bed, f"m{n}") for n in range(30))
    )
    got = [body for bodies in taken for body in bodies if body is not None]
    rest = [each.body for each in await on(bed).receive(TENANT, BOX, 99, "bob", "e")]
    assert sorted([*got, *rest]) == sorted(f"m{n}" for n in range(30))


async def test_a_box_takes_no_more_than_it_may_hold_until_somebody_takes_something(bed: Bed):
    if isinstance(bed.store, MemoryStore):
        bed.store.mailboxes.most = 2
        boxes: Mailboxes = bed.store.mailboxes
    else:
        assert isinstance(bed.store, EmbeddedStore | PostgresStore)
        boxes = StoredMailboxes(bed.store.frames, most=2)

    def letter(number: int, box: str = BOX) -> NewMail:
        return NewMail(f"msg_{number}", TENANT, box, "alice", number)

    for number in (1, 2):
        await boxes.post(letter(number))
    with pytest.raises(MailboxFull, match="2 messages lie in the box of clerk"):
        await boxes.post(letter(3))
    assert (await boxes.post(letter(2))).n == 2, "it lies there already"
    await boxes.post(letter(4, "agent/other"))
    await boxes.acknowledge(TENANT, "msg_1", "bob")
    await boxes.post(letter(3))
    assert [each.id for each in await boxes.unread(TENANT, BOX, 10)] == ["msg_2", "msg_3"]
