"""Opens the store on PostgreSQL: waits for the server, checks the schema, starts what runs beside."""

import asyncio
import logging
from collections.abc import AsyncGenerator, Callable, Coroutine
from contextlib import AsyncExitStack, asynccontextmanager
from datetime import datetime
from typing import Any

from ripieno.domain.errors import Invalid, RipienoError
from ripieno.domain.hints import Hint, HintKind
from ripieno.ports import Clock, Dispatch
from ripieno.store.history import StoredHistory
from ripieno.store.portable.frame import Frames
from ripieno.store.postgres.connections import GONE, Pauses, version
from ripieno.store.postgres.database import Database, Transaction
from ripieno.store.postgres.dispatch import PostgresDispatch
from ripieno.store.postgres.frames import PostgresFrames
from ripieno.store.postgres.house import add_partitions
from ripieno.store.postgres.journal import PostgresJournal
from ripieno.store.postgres.lease import Lease, LeaseTimes
from ripieno.store.postgres.legs import Legs
from ripieno.store.postgres.records import PostgresRecords
from ripieno.store.postgres.replies import PostgresReplies
from ripieno.store.postgres.sequencer import Sequencer
from ripieno.store.postgres.workers import PostgresWorkers
from ripieno.store.postgres.writer import Writer
from ripieno.store.versions import HEAD

log = logging.getLogger(__name__)

CLOSE_SECONDS = 5.0
"""How long closing waits for a server that is away."""

LEAVE = "UPDATE workers SET dead = true WHERE id = $1"


class PostgresStore:
    """An open store. Made by `open_postgres`."""

    def __init__(
        self,
        url: str,
        clock: Clock,
        times: LeaseTimes,
        now: Callable[[], datetime | None],
        dispatch: Dispatch | None = None,
    ) -> None:
        own = PostgresDispatch(url)
        self.dispatch: Dispatch = dispatch or own
        self._own = None if dispatch else own
        self._clock = clock
        self._legs = Legs()
        self.lease = Lease(url, times, self._lose_legs)
        news = asyncio.Event()
        self._database = Database(url, self.dispatch, now, news)
        self._writer = Writer(url, self._legs, self.dispatch, now, news)
        self.journal = PostgresJournal(self._database, self._writer, self.lease, self._legs, clock)
        self.workers = PostgresWorkers(self._database, self.lease)
        self.records = PostgresRecords(self._database)
        self._sequencer = Sequencer(self.journal.upkeep.house, news)
        self.replies = PostgresReplies(self._database)
        self.frames: Frames = PostgresFrames(self._database)
        self.history = StoredHistory(self.frames, self.records)
        self._stack = AsyncExitStack()

    async def open(self) -> None:
        """Start what runs beside. Raises `StoreBusy`."""
        await self._database.open()
        self._stack.push_async_callback(self._database.close)
        # Before the first row: later it would be in the partition for everything else, which then keeps its month.
        await self._database.transact(add_partitions, self._clock.now())
        hints = (self._own.tell(), self._own.listen()) if self._own else ()
        own = (self._writer, self.journal.starting, self.records.reading, self._sequencer)
        for work in (*(one.run() for one in own), *hints):
            await self._stack.enter_async_context(_beside(work))

    async def close(self) -> None:
        """Commit what was submitted, tell the other workers that this one is gone, close every connection."""
        await self._writer.close(CLOSE_SECONDS)
        name = await asyncio.to_thread(self.lease.end)
        if name is not None:
            try:
                async with asyncio.timeout(CLOSE_SECONDS):
                    await self._database.do(_leave, name)
            except (TimeoutError, RipienoError):
                log.warning("the other workers will find out by its silence that this one is gone")
        await self._stack.aclose()

    def _lose_legs(self) -> None:
        lost = self._legs.ids()
        self._legs.drop()
        self.dispatch.publish([Hint(HintKind.CONTROL, run_id) for run_id in lost])


async def open_postgres(
    url: str,
    clock: Clock,
    times: LeaseTimes | None = None,
    now: Callable[[], datetime | None] | None = None,
    dispatch: Dispatch | None = None,
) -> PostgresStore:
    """Open the store in a database; waits, with a line in the log for each try, while the server is away.

    The server's clock is the time of all rows, because the clocks of processes differ; tests may give another `now`.
    Hints go by LISTEN and NOTIFY, unless another `dispatch` is given.

    Raises:
        Invalid: The URL or the credentials are wrong, the database does not exist, or its schema is not this version's.
    """
    await wait_for(url)
    store = PostgresStore(url, clock, times or LeaseTimes(), now or _of_the_server, dispatch)
    await store.open()
    return store


async def wait_for(url: str) -> None:
    """Return when the server answers; a line in the log for each try. Raises as `open_postgres`."""
    pauses = Pauses()
    while True:
        try:
            found = await version(url)
        except GONE as error:
            reason = str(error) or type(error).__name__
            log.warning("PostgreSQL does not answer; trying again", extra={"reason": reason})
            await pauses.rest()
        else:
            refuse_other_schemas(found)
            return


def refuse_other_schemas(found: str | None) -> None:
    """Raises `Invalid` unless the version is the one that this code works on."""
    if found is None:
        raise Invalid("the database has no tables of Ripieno yet: run `ripieno db upgrade`")
    if found < HEAD:
        raise Invalid(f"the database is at version {found}, this Ripieno needs {HEAD}: run `ripieno db upgrade`")
    if found > HEAD:
        raise Invalid(f"the database is at version {found}, this Ripieno knows {HEAD}: install a newer Ripieno")


@asynccontextmanager
async def _beside(work: Coroutine[Any, Any, None]) -> AsyncGenerator[None]:
    """Run something that never ends beside the block, and cancel it after."""
    async with asyncio.TaskGroup() as group:
        task = group.create_task(work)
        try:
            yield
        finally:
            task.cancel()


async def _leave(tx: Transaction, name: str) -> None:
    await tx.all(LEAVE, name)


def _of_the_server() -> None:
    return None
