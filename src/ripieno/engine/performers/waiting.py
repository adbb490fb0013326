"""The engine's tools for time and talk: sleep, wait for something to happen, send and receive messages.

What a run waits for is written down when the wait begins, what came when it ends; between them the run is a row. A wait
that ends without anything says so in its result, which is no error.
"""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TypeAlias

from ripieno.domain import ids, jsons, mail, published
from ripieno.domain.entries import EntryType, InboxRow, NewEntry
from ripieno.domain.errors import Invalid, MailboxFull, NotFound, RunEnded
from ripieno.domain.jsons import JsonObject
from ripieno.domain.mail import Mail, Receiver
from ripieno.domain.runs import RunStatus
from ripieno.domain.tools import ToolResult, ToolStatus
from ripieno.engine.leg import Blocked, Leg
from ripieno.engine.post import Outgoing, PostOffice
from ripieno.engine.stores import Events
from ripieno.ports import Clock

LONGEST = 366 * 86400
"""How long a run may sleep or wait, in seconds."""

Fits: TypeAlias = Callable[[InboxRow], bool]


@dataclass(frozen=True, slots=True)
class _Wait:
    """A wait of one command: what for, and until when. `until` is None where it has no end."""

    key: str
    what: JsonObject
    until: datetime | None

    @property
    def told(self) -> JsonObject:
        """What the run says that it waits for."""
        return {**self.what, "until": self.until.isoformat() if self.until else None}


class WaitPerformer:
    """One wait a key."""

    def __init__(self, post: PostOffice, events: Events, clock: Clock) -> None:
        self._post = post
        self._events = events
        self._clock = clock

    async def perform(self, leg: Leg, key: str, tool: str, arguments: JsonObject) -> ToolResult:
        """The result of one of these tools. Raises `Blocked` while there is none."""
        if tool == "message.send":
            return await self._send(leg, key, arguments)
        if ended := leg.recorded.get(f"{key}/wait/end"):
            return _told(ended.body)
        waits = {"run.sleep": self._sleep, "run.wait_event": self._wait_event, "message.receive": self._receive}
        return await waits[tool](leg, key, arguments)

    async def _sleep(self, leg: Leg, key: str, arguments: JsonObject) -> ToolResult:
        until = self._moment(arguments)
        if isinstance(until, ToolResult):
            return until
        wait = await self._begin(leg, key, {"for": "timer"}, until)
        if not self._over(wait):
            raise Blocked(RunStatus.WAITING, [wait.told], wait.until)
        return await _end(leg, wait, {"came": "time", "now": self._clock.now().isoformat()})

    async def _wait_event(self, leg: Leg, key: str, arguments: JsonObject) -> ToolResult:
        """A signal that came before the wait began counts; of published events, those from then on."""
        topic: str = arguments["topic"]
        if f"{key}/wait" not in leg.recorded:
            await self._events.stay(Receiver(leg.run.tenant, leg.run.id, leg.run.epoch, key), topic)
        wait = await self._begin(leg, key, {"for": "event", "topic": topic}, self._ends(arguments))

        def fits(row: InboxRow) -> bool:
            if row.topic == published.ARRIVED:
                return row.body["key"] == key
            return row.topic == mail.SIGNAL and published.means(topic, row.body["topic"])

        async with leg.reading:
            row = _found(leg, fits)
            if row is not None or self._over(wait):
                await self._events.leave(leg.run.id, key)
            if row is not None:
                return await _end(leg, wait, {"came": row.topic, **row.body}, row)
        return await self._nothing(leg, wait)

    async def _receive(self, leg: Leg, key: str, arguments: JsonObject) -> ToolResult:
        """What was sent to this run comes before what was sent to its agent or session.

        But what an earlier leg took from a mailbox and could not write down any more comes first.
        """
        receiver = Receiver(leg.run.tenant, leg.run.id, leg.run.epoch, key)
        before = await self._post.boxes.taken(receiver) if f"{key}/wait" in leg.recorded else None
        wait = await self._begin(leg, key, {"for": "message"}, self._ends(arguments))
        if before is not None:
            return await _received(leg, wait, before)
        async with leg.reading:
            if row := _found(leg, lambda row: row.topic == mail.ARRIVED):
                return await _end(leg, wait, {"came": "message", "message": row.body}, row)
        boxes = (mail.agent_box(leg.run.target), mail.session_box(leg.run.session_id))
        if taken := await self._post.boxes.take(receiver, boxes, stay=not self._over(wait)):
            return await _received(leg, wait, taken)
        return await self._nothing(leg, wait)

    async def _send(self, leg: Leg, key: str, arguments: JsonObject) -> ToolResult:
        """Once, however often the leg is tried again: the message's id is that of the call."""
        to: str = arguments["to"]
        if leg.run.dry_run:
            return ToolResult(ToolStatus.OK, f"dry run: a message would be sent to {to}")
        outgoing = Outgoing(to, arguments["body"], leg.run.target, leg.run.id, arguments.get("reply_to"))
        try:
            sent = await self._post.send(leg.run.tenant, outgoing, ids.derive(ids.MESSAGE, leg.run.id, key))
        except (NotFound, Invalid, RunEnded, MailboxFull) as error:
            return ToolResult(ToolStatus.ERROR, error.detail)
        return ToolResult(ToolStatus.OK, f"sent to {to} as {sent.id}", {"id": sent.id, "to": to})

    # -- parts ---------------------------------------------------------------------------------------------------

    async def _begin(self, leg: Leg, key: str, what: JsonObject, until: datetime | None) -> _Wait:
        """The wait as it was begun: a later leg keeps the first one's end."""
        wait = _Wait(f"{key}/wait", what, until)
        if wait.key not in leg.recorded:
            await leg.append(NewEntry(wait.key, EntryType.WAIT_BEGAN, wait.told))
        begun: str | None = leg.recorded[wait.key].body["until"]
        return _Wait(wait.key, what, datetime.fromisoformat(begun) if begun else None)

    async def _nothing(self, leg: Leg, wait: _Wait) -> ToolResult:
        """The result of a wait whose time is up. Raises `Blocked` while it is not."""
        if not self._over(wait):
            raise Blocked(RunStatus.WAITING, [wait.told], wait.until)
        return await _end(leg, wait, {"came": None})

    def _over(self, wait: _Wait) -> bool:
        return wait.until is not None and self._clock.now() >= wait.until

    def _ends(self, arguments: JsonObject) -> datetime | None:
        seconds: float | None = arguments.get("timeout")
        return None if seconds is None else self._clock.now() + timedelta(seconds=seconds)

    def _moment(self, arguments: JsonObject) -> datetime | ToolResult:
        now = self._clock.now()
        if (seconds := arguments.get("seconds")) is not None:
            return now + timedelta(seconds=seconds)
        try:
            until = datetime.fromisoformat(arguments["until"])
        except ValueError:
            return ToolResult(ToolStatus.INVALID_ARGUMENTS, "/until: give a time like 2026-12-24T18:00:00Z")
        until = until if until.tzinfo else until.replace(tzinfo=UTC)
        if until > now + timedelta(seconds=LONGEST):
            return ToolResult(ToolStatus.INVALID_ARGUMENTS, "/until: it is more than a year ahead")
        return until


def _found(leg: Leg, fits: Fits) -> InboxRow | None:
    return next((row for row in leg.inbox if fits(row)), None)


async def _end(leg: Leg, wait: _Wait, body: JsonObject, consumed: InboxRow | None = None) -> ToolResult:
    await leg.append(NewEntry(f"{wait.key}/end", EntryType.WAIT_ENDED, body), consumed=consumed)
    return _told(body)


async def _received(leg: Leg, wait: _Wait, taken: Mail) -> ToolResult:
    """Write down what was taken from a mailbox; only then it is out of it for good."""
    body: JsonObject = {"came": "message", "message": mail.shown(taken)}
    await leg.append(NewEntry(f"{wait.key}/end", EntryType.WAIT_ENDED, body), acknowledged=taken.id)
    return _told(body)


def _told(ended: JsonObject) -> ToolResult:
    """What a wait ended with, as a tool's result. `data.came` says whether anything came."""
    match ended["came"]:
        case "time":
            return ToolResult(ToolStatus.OK, f"it is {ended['now']}", {"now": ended["now"]})
        case "signal":
            found = {name: ended[name] for name in ("topic", "data", "from")}
        case "event":
            found = {name: ended[name] for name in ("topic", "data", "id", "source", "subject", "time")}
        case "message":
            found = ended["message"]
        case _:
            return ToolResult(ToolStatus.OK, "nothing came in time", {"came": False})
    return ToolResult(ToolStatus.OK, jsons.canonical(found), {"came": True, **found})
