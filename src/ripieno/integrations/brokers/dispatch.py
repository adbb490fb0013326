"""`ports.Dispatch` over a broker: here at once, elsewhere soon, and while the broker is away not at all.

Hints only speed up what polling finds, so nothing is stored, confirmed or sent again. All kinds go to all processes,
`WORK` too: a queue that gives each hint to one process would also give it to one that has no worker or no free slot,
and the run would wait for the next poll. What that costs, an empty claim in each idle worker, is bounded: the hints of
a sender travel together.
"""

import asyncio
import logging
from collections.abc import AsyncGenerator, Callable, Sequence
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from dataclasses import dataclass

from ripieno.domain import ids
from ripieno.domain.errors import Unavailable
from ripieno.domain.hints import Hint, HintKind
from ripieno.integrations.brokers import frames
from ripieno.integrations.brokers.frames import Bounds, Frame, Outbox
from ripieno.integrations.brokers.link import Link, Send
from ripieno.ports import Clock, Dispatch

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Pace:
    """Times in seconds.

    Hints are gathered for `gather`. A link on which nothing was sent or heard for `quiet` is asked, and one that has
    answered nothing for twice as long is given up. Opening a link and sending a frame may take `patience`. Between two
    attempts to open one lie `retry_first` to `retry_most`. At the end, what is in the outbox has `parting` to leave.
    """

    gather: float = 0.005
    quiet: float = 2.0
    patience: float = 5.0
    retry_first: float = 0.1
    retry_most: float = 2.0
    parting: float = 1.0


@dataclass(slots=True)
class Counts:
    """What happened so far: hints sent, heard from others, dropped; links opened; messages that were no frame."""

    sent: int = 0
    heard: int = 0
    dropped: int = 0
    links: int = 0
    garbage: int = 0


class BrokerDispatch:
    """`ports.Dispatch`: `local` calls the listeners of this process, `link` leads to the broker while `carrying`."""

    def __init__(
        self, local: Dispatch, link: Link, clock: Clock, pace: Pace | None = None, bounds: Bounds | None = None
    ) -> None:
        self.counts = Counts()
        self.linked = asyncio.Event()
        self._id = clock.new_id(ids.WORKER)
        self._local = local
        self._link = link
        self._clock = clock
        self._pace = pace or Pace()
        self._outbox = Outbox(bounds)
        self._news = asyncio.Event()
        self._closing = False
        self._stirred_at = clock.monotonic()
        self._asked_at: float | None = None
        self._said_away = False
        self._said_full = False

    def publish(self, hints: Sequence[Hint]) -> None:
        """Tell the listeners here now, and the other processes in a moment."""
        self._local.publish(hints)
        leaving = [hint for hint in hints if self._link.carries_deltas or hint.kind is not HintKind.DELTA]
        if not leaving:
            return
        if not self.linked.is_set():
            self.counts.dropped += len(leaving)  # when the broker is back, everybody has polled
            return
        dropped = self._outbox.put(leaving)
        self._note_full(dropped)
        self._news.set()

    def subscribe(self, listener: Callable[[Hint], None]) -> Callable[[], None]:
        """Be called for the hints of this process and of all others."""
        return self._local.subscribe(listener)

    @asynccontextmanager
    async def carrying(self) -> AsyncGenerator[None]:
        """Hold a link to the broker until the block ends; what is in the outbox then is still sent."""
        async with asyncio.TaskGroup() as group:
            keeper = group.create_task(self._keep(), name=f"dispatch over {self._link.name}")
            try:
                yield
            finally:
                await self._part(keeper)

    # -- the link ------------------------------------------------------------------------------------------------

    async def _keep(self) -> None:
        """Open a link, use it until it breaks, open another."""
        pause = self._pace.retry_first
        while not self._closing:
            links = self.counts.links
            try:
                async with AsyncExitStack() as stack:
                    async with asyncio.timeout(self._pace.patience):
                        send = await stack.enter_async_context(self._link.open(self._hear))
                    self._opened()
                    await self._carry(send)
                    self.linked.clear()
                    return
            except Exception as error:  # noqa: BLE001 (each driver has its own errors; whatever it is, the platform works on)
                self._lost(error)
            pause = self._pace.retry_first if self.counts.links > links else min(pause * 2, self._pace.retry_most)
            await self._clock.sleep(pause)

    async def _carry(self, send: Send) -> None:
        while len(self._outbox) or not self._closing:
            if await self._something():
                await self._clock.sleep(self._pace.gather)
            self._news.clear()
            for hints in self._outbox.take() or [()]:
                await self._send(send, hints)

    async def _something(self) -> bool:
        """Wait for hints to send. False when it has been quiet for so long that the link should be asked."""
        while not self._news.is_set() and (left := self._stirred_at + self._pace.quiet - self._clock.monotonic()) > 0:
            with suppress(TimeoutError):
                async with asyncio.timeout(left):
                    await self._news.wait()
        return self._news.is_set()

    async def _send(self, send: Send, hints: tuple[Hint, ...]) -> None:
        now = self._stirred_at = self._clock.monotonic()
        if self._asked_at is None:
            self._asked_at = now
        elif now - self._asked_at >= 2 * self._pace.quiet:
            raise Unavailable("what is sent does not come back")
        async with asyncio.timeout(self._pace.patience):
            await send(frames.encode(Frame(self._id, hints)))
        self.counts.sent += len(hints)
        self._said_full = False

    def _hear(self, data: bytes) -> None:
        self._stir()
        frame = frames.decode(data)
        if frame is None:
            self.counts.garbage += 1
            log.debug("ignoring a message that is no frame", extra={"broker": self._link.name})
        elif frame.sender != self._id and frame.hints:
            self.counts.heard += len(frame.hints)
            self._tell(frame.hints)

    def _tell(self, hints: Sequence[Hint]) -> None:
        try:
            self._local.publish(hints)
        except Exception:
            log.exception("a listener failed on a hint from another process")

    def _stir(self) -> None:
        """Note that the link works. One process that asks spares the others that: they hear it too."""
        self._stirred_at = self._clock.monotonic()
        self._asked_at = None

    async def _part(self, keeper: asyncio.Task[None]) -> None:
        """Let the last hints leave, of runs given back for instance. Drivers swallow a cancellation now and then."""
        self._closing = True
        self._news.set()
        if self.linked.is_set():
            await asyncio.wait([keeper], timeout=self._pace.parting)
        keeper.cancel()

    # -- what people hear of it ----------------------------------------------------------------------------------

    def _opened(self) -> None:
        self.counts.links += 1
        self._stir()
        self.linked.set()
        again = self._said_away
        self._said_away = False
        log.info("the broker is back" if again else "dispatching through a broker", extra={"broker": self._link.name})

    def _lost(self, error: Exception) -> None:
        """Let what waits for the broker go, and say so once, not at every attempt."""
        self.linked.clear()
        self.counts.dropped += sum(len(part) for part in self._outbox.take())
        level = logging.DEBUG if self._said_away else logging.WARNING
        self._said_away = True
        extra = {"broker": self._link.name, "reason": f"{type(error).__name__}: {error}"[:300]}
        log.log(level, "the broker is away; until it is back, runs are found by polling", extra=extra)

    def _note_full(self, dropped: int) -> None:
        self.counts.dropped += dropped
        if dropped and not self._said_full:
            self._said_full = True
            log.warning("the broker is slow; dropping hints", extra={"broker": self._link.name})
