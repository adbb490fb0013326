"""Published events in the database: each reaches every run that waited for it when it was published, once.

Who waits is written down before the run parks. The transaction that publishes copies who waits into `event_wakes`;
those are then sent to the runs in slices, by the publisher or, where it died, by anybody's `deliver`.
"""

from contextlib import suppress
from datetime import timedelta

from ripieno.domain.errors import LegLost, NotFound, RunEnded
from ripieno.domain.mail import Receiver
from ripieno.domain.published import ARRIVED, Published, patterns
from ripieno.store.bodies import dump
from ripieno.store.portable.frame import Frame, Frames, Record, Send, Work

SLICE = 100

REMEMBERED = timedelta(hours=24)
"""How long an event that is told again is known."""

OWNED = "SELECT id FROM runs WHERE id = :run_id AND epoch = :epoch AND status = 'running' FOR NO KEY UPDATE"

STAY = """
INSERT INTO event_waiters (run_id, key, topic, tenant, epoch) VALUES (:run_id, :key, :topic, :tenant, :epoch)
ON CONFLICT DO NOTHING
"""

LEAVE = "DELETE FROM event_waiters WHERE run_id = :run_id AND key = :key"

KEEP = """
INSERT INTO published_events (tenant, source, id, at) VALUES (:tenant, :source, :id, :now)
ON CONFLICT DO NOTHING RETURNING id
"""

# What two events wake at once hears of the first only.
WAKES = """
INSERT INTO event_wakes (run_id, key, epoch, tenant, body)
SELECT run_id, key, epoch, tenant, :body FROM event_waiters
WHERE tenant = :tenant AND topic = ANY(:topics::text[])
ON CONFLICT DO NOTHING
"""

WOKEN = """
DELETE FROM event_waiters WHERE tenant = :tenant AND topic = ANY(:topics::text[])
  AND EXISTS (
    SELECT 1 FROM event_wakes WHERE event_wakes.run_id = event_waiters.run_id AND event_wakes.key = event_waiters.key
  )
"""

DUE = "SELECT * FROM event_wakes ORDER BY run_id, key LIMIT :limit::int"

SENT = "DELETE FROM event_wakes WHERE run_id = :run_id AND key = :key AND epoch = :epoch::int"

# A look at one run for each that waits; as NOT EXISTS it would read all runs there are.
FORGET_WAITERS = """
DELETE FROM event_waiters
WHERE (SELECT runs.ended_at IS NULL FROM runs WHERE runs.id = event_waiters.run_id) IS NOT TRUE
"""

FORGET_EVENTS = "DELETE FROM published_events WHERE at <= :before"


class StoredEvents:
    """`engine.stores.Events`."""

    def __init__(self, frames: Frames) -> None:
        self._frames = frames

    async def publish(self, event: Published) -> None:
        await self._frames.write(_publish, event)
        await self.deliver()

    async def stay(self, receiver: Receiver, topic: str) -> None:
        await self._frames.write(_stay, receiver, topic)

    async def leave(self, run_id: str, key: str) -> None:
        await self._frames.write(_leave, run_id, key)

    async def deliver(self) -> int:
        total = 0
        while sent := await self._frames.write(_deliver):
            total += sent
        return total

    async def tidy(self) -> None:
        await self._frames.write(_tidy)


def _publish(frame: Frame, event: Published) -> Work[None]:
    known = {"tenant": event.tenant, "source": event.source, "id": event.id}
    if (yield from frame.one(KEEP, **known, now=frame.now)) is None:
        return
    topics = patterns(event.type)
    body = {"topic": event.type, **event.shown()}
    yield from frame.all(WAKES, tenant=event.tenant, topics=topics, body=dump(body))
    yield from frame.all(WOKEN, tenant=event.tenant, topics=topics)
    yield from frame.tell(event.tenant, event.type, "", event.shown())


def _stay(frame: Frame, receiver: Receiver, topic: str) -> Work[None]:
    run_id, epoch = receiver.run_id, receiver.epoch
    if (yield from frame.one(OWNED, run_id=run_id, epoch=epoch)) is None:
        raise LegLost(f"epoch {epoch} of {run_id} is over")
    yield from frame.all(STAY, run_id=run_id, key=receiver.key, topic=topic, tenant=receiver.tenant, epoch=epoch)


def _leave(frame: Frame, run_id: str, key: str) -> Work[None]:
    yield from frame.all(LEAVE, run_id=run_id, key=key)


def _deliver(frame: Frame) -> Work[int]:
    """Send some to their runs, in the order in which runs are locked; answers how many."""
    rows = yield from frame.all(DUE, limit=SLICE)
    for row in rows:
        with suppress(NotFound, RunEnded):
            yield from frame.send(_letter(row))
        yield from frame.all(SENT, run_id=row["run_id"], key=row["key"], epoch=row["epoch"])
    return len(rows)


def _letter(row: Record) -> Send:
    key = row["key"]
    body = {**row.json("body"), "key": key}
    return Send(row["tenant"], row["run_id"], ARRIVED, body, f"event/{row['epoch']}/{key}")


def _tidy(frame: Frame) -> Work[None]:
    yield from frame.all(FORGET_WAITERS)
    yield from frame.all(FORGET_EVENTS, before=frame.now - REMEMBERED)
