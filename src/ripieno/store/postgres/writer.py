"""The one task of a process that appends.

It takes whatever was submitted while the statement before was committed, sends it as one statement, and wakes all who
waited. There is no timer: alone, an append is committed at once; among many, they share the cost of the disk.

What the database did not keep is looked at alone, so that a poisonous part harms no other, and so that each leg hears
why. When the connection breaks in the middle, nobody knows whether the statement was committed; it is sent again with
the same numbers until an answer comes: where it was committed, the numbers no longer fit and the entries are there.
"""

import asyncio
import logging
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime

import asyncpg

from ripieno.domain.batches import Append
from ripieno.domain.entries import Entry
from ripieno.domain.errors import IntentRefused, JournalMismatch, RipienoError, StoreBusy
from ripieno.domain.hints import Hint, HintKind
from ripieno.ports import Dispatch
from ripieno.store.postgres.connections import GONE, REFUSED, Connection, Pauses, Row, connect, explained
from ripieno.store.postgres.legs import Leg, Legs, lost
from ripieno.store.postgres.verbs import append
from ripieno.store.postgres.verbs.append import Part

log = logging.getLogger(__name__)

MOST_ROWS = 500
MOST_BYTES = 1 << 20
TRIES = 5
"""How often the database may refuse a statement for passing reasons before its callers hear of it."""

STANDING = "SELECT status, epoch, last_seq, hold, cancel_at FROM runs WHERE id = $1"

WRITTEN = "SELECT key, epoch, at FROM entries WHERE run_id = $1 AND seq >= $2 AND seq <= $3 ORDER BY seq"


@dataclass(slots=True)
class _Job:
    part: Part
    leg: Leg
    future: asyncio.Future[list[Entry]]


class Writer:
    """Commits appends in order of submission, many at a time. `run` it beside everything else.

    `outbox` is set after each commit that wrote to the outbox.
    """

    def __init__(
        self, url: str, legs: Legs, dispatch: Dispatch, now: Callable[[], datetime | None], outbox: asyncio.Event
    ) -> None:
        self._url = url
        self._outbox = outbox
        self._legs = legs
        self._dispatch = dispatch
        self._now = now
        self._queue: deque[_Job] = deque()
        self._news = asyncio.Event()
        self._idle = asyncio.Event()
        self._idle.set()
        self._closed = False
        self._connection: Connection | None = None

    async def submit(self, batch: Append) -> list[Entry]:
        """Commit a batch, however long the database is away meanwhile.

        Raises:
            LegLost, IntentRefused, JournalMismatch, Invalid: See `ports.Journal.append`.
            StoreBusy: The database refuses, or the store is closed.
        """
        leg = self._legs.get(batch.run_id, batch.epoch)
        if self._closed:
            raise StoreBusy("the store is closed")
        job = _Job(append.part(batch), leg, asyncio.get_running_loop().create_future())
        self._queue.append(job)
        self._idle.clear()
        self._news.set()
        return await job.future

    async def run(self) -> None:
        """Write until cancelled."""
        try:
            while True:
                await self._news.wait()
                self._news.clear()
                while self._queue:
                    await self._commit(self._take())
                self._idle.set()
        finally:
            if self._connection is not None:
                self._connection.terminate()

    async def close(self, seconds: float) -> None:
        """Take nothing more; wait a while for what was submitted, and refuse the rest."""
        self._closed = True
        try:
            async with asyncio.timeout(seconds):
                await self._idle.wait()
        except TimeoutError:
            log.warning("the database did not take the last appends", extra={"count": len(self._queue)})
        for job in self._queue:
            _fail(job, StoreBusy("the store is closed"))
        self._queue.clear()

    def _take(self) -> list[_Job]:
        batch: list[_Job] = []
        rows = size = 0
        while self._queue:
            part = self._queue[0].part
            rows += len(part.bodies)
            size += part.weight
            if batch and (rows > MOST_ROWS or size > MOST_BYTES):
                break
            batch.append(self._queue.popleft())
        return batch

    # -- committing ----------------------------------------------------------------------------------------------

    async def _commit(self, jobs: list[_Job]) -> None:
        """Commit what can be; whoever is not among it is looked at alone."""
        left = jobs
        try:
            left = await self._commit_together(jobs)
        except RipienoError as error:
            if len(jobs) == 1:
                _fail(jobs[0], error)
                return
        except BaseException:  # cancelled: the store closes
            for job in jobs:
                _fail(job, StoreBusy("the store is closed"))
            raise
        if len(jobs) == 1 and left:
            await self._explain(jobs[0])
            return
        for job in left:
            await self._commit([job])

    async def _commit_together(self, jobs: list[_Job]) -> list[_Job]:
        """Commit in one statement; answers the jobs that were not kept. Raises as `_send`."""
        numbered = _numbered(jobs)
        kept = await self._send([(job.part, first) for job, first in numbered])
        left: list[_Job] = []
        hints: list[Hint] = []
        for job, first in numbered:
            at = kept.get(job.leg.run_id)
            if at is None:
                left.append(job)
            else:
                _settle(job, first, at)
                hints.append(Hint(HintKind.PROGRESS, job.leg.run_id))
        if hints:
            self._dispatch.publish(hints)
        if any(job.part.interrupts or job.part.children for job in jobs):
            self._outbox.set()
        return left

    async def _send(self, numbered: Sequence[tuple[Part, int]]) -> dict[str, datetime]:
        """Execute the statement until there is an answer: the runs that it kept.

        Raises:
            JournalMismatch, Invalid, StoreBusy: Nothing of it was written.
        """
        sql, parameters = append.statement(numbered, self._now())
        rows = await self._ask(sql, *parameters)
        children = [row["child"] for row in rows if row["child"]]
        if children:
            self._dispatch.publish([Hint(kind, one) for one in children for kind in (HintKind.WORK, HintKind.STATUS)])
        return {row["run_id"]: row["now"] for row in rows if not row["child"]}

    async def _ask(self, sql: str, *parameters: object) -> list[Row]:
        pauses, refusals = Pauses(), 0
        while True:
            try:
                if self._connection is None:
                    self._connection = await connect(self._url)
                return await self._connection.fetch(sql, *parameters)
            except GONE as error:
                log.warning("appends must wait for the database", extra={"reason": str(error) or type(error).__name__})
                if self._connection is not None:
                    self._connection.terminate()
                self._connection = None
            except REFUSED as error:
                refusals += 1
                if refusals == TRIES:
                    raise explained(error) from error
            except (asyncpg.PostgresError, UnicodeError) as error:
                raise explained(error) from error
            await pauses.rest()

    # -- what was not kept ---------------------------------------------------------------------------------------

    async def _explain(self, job: _Job) -> None:
        """Find out why an append was not kept: it had been, unnoticed; or the leg is over; or it asks too much."""
        leg, first = job.leg, job.leg.last_seq + 1
        last = first + len(job.part.bodies) - 1
        try:
            written = await self._ask(WRITTEN, leg.run_id, first, last)
            rows = await self._ask(STANDING, leg.run_id)
        except RipienoError as error:
            _fail(job, error)
            return
        if written and _same(job, written):
            _settle(job, first, written[0]["at"])
            self._dispatch.publish([Hint(HintKind.PROGRESS, leg.run_id)])
        elif not rows or rows[0]["epoch"] != leg.epoch or rows[0]["status"] != "running":
            self._legs.end(leg.run_id, leg.epoch)
            _fail(job, lost(leg.run_id, leg.epoch))
        else:
            _fail(job, _reason(job, rows[0]))


def _numbered(jobs: list[_Job]) -> list[tuple[_Job, int]]:
    """Each job with the number of its first entry: parts of one run follow each other."""
    next_seq: dict[str, int] = {}
    numbered: list[tuple[_Job, int]] = []
    for job in jobs:
        first = next_seq.get(job.leg.run_id, job.leg.last_seq + 1)
        next_seq[job.leg.run_id] = first + len(job.part.bodies)
        numbered.append((job, first))
    return numbered


def _settle(job: _Job, first: int, at: datetime) -> None:
    job.leg.last_seq = first + len(job.part.bodies) - 1
    if not job.future.done():  # its caller may have been cancelled
        job.future.set_result(append.committed(job.part, first, at))


def _fail(job: _Job, error: Exception) -> None:
    if not job.future.done():
        job.future.set_exception(error)


def _same(job: _Job, written: Sequence[Row]) -> bool:
    keys = [(entry.key, job.leg.epoch) for entry in job.part.batch.entries]
    return [(row["key"], row["epoch"]) for row in written] == keys


def _reason(job: _Job, row: Row) -> RipienoError:
    run_id, batch = job.leg.run_id, job.part.batch
    if batch.intents and (row["hold"] or row["cancel_at"] is not None):
        return IntentRefused(f"{run_id} is being cancelled or is paused: no new effect begins")
    if row["last_seq"] != job.leg.last_seq:
        return JournalMismatch(f"{run_id} has entries that its only leg did not write")
    return JournalMismatch(f"{run_id} has not all of what the batch closes or consumes")
