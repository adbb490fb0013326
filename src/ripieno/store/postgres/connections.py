"""Connections to PostgreSQL: how they are made, what their failures mean, and short words for using them."""

import asyncio
from typing import TYPE_CHECKING, TypeAlias

import asyncpg

from ripieno.domain.errors import Invalid, JournalMismatch, RipienoError, StoreBusy

Row: TypeAlias = asyncpg.Record

if TYPE_CHECKING:
    Connection: TypeAlias = asyncpg.Connection[Row]
else:
    Connection: TypeAlias = asyncpg.Connection  # generic for the type checker alone

CONNECT_SECONDS = 5.0
COMMAND_SECONDS = 15.0
SERVER_SETTINGS = {
    "application_name": "ripieno",
    "default_transaction_isolation": "read committed",
    # A process that is frozen in the middle of a transaction must not hold the rows of others.
    "idle_in_transaction_session_timeout": "2s",
    "statement_timeout": "10s",
    "client_connection_check_interval": "1s",
    "tcp_keepalives_idle": "5",
    "tcp_keepalives_interval": "2",
    "tcp_keepalives_count": "3",
    "tcp_user_timeout": "10s",
    # Every statement is short and asks by key: plan once, compile nothing, never read a whole table for a few rows.
    "plan_cache_mode": "force_generic_plan",
    "jit": "off",
    "enable_seqscan": "off",
}

GONE = (
    asyncpg.PostgresConnectionError,
    asyncpg.OperatorInterventionError,  # shut down, crashed, starting up; also a statement that took too long
    asyncpg.IdleInTransactionSessionTimeoutError,
    asyncpg.InterfaceError,
    asyncpg.InternalClientError,
    asyncpg.TooManyConnectionsError,
    OSError,
    TimeoutError,
)
"""The server, or the way to it, is not there now. Whether a statement was committed is not known."""

REFUSED = (
    asyncpg.TransactionRollbackError,
    asyncpg.InsufficientResourcesError,
    asyncpg.ObjectNotInPrerequisiteStateError,
)
"""The server did not do it, for reasons that pass: a deadlock, a full disk, a lock."""

MISPLACED = (
    asyncpg.InvalidCatalogNameError,
    asyncpg.InvalidAuthorizationSpecificationError,
    asyncpg.ClientConfigurationError,
)
"""Nothing that waiting could mend."""

FIRST_PAUSE, LONGEST_PAUSE = 0.05, 2.0


class Plain(Connection):
    """A connection that goes back to its pool as it is: nothing here changes its state, and a reset costs a trip."""

    def get_reset_query(self) -> str:
        return ""


async def connect(url: str, *, command_seconds: float = COMMAND_SECONDS) -> Connection:
    """Open a connection.

    Raises:
        Invalid: The URL, the database or the credentials are wrong.
        One of `GONE`.
    """
    try:
        return await asyncpg.connect(
            url,
            timeout=CONNECT_SECONDS,
            command_timeout=command_seconds,
            server_settings=SERVER_SETTINGS,
            connection_class=Plain,
        )
    except MISPLACED as error:
        raise Invalid(f"PostgreSQL cannot be used: {error}") from error


async def version(url: str) -> str | None:
    """The version of the schema in a database; None where it holds none of ours.

    Raises:
        Invalid: There is no such database, or no way in.
        One of `GONE`: The server is away.
    """
    connection = await connect(url)
    try:
        return await connection.fetchval("SELECT version_num FROM alembic_version")
    except asyncpg.UndefinedTableError:
        return None
    finally:
        await connection.close()


class Pauses:
    """How long to wait before the next try: longer each time, up to a limit."""

    def __init__(self, first: float = FIRST_PAUSE) -> None:
        self._first = self._next = first

    async def rest(self) -> None:
        """Wait."""
        await pause(self._next)
        self._next = min(self._next * 2, LONGEST_PAUSE)

    def reset(self) -> None:
        """Begin again with short ones."""
        self._next = self._first


async def pause(seconds: float) -> None:
    """Let real time pass: a server comes back when it likes, also where the rows' time is a test's."""
    loop = asyncio.get_running_loop()
    alarm: asyncio.Future[None] = loop.create_future()
    handle = loop.call_later(seconds, _ring, alarm)
    try:
        await alarm
    finally:
        handle.cancel()


def explained(error: Exception) -> RipienoError:
    """What a failure of the database means to a caller."""
    if isinstance(error, asyncpg.IntegrityConstraintViolationError):
        return JournalMismatch(f"the journal holds this already: {error}")
    if isinstance(error, asyncpg.DataError | UnicodeError):
        return Invalid(f"this cannot be stored: {error}")
    return StoreBusy(f"the database did not take or give an answer: {error or type(error).__name__}")


def _ring(alarm: asyncio.Future[None]) -> None:
    if not alarm.done():
        alarm.set_result(None)
