"""Hints between processes by LISTEN and NOTIFY, and within the process at once.

Hints go out after the commit, on a connection of their own, a few milliseconds' worth together: a NOTIFY inside a
transaction takes a lock of the whole server at its commit. A notification holds run ids and nothing else; deltas of
answers never leave the process.
"""

import asyncio
import logging
from collections.abc import Callable, Iterator, Sequence
from itertools import chain

import asyncpg

from ripieno.domain.hints import Hint, HintKind
from ripieno.store.dispatch_local import LocalDispatch
from ripieno.store.postgres.connections import GONE, Connection, Pauses, connect, pause

log = logging.getLogger(__name__)

CHANNEL = "ripieno_hints"
COALESCE_SECONDS = 0.005
CHECK_SECONDS = 2.0
"""How often the listening connection is asked whether it is still there."""

MOST_BYTES = 7_500
"""PostgreSQL takes payloads of less than 8,000."""

MOST_WAITING = 20_000
"""Hints that wait while the server is away; older ones are forgotten, and every listener polls."""

NOTIFY = f"SELECT pg_notify('{CHANNEL}', payload) FROM unnest($1::text[]) AS payload"  # noqa: S608 - constants

ANYTHING = Hint(HintKind.WORK, "")
"""What listeners hear when something may have been missed: look yourselves."""

_LETTERS = {HintKind.WORK: "w", HintKind.PROGRESS: "p", HintKind.STATUS: "s", HintKind.CONTROL: "c"}
_KINDS = {letter: kind for kind, letter in _LETTERS.items()}


class PostgresDispatch:
    """`ports.Dispatch` for all processes on one PostgreSQL. Run `tell` and `listen` beside everything else."""

    def __init__(self, url: str) -> None:
        self._url = url
        self._local = LocalDispatch()
        self._waiting: dict[str, None] = {}  # words in order, each once
        self._news = asyncio.Event()
        self._own: set[int] = set()
        self.linked = asyncio.Event()
        """Set while the hints of other processes are heard."""

    def publish(self, hints: Sequence[Hint]) -> None:
        """Pass hints on: to this process now, to the others in a moment."""
        self._local.publish(hints)
        for hint in hints:
            if hint.kind in _LETTERS:
                self._waiting[_LETTERS[hint.kind] + hint.run_id] = None
        if self._waiting:
            self._news.set()

    def subscribe(self, listener: Callable[[Hint], None]) -> Callable[[], None]:
        """Be called, on the event loop, for every hint; the answer ends it."""
        return self._local.subscribe(listener)

    async def tell(self) -> None:
        """Send the others what was published, until cancelled."""
        connection: Connection | None = None
        pauses = Pauses()
        try:
            while True:
                await self._news.wait()
                await pause(COALESCE_SECONDS)
                self._news.clear()
                words, self._waiting = list(self._waiting), {}
                try:
                    connection = connection or await self._connect_to_tell()
                    await connection.execute(NOTIFY, list(_payloads(words)))
                    pauses.reset()
                except (*GONE, asyncpg.PostgresError) as error:
                    log.warning("hints must wait", extra={"reason": str(error) or type(error).__name__})
                    connection = self._forget(connection)
                    self._waiting = dict.fromkeys(chain(words[-MOST_WAITING:], self._waiting))
                    self._news.set()
                    await pauses.rest()
        finally:
            self._forget(connection)

    async def listen(self) -> None:
        """Hear what the others send, until cancelled."""
        pauses = Pauses()
        while True:
            connection: Connection | None = None
            try:
                connection = await connect(self._url)
                await connection.add_listener(CHANNEL, self._heard)
                pauses.reset()
                self.linked.set()
                self._local.publish([ANYTHING])
                await self._watch(connection)
            except (*GONE, asyncpg.PostgresError) as error:
                log.warning("hints of others are not heard", extra={"reason": str(error) or type(error).__name__})
                await pauses.rest()
            finally:
                self.linked.clear()
                self._forget(connection)

    async def _watch(self, connection: Connection) -> None:
        """Stay until the connection breaks, asking whether it has: a cut cable says nothing."""
        broken = asyncio.Event()
        connection.add_termination_listener(lambda _: broken.set())
        while not broken.is_set():
            try:
                async with asyncio.timeout(CHECK_SECONDS):
                    await broken.wait()
            except TimeoutError:
                await connection.execute("SELECT 1")

    async def _connect_to_tell(self) -> Connection:
        connection = await connect(self._url)
        self._own.add(connection.get_server_pid())
        return connection

    def _forget(self, connection: Connection | None) -> None:
        if connection is not None:
            connection.terminate()

    def _heard(self, connection: object, pid: int, channel: str, payload: object) -> None:
        del connection, channel
        if pid not in self._own:  # what is our own was heard at once
            self._local.publish([Hint(_KINDS[word[0]], word[1:]) for word in str(payload).split() if word[0] in _KINDS])


def _payloads(words: Sequence[str]) -> Iterator[str]:
    """Words joined to as few payloads as possible."""
    payload: list[str] = []
    size = 0
    for word in words:
        if payload and size + len(word) + 1 > MOST_BYTES:
            yield " ".join(payload)
            payload, size = [], 0
        payload.append(word)
        size += len(word) + 1
    if payload:
        yield " ".join(payload)
