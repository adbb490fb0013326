"""This process as the other ones see it: a row in `workers`, kept alive by a thread that beats.

The thread has its own connection and event loop, so that a busy event loop is not taken for a dead worker. A beat is an
UPDATE of a row that is not dead, never an insert: a worker that was declared dead stays dead, loses all its legs, and
comes back under a new name.

Times here are the machine's boot clock, which goes on while the process is frozen and while the machine sleeps.
"""

import asyncio
import faulthandler
import logging
import os
import sys
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass

import asyncpg

from ripieno.store.postgres.connections import GONE, Connection, Pauses, connect

log = logging.getLogger(__name__)

BEAT = "UPDATE workers SET seen_at = clock_timestamp() WHERE id = $1 AND NOT dead RETURNING id"

STUCK_BEATS = 60
"""After so many beats in a row without a turn of the event loop the process is as good as dead, and says so."""


@dataclass(frozen=True, slots=True)
class LeaseTimes:
    """In seconds: a worker beats every `beat`, and is dead when it was silent for `lease`."""

    beat: float = 1.0
    lease: float = 10.0


@dataclass(frozen=True, slots=True)
class _Standing:
    """Who this process is. `confirmed` is when the last confirmed beat began, `since` when the first of its row did."""

    worker_id: str
    confirmed: float
    since: float


class Lease:
    """The standing of this process. `on_lost` is called on the event loop when it was declared dead."""

    def __init__(self, url: str, times: LeaseTimes, on_lost: Callable[[], None]) -> None:
        self.times = times
        self._url = url
        self._on_lost = on_lost
        self._standing: _Standing | None = None
        self._loop = asyncio.get_running_loop()
        self._stop = threading.Event()
        self._thread: threading.Thread | None = None
        self._unanswered = 0

    @property
    def worker_id(self) -> str | None:
        """The name under which this process claims; None before it joined, and after it was declared dead."""
        return self._standing.worker_id if self._standing else None

    def begin(self, worker_id: str, at: float) -> None:
        """The row `worker_id` was inserted, by a statement that was sent `at`. Start to beat."""
        self._standing = _Standing(worker_id, at, at)
        if self._thread is None:
            self._thread = threading.Thread(target=self._run, name="ripieno-lease", daemon=True)
            self._thread.start()

    def fresh(self) -> bool:
        """Whether an effect may begin: the last confirmed beat is younger than half a lease."""
        standing = self._standing
        return standing is not None and now() - standing.confirmed < self.times.lease / 2

    def proven(self) -> bool:
        """Whether this process may judge others: it has a full lease of unbroken beats behind it.

        After an outage of the database nobody has, and so nobody takes the runs of the healthy.
        """
        standing = self._standing
        return standing is not None and self.fresh() and standing.confirmed - standing.since >= self.times.lease

    def end(self) -> str | None:
        """Stop beating; answers the name that the row still has. Blocks for a beat at most."""
        self._stop.set()
        if self._thread is not None:
            self._thread.join(self.times.beat + 1)
        ended, self._standing = self.worker_id, None
        return ended

    def lose(self) -> None:
        """The row is dead or gone. On the event loop."""
        if self._standing is not None:
            log.warning("declared dead by another worker; all runs are given up", extra={"worker": self.worker_id})
            self._standing = None
            self._on_lost()

    # -- the thread ----------------------------------------------------------------------------------------------

    def _run(self) -> None:
        asyncio.run(self._beat_until_stopped())

    async def _beat_until_stopped(self) -> None:
        connection: Connection | None = None
        pauses = Pauses(self.times.beat / 4)
        while not self._stop.is_set():
            try:
                connection = connection or await connect(self._url, command_seconds=self.times.lease / 2)
                await self._beat(connection)
                pauses.reset()
            except (*GONE, asyncpg.PostgresError) as error:
                log.warning("a beat was not confirmed", extra={"reason": str(error) or type(error).__name__})
                if connection is not None:
                    connection.terminate()
                connection = None
                await pauses.rest()
            else:
                await asyncio.to_thread(self._stop.wait, self.times.beat)
        if connection is not None:
            connection.terminate()

    async def _beat(self, connection: Connection) -> None:
        self._mind_the_loop()
        standing = self._standing
        if standing is None:
            return
        at = now()
        alive = await connection.fetchval(BEAT, standing.worker_id)
        if self._standing is not standing:
            return  # joined anew meanwhile
        if alive is None:
            self._on_loop(self.lose)
            return
        unbroken = at - standing.confirmed < self.times.lease / 2
        self._standing = _Standing(standing.worker_id, at, standing.since if unbroken else at)

    def _mind_the_loop(self) -> None:
        """Whoever beats for an event loop that never turns keeps runs from those who could work on them."""
        if self._unanswered >= STUCK_BEATS:
            log.critical("the event loop has not turned for %d beats; giving up", self._unanswered)
            faulthandler.dump_traceback(sys.stderr, all_threads=True)
            os._exit(70)
        self._unanswered += 1
        self._on_loop(self._answer)

    def _answer(self) -> None:
        self._unanswered = 0

    def _on_loop(self, call: Callable[[], None]) -> None:
        try:
            self._loop.call_soon_threadsafe(call)
        except RuntimeError:  # the loop is closed: so is the store, or nearly
            self._stop.set()


def now() -> float:
    """Seconds on the boot clock."""
    return time.clock_gettime(time.CLOCK_BOOTTIME)
