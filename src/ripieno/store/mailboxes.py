"""Mailboxes in the database: each message goes to one receiver, in order.

A box's row is locked by whoever sends to it or takes from it, so that a receiver either finds a message or is known to
wait before the message comes. What a run took is out of its box for good when the run's journal has it: that append
acknowledges it, and the end of the run puts back what is not acknowledged (`verbs/give_back.py`). A sender that dies
before it has woken anybody is made good for by `stir`, which also wakes who waits for what was put back.
"""

from collections.abc import Sequence
from datetime import datetime, timedelta

from ripieno.domain import mail
from ripieno.domain.errors import AlreadyReceived, LegLost, MailboxFull, NotFound
from ripieno.domain.hints import HintKind
from ripieno.domain.mail import Mail, NewMail, Receiver
from ripieno.store.bodies import dump
from ripieno.store.portable.frame import Frame, Frames, Record, Work

KEPT = timedelta(days=30)
"""How long a message is kept after it was taken."""

INSTANT = timedelta(microseconds=1)

KNOWN = "SELECT * FROM mail WHERE id = :id"

COUNT = """
INSERT INTO mailboxes (tenant, box, seq) VALUES (:tenant, :box, 1)
ON CONFLICT (tenant, box) DO UPDATE SET seq = mailboxes.seq + 1 RETURNING seq
"""

LOCK = """
INSERT INTO mailboxes (tenant, box, seq) VALUES (:tenant, :box, 0)
ON CONFLICT (tenant, box) DO UPDATE SET seq = mailboxes.seq RETURNING seq
"""

INSERT = """
INSERT INTO mail (id, tenant, box, n, sender, from_run, body, reply_to, sent_at)
VALUES (:id, :tenant, :box, :n, :sender, :from_run, :body, :reply_to, :now) RETURNING *
"""

OWNED = "SELECT updated_at FROM runs WHERE id = :run_id AND epoch = :epoch AND status = 'running' FOR NO KEY UPDATE"

TAKEN = "SELECT * FROM mail WHERE taken_by = :run_id AND taken_key = :key ORDER BY n"

FIRST = """
SELECT * FROM mail WHERE tenant = :tenant AND box = ANY(:boxes::text[]) AND taken_at IS NULL
ORDER BY sent_at, n LIMIT 1
"""

UNREAD = """
SELECT * FROM mail WHERE tenant = :tenant AND box = :box AND taken_at IS NULL AND n > :after::int
ORDER BY n LIMIT :limit::int
"""

TAKE = "UPDATE mail SET taken_by = :by, taken_key = :key, taken_at = :now WHERE id = :id"

# An end of the run that waits for its lock sees by this that it must look again.
TOUCH = "UPDATE runs SET updated_at = :now WHERE id = :run_id"

# As many as there may be lie before this one.
FULL = """
SELECT n FROM mail WHERE tenant = :tenant AND box = :box AND taken_at IS NULL ORDER BY n LIMIT 1 OFFSET :most::int
"""

ACKNOWLEDGE = """
UPDATE mail SET taken_by = :by, taken_key = :key, taken_at = :now, acknowledged_at = :now WHERE id = :id
"""

STAY = """
INSERT INTO mail_waiters (run_id, key, box, tenant, since) VALUES (:run_id, :key, :box, :tenant, :now)
ON CONFLICT DO NOTHING
"""

LEAVE = "DELETE FROM mail_waiters WHERE run_id = :run_id AND key = :key"

# Who has waited longest for a box in which something lies, and can take it.
NEXT = """
SELECT mail_waiters.run_id FROM mail_waiters JOIN runs ON runs.id = mail_waiters.run_id
WHERE mail_waiters.tenant = :tenant AND mail_waiters.box = :box AND runs.ended_at IS NULL AND NOT runs.hold
  AND EXISTS (SELECT 1 FROM mail WHERE mail.tenant = :tenant AND mail.box = :box AND mail.taken_at IS NULL)
ORDER BY mail_waiters.since, mail_waiters.run_id LIMIT 1
"""

# Its inbox counter moves, so that a leg that is about to park looks again.
POKE = """
UPDATE runs SET inbox_seq = inbox_seq + 1, updated_at = :now,
  status = CASE WHEN status IN ('waiting', 'awaiting_approval', 'awaiting_input') THEN 'queued' ELSE status END,
  waits = CASE WHEN status IN ('waiting', 'awaiting_approval', 'awaiting_input') THEN '[]' ELSE waits END,
  wake_at = CASE WHEN status IN ('waiting', 'awaiting_approval', 'awaiting_input') THEN NULL ELSE wake_at END
WHERE id = :run_id AND ended_at IS NULL AND NOT hold RETURNING status
"""

LEFT_WAITING = """
SELECT DISTINCT tenant, box FROM mail_waiters WHERE EXISTS (
  SELECT 1 FROM mail WHERE mail.tenant = mail_waiters.tenant AND mail.box = mail_waiters.box AND mail.taken_at IS NULL
)
"""

# A look at one run for each that waits; as NOT EXISTS it would read all runs there are.
FORGET_WAITERS = """
DELETE FROM mail_waiters
WHERE (SELECT runs.ended_at IS NULL FROM runs WHERE runs.id = mail_waiters.run_id) IS NOT TRUE
"""

FORGET_MAIL = "DELETE FROM mail WHERE taken_at <= :before AND acknowledged_at IS NOT NULL"


class StoredMailboxes:
    """`engine.stores.Mailboxes`."""

    def __init__(self, frames: Frames, most: int = mail.MOST_UNREAD) -> None:
        self._frames = frames
        self._most = most

    async def post(self, new: NewMail) -> Mail:
        posted = await self._frames.write(_post, new, self._most)
        await self._frames.write(_wake, new.tenant, new.box)
        return posted

    async def take(self, receiver: Receiver, boxes: Sequence[str], *, stay: bool) -> Mail | None:
        taken = await self._frames.write(_take, receiver, boxes, stay=stay)
        if taken is not None:
            await self._frames.write(_wake, taken.tenant, taken.box)
        return taken

    async def taken(self, receiver: Receiver) -> Mail | None:
        return await self._frames.read(_taken, receiver)

    async def unread(self, tenant: str, box: str, limit: int, after: int = 0) -> Sequence[Mail]:
        return await self._frames.read(_unread, tenant, box, limit, after)

    async def receive(self, tenant: str, box: str, limit: int, by: str, key: str) -> Sequence[Mail]:
        return await self._frames.write(_receive, (tenant, box), limit, by, key)

    async def acknowledge(self, tenant: str, mail_id: str, by: str) -> Mail:
        return await self._frames.write(_acknowledge, tenant, mail_id, by, [])

    async def stir(self) -> int:
        boxes = await self._frames.write(_tidy)
        return sum([await self._frames.write(_wake, row["tenant"], row["box"]) for row in boxes])


def _post(frame: Frame, new: NewMail, most: int) -> Work[Mail]:
    known = yield from frame.one(KNOWN, id=new.id)
    if known is not None:
        return _mail(known)
    (count,) = yield from frame.all(COUNT, tenant=new.tenant, box=new.box)
    place = {"tenant": new.tenant, "box": new.box}
    if count["seq"] > most and (yield from frame.one(FULL, **place, most=most - 1)) is not None:
        raise MailboxFull(new.box.partition("/")[2], most)
    (row,) = yield from frame.all(
        INSERT,
        id=new.id,
        tenant=new.tenant,
        box=new.box,
        n=count["seq"],
        sender=new.sender,
        from_run=new.from_run,
        body=dump(new.body),
        reply_to=new.reply_to,
        now=frame.now,
    )
    frame.hint(mail.bell(new.tenant, new.box), HintKind.PROGRESS)
    return _mail(row)


def _take(frame: Frame, receiver: Receiver, boxes: Sequence[str], *, stay: bool) -> Work[Mail | None]:
    run_id, key = receiver.run_id, receiver.key
    run = yield from frame.one(OWNED, run_id=run_id, epoch=receiver.epoch)
    if run is None:
        raise LegLost(f"epoch {receiver.epoch} of {run_id} is over")
    if before := (yield from frame.one(TAKEN, run_id=run_id, key=key)):
        return _mail(before)
    for box in sorted(boxes):
        yield from frame.all(LOCK, tenant=receiver.tenant, box=box)
    first = yield from frame.one(FIRST, tenant=receiver.tenant, boxes=list(boxes))
    if first is not None:
        yield from frame.all(TAKE, id=first["id"], by=run_id, key=key, now=frame.now)
        yield from frame.all(TOUCH, run_id=run_id, now=max(frame.now, run.time("updated_at") + INSTANT))
    if first is not None or not stay:
        yield from frame.all(LEAVE, run_id=run_id, key=key)
        return None if first is None else _mail(first)
    for box in boxes:
        yield from frame.all(STAY, run_id=run_id, key=key, box=box, tenant=receiver.tenant, now=frame.now)
    return None


def _taken(frame: Frame, receiver: Receiver) -> Work[Mail | None]:
    row = yield from frame.one(TAKEN, run_id=receiver.run_id, key=receiver.key)
    return None if row is None else _mail(row)


def _unread(frame: Frame, tenant: str, box: str, limit: int, after: int) -> Work[list[Mail]]:
    rows = yield from frame.all(UNREAD, tenant=tenant, box=box, limit=limit, after=after)
    return [_mail(row) for row in rows]


def _receive(frame: Frame, place: tuple[str, str], limit: int, by: str, key: str) -> Work[list[Mail]]:
    tenant, box = place
    yield from frame.all(LOCK, tenant=tenant, box=box)
    if before := (yield from frame.all(TAKEN, run_id=by, key=key)):
        return [_mail(row) for row in before]  # the answer to the first time was lost
    rows = yield from frame.all(UNREAD, tenant=tenant, box=box, limit=limit, after=0)
    for row in rows:
        yield from frame.all(ACKNOWLEDGE, id=row["id"], by=by, key=key, now=frame.now)
    return [_mail(row) for row in rows]


def _acknowledge(frame: Frame, tenant: str, mail_id: str, by: str, tries: list[datetime]) -> Work[Mail]:
    row = yield from frame.one(KNOWN, id=mail_id)
    if row is None or row["tenant"] != tenant:
        raise NotFound("message", mail_id)
    yield from frame.all(LOCK, tenant=tenant, box=row["box"])
    (row,) = yield from frame.all(KNOWN, id=mail_id)
    if row["taken_by"] == by and row.time("taken_at") in tries:
        return _mail(row)  # this request took it, and the answer was lost
    if row["taken_by"] is not None:
        raise AlreadyReceived(mail_id, row["taken_by"])
    tries.append(frame.now)
    yield from frame.all(ACKNOWLEDGE, id=mail_id, by=by, key="", now=frame.now)
    return _mail(row)


def _wake(frame: Frame, tenant: str, box: str) -> Work[int]:
    """Tell whoever has waited longest for a box in which something lies; answers how many."""
    waiter = yield from frame.one(NEXT, tenant=tenant, box=box)
    if waiter is None:
        return 0
    run_id = waiter["run_id"]
    poked = yield from frame.one(POKE, run_id=run_id, now=frame.now)
    if poked is None:
        return 0
    if poked["status"] == "queued":
        frame.hint(run_id, HintKind.WORK, HintKind.STATUS)
    else:
        frame.hint(run_id, HintKind.CONTROL)
    return 1


def _tidy(frame: Frame) -> Work[list[Record]]:
    """Forget what is over; answers the boxes in which something lies that somebody waits for."""
    yield from frame.all(FORGET_WAITERS)
    yield from frame.all(FORGET_MAIL, before=frame.now - KEPT)
    return (yield from frame.all(LEFT_WAITING))


def _mail(row: Record) -> Mail:
    return Mail(
        id=row["id"],
        tenant=row["tenant"],
        box=row["box"],
        sender=row["sender"],
        body=row.json("body"),
        from_run=row["from_run"],
        reply_to=row["reply_to"],
        n=row["n"],
        sent_at=row.time("sent_at"),
    )
