"""The pool behind the verbs and the readers: statements and transactions that are tried again, and hints after them."""

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from datetime import datetime
from typing import Any, Concatenate, ParamSpec, TypeAlias, TypeVar

import asyncpg
from asyncpg.pool import PoolConnectionProxy

from ripieno.domain.hints import Hint, HintKind
from ripieno.domain.jsons import Json, JsonObject
from ripieno.domain.outbox import AUDIT, audit_body
from ripieno.ports import Dispatch
from ripieno.store.bodies import dump
from ripieno.store.postgres.connections import (
    COMMAND_SECONDS,
    CONNECT_SECONDS,
    GONE,
    REFUSED,
    SERVER_SETTINGS,
    Connection,
    Pauses,
    Plain,
    Row,
    explained,
)

POOL = 8
"""Most connections of a process for verbs and reads; appends, hints and beats have their own."""

TRIES = 3
"""How often something that may be repeated is tried before the caller hears that the store is busy."""

T = TypeVar("T")
P = ParamSpec("P")

# Rows that the public may follow: runs created and ended, interrupts opened and decided. One sequencer numbers them.
TELL = "INSERT INTO outbox (tenant, type, run_id, body, at) VALUES ($1, $2, $3, $4, $5)"


class Transaction:
    """One transaction under way, or one statement that is its own. `now` is the time of what it writes."""

    __slots__ = ("connection", "hints", "now", "told")

    def __init__(self, connection: "Connection | PoolConnectionProxy[Row]", now: datetime | None) -> None:
        self.connection = connection
        self.now = now
        """None: the server's clock at each statement."""
        self.hints: list[Hint] = []
        self.told = False

    async def one(self, sql: str, *parameters: object) -> Row | None:
        """The first row, or None."""
        return await self.connection.fetchrow(sql, *parameters)

    async def all(self, sql: str, *parameters: object) -> list[Row]:
        """Every row."""
        return await self.connection.fetch(sql, *parameters)

    def hint(self, run_id: str, *kinds: HintKind) -> None:
        """Leave hints, to be published after the commit."""
        self.hints.extend(Hint(kind, run_id) for kind in kinds)

    async def tell(self, tenant: str, kind: str, run_id: str, body: JsonObject, at: datetime) -> None:
        """Write a row of the outbox."""
        self.told = True
        await self.connection.execute(TELL, tenant, kind, run_id, dump(body), at)

    async def audit(self, who: tuple[str, str], action: str, run_id: str, at: datetime, detail: Json = None) -> None:
        """Write down that somebody, by tenant and name, did something to a run."""
        tenant, actor = who
        await self.tell(tenant, AUDIT, run_id, audit_body(action, actor, run_id, at, detail), at)


Verb: TypeAlias = Callable[Concatenate[Transaction, P], Awaitable[T]]
Frame: TypeAlias = Callable[[], AbstractAsyncContextManager[Transaction]]


class Database:
    """Runs verbs on pooled connections. `now` gives the time of rows, or None for the server's own clock.

    `news` is set after each commit that may have written to the outbox.
    """

    def __init__(self, url: str, dispatch: Dispatch, now: Callable[[], datetime | None], news: asyncio.Event) -> None:
        self._pool = asyncpg.create_pool(
            url,
            min_size=0,
            max_size=POOL,
            command_timeout=COMMAND_SECONDS,
            timeout=CONNECT_SECONDS,
            server_settings=SERVER_SETTINGS,
            connection_class=Plain,
        )
        self._dispatch = dispatch
        self._news = news
        self.now = now

    async def open(self) -> None:
        """Make the pool ready; connections come as they are needed."""
        await self._pool

    async def close(self) -> None:
        """Close every connection."""
        self._pool.terminate()

    async def do(self, verb: Verb[P, T], *given: P.args, **named: P.kwargs) -> T:
        """Run a verb that is one statement. It may run twice when the answer to the first was lost.

        Raises:
            StoreBusy: The server is away or refuses.
            JournalMismatch, Invalid: The rows do not go together, or cannot be stored.
        """
        return await self._try(TRIES, self._plain, verb, *given, **named)

    async def once(self, verb: Verb[P, T], *given: P.args, **named: P.kwargs) -> T:
        """The same, tried once: for what must not be done twice. Raises as `do`."""
        return await self._try(1, self._plain, verb, *given, **named)

    async def transact(self, verb: Verb[P, T], *given: P.args, **named: P.kwargs) -> T:
        """Run a verb in one transaction. It may run twice, as with `do`. Raises as `do`."""
        return await self._try(TRIES, self._wrapped, verb, *given, **named)

    async def transact_once(self, verb: Verb[P, T], *given: P.args, **named: P.kwargs) -> T:
        """The same, tried once. Raises as `do`."""
        return await self._try(1, self._wrapped, verb, *given, **named)

    async def fetch(self, sql: str, *parameters: object) -> list[Row]:
        """Read. Raises as `do`."""
        return await self.do(_fetch, sql, *parameters)

    def hint(self, hints: Sequence[Hint]) -> None:
        """Pass on hints that belong to no transaction."""
        self._dispatch.publish(hints)

    async def _try(self, tries: int, frame: Frame, verb: Callable[..., Awaitable[T]], *given: Any, **named: Any) -> T:
        pauses = Pauses()
        while True:
            tries -= 1
            try:
                async with frame() as transaction:
                    value = await verb(transaction, *given, **named)
            except (*GONE, *REFUSED) as error:
                if not tries:
                    raise explained(error) from error
                await pauses.rest()
            except (asyncpg.PostgresError, UnicodeError) as error:
                raise explained(error) from error
            else:
                self._publish(transaction)
                return value

    def _publish(self, transaction: Transaction) -> None:
        if transaction.hints or transaction.told:  # whoever writes to the outbox in a statement leaves hints too
            self._news.set()
        if transaction.hints:
            self._dispatch.publish(transaction.hints)

    @asynccontextmanager
    async def _plain(self) -> AsyncGenerator[Transaction]:
        async with self._pool.acquire() as connection:
            yield Transaction(connection, self.now())

    @asynccontextmanager
    async def _wrapped(self) -> AsyncGenerator[Transaction]:
        async with self._pool.acquire() as connection, connection.transaction():
            yield Transaction(connection, self.now())


async def _fetch(transaction: Transaction, sql: str, *parameters: object) -> list[Row]:
    return await transaction.all(sql, *parameters)
