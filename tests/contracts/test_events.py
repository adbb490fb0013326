"""Published events, on every store: each run that waits hears of one, once, whoever is lost."""

import asyncio
from typing import Any

import pytest

from ripieno.domain.errors import LegLost
from ripieno.domain.hints import HintKind
from ripieno.domain.mail import Receiver
from ripieno.domain.published import ARRIVED, Published
from ripieno.domain.runs import Run, RunStatus
from ripieno.engine.stores import Events
from ripieno.store.embedded import EmbeddedStore
from ripieno.store.events import StoredEvents
from ripieno.store.postgres.opening import PostgresStore
from ripieno.testing.memory_journal import MemoryStore
from tests.contracts.bed import TENANT, Bed


def on(bed: Bed) -> Events:
    if isinstance(bed.store, MemoryStore):
        return bed.store.events
    assert isinstance(bed.store, EmbeddedStore | PostgresStore)
    return StoredEvents(bed.store.frames)


def event(kind: str = "deploy.finished", number: int = 1, **fields: Any) -> Published:
    usual: dict[str, Any] = {"data": {"n": number}, "by": "alice", "tenant": TENANT, "source": "ci"}
    given: dict[str, Any] = {**usual, "id": f"e{number}", "type": kind, **fields}
    return Published(**given)


async def waits(bed: Bed, topic: str = "deploy.finished", key: str = "k") -> Run:
    """A parked run that waits for a topic."""
    run = await bed.running()
    await on(bed).stay(Receiver(TENANT, run.id, run.epoch, key), topic)
    assert await bed.park(run)
    return run


async def heard(bed: Bed, run: Run) -> list[Any]:
    """What lies in the inbox of a run that waited."""
    found = await bed.claim(run.id)
    return [(row.topic, row.body["topic"], row.body["data"], row.body["key"]) for row in found.inbox]


@pytest.mark.parametrize("topic", ["deploy.finished", "deploy.*", "*"])
async def test_who_waits_for_its_type_or_for_all_below_is_woken(bed: Bed, topic: str):
    run = await waits(bed, topic)
    bed.hints.clear()
    await on(bed).publish(event())
    assert HintKind.WORK in bed.hinted(run.id)
    assert await heard(bed, run) == [(ARRIVED, "deploy.finished", {"n": 1}, "k")]


@pytest.mark.parametrize("topic", ["deploy", "deploy.fin*", "deploy.finished.*", "deploy.*.x"])
async def test_others_sleep_on(bed: Bed, topic: str):
    run = await waits(bed, topic)
    await on(bed).publish(event())
    assert (await bed.row(run)).status is RunStatus.WAITING


async def test_everybody_who_waits_hears_of_it(bed: Bed):
    runs = [await waits(bed) for _ in range(3)]
    await on(bed).publish(event())
    assert [(await bed.row(run)).status for run in runs] == [RunStatus.QUEUED] * 3


async def test_other_tenants_do_not(bed: Bed):
    run = await waits(bed)
    await on(bed).publish(event(tenant="other"))
    assert (await bed.row(run)).status is RunStatus.WAITING
    assert await bed.outbox.events(TENANT, "deploy.finished", 0, 10) == []


async def test_an_event_wakes_a_wait_once_and_the_next_one_only_the_next_wait(bed: Bed):
    run = await waits(bed)
    await on(bed).publish(event())
    await on(bed).publish(event(number=2))
    assert [data for _, _, data, _ in await heard(bed, run)] == [{"n": 1}]


async def test_told_twice_it_happened_once(bed: Bed):
    await on(bed).publish(event())
    run = await waits(bed)
    await on(bed).publish(event())
    await on(bed).publish(event(source="another"))
    assert [data for _, _, data, _ in await heard(bed, run)] == [{"n": 1}]
    async with asyncio.timeout(20):  # on PostgreSQL another task gives them their positions
        while len(told := await bed.outbox.events(TENANT, "deploy.*", 0, 10)) < 2:
            await asyncio.sleep(0.002)
    assert [row.body["source"] for row in told] == ["ci", "another"]


async def test_a_run_that_has_ended_or_left_is_told_nothing(bed: Bed):
    ended, left = await waits(bed), await waits(bed)
    await bed.journal.cancel(TENANT, ended.id, "alice", "")
    await on(bed).leave(left.id, "k")
    await on(bed).publish(event())
    assert [(await bed.row(run)).status for run in (ended, left)] == [RunStatus.CANCELLED, RunStatus.WAITING]
    await on(bed).tidy()
    assert await on(bed).deliver() == 0


async def test_a_leg_that_was_lost_cannot_wait(bed: Bed):
    run = await bed.running()
    with pytest.raises(LegLost):
        await on(bed).stay(Receiver(TENANT, run.id, run.epoch + 1, "k"), "deploy.finished")


async def test_who_waits_twice_at_once_hears_of_it_twice(bed: Bed):
    run = await bed.running()
    for key in ("a", "b"):
        await on(bed).stay(Receiver(TENANT, run.id, run.epoch, key), "deploy.*")
    assert await bed.park(run)
    await on(bed).publish(event())
    assert [key for *_, key in await heard(bed, run)] == ["a", "b"]


async def test_what_a_publisher_that_died_left_is_delivered_by_others(bed: Bed, monkeypatch: pytest.MonkeyPatch):
    """It commits whom to wake before it wakes anybody."""
    if isinstance(bed.store, MemoryStore):
        return
    run = await waits(bed)

    async def dies(_: StoredEvents) -> int:
        raise ConnectionError

    with monkeypatch.context() as patch:
        patch.setattr(StoredEvents, "deliver", dies)
        with pytest.raises(ConnectionError):
            await on(bed).publish(event())
    assert (await bed.row(run)).status is RunStatus.WAITING
    assert await on(bed).deliver() == 1
    assert [data for _, _, data, _ in await heard(bed, run)] == [{"n": 1}]
