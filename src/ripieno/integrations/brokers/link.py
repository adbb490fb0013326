"""A link to a broker: opened, used until it breaks, closed. Nobody mends one; the dispatch opens another.

Every driver has its own way of coming back after a loss, its own log lines about it and its own gaps (a connection that
is mended while its subscription is not). So none of them is relied upon.
"""

import asyncio
import logging
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass
from typing import Any, Protocol, TypeAlias

CLOSE_SECONDS = 2.0

Hear: TypeAlias = Callable[[bytes], None]
Send: TypeAlias = Callable[[bytes], Awaitable[None]]

log = logging.getLogger(__name__)


class Link(Protocol):
    """A way to one broker, on which everybody hears everything that anybody sends, the sender included."""

    @property
    def name(self) -> str:
        """Whom to name in a log line: the kind of broker and its address, without credentials."""
        ...

    @property
    def carries_deltas(self) -> bool:
        """Whether pieces of answers may travel here too."""
        ...

    def open(self, hear: Hear) -> AbstractAsyncContextManager[Send]:
        """Connect, call `hear` for every message, and hand over what sends one. Both raise the driver's own errors."""
        ...


class Broker(Protocol):
    """What is used of a FastStream broker here."""

    async def connect(self) -> Any:
        """Connect; answers the driver's connection."""
        ...

    async def start(self) -> None:
        """Connect, if that was not done yet, and listen."""
        ...

    async def stop(self) -> None:
        """Stop listening, then disconnect. Leaves the connection open when the broker does not answer the first."""
        ...


Wiring: TypeAlias = Callable[[Hear], tuple[Broker, Send]]


@dataclass(frozen=True, slots=True)
class FastStreamLink:
    """`Link` over a FastStream broker. `wire` makes the broker, unstarted, and what sends through it."""

    name: str
    wire: Wiring
    carries_deltas: bool = True

    @asynccontextmanager
    async def open(self, hear: Hear) -> AsyncGenerator[Send]:
        """Start a new broker; at the end stop it, whatever state it is in."""
        broker, send = self.wire(hear)
        connection = await broker.connect()
        try:
            await broker.start()
            yield send
        finally:
            if not await self._ended(broker.stop) and hasattr(connection, "close"):
                await self._ended(connection.close)

    async def _ended(self, end: Callable[[], Awaitable[None]]) -> bool:
        """Whether it worked in time. What a driver raises while it closes a broken connection is nobody's news."""
        try:
            async with asyncio.timeout(CLOSE_SECONDS):
                await end()
        except Exception as error:  # noqa: BLE001 (each driver has its own)
            log.debug("a link did not close cleanly", extra={"broker": self.name, "reason": repr(error)})
            return False
        return True


async def untouched(message: Any) -> bytes:
    """Decode a message of FastStream by leaving it as it came."""
    return message.body
