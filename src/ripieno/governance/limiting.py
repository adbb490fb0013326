"""Limits that one process counts by itself."""

import asyncio
from collections.abc import AsyncGenerator, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass, field

from ripieno.domain.errors import RateLimited
from ripieno.domain.limits import Rate, Window
from ripieno.ports import Clock

MANY = 10_000
"""Beyond so many counters, those that count nothing any more are thrown away."""


@dataclass(slots=True)
class _Counter:
    rate: Rate
    began: float
    previous: int = 0
    current: int = 0

    def at(self, now: float) -> Window:
        """How it stands, moved on to the window of this moment."""
        windows = int((now - self.began) // self.rate.seconds)
        if windows:
            self.previous, self.current = self.current if windows == 1 else 0, 0
            self.began = now if windows > 1 else self.began + self.rate.seconds
        left = self.began + self.rate.seconds - now
        return Window(self.previous, left, self.current, left)


@dataclass(slots=True)
class _Slots:
    held: int = 0
    waiting: list[asyncio.Future[None]] = field(default_factory=list[asyncio.Future[None]])


class LocalLimiter:
    """`ports.Limiter` in the memory of this process; another process counts for itself."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._counters: dict[tuple[str, Rate], _Counter] = {}
        self._pauses: dict[str, float] = {}
        self._slots: dict[str, _Slots] = {}

    async def acquire(self, key: str, rates: Sequence[Rate], cost: int = 1) -> float | None:
        now = self._clock.monotonic()
        if (paused := self._paused(key, now)) is not None:
            return paused
        counters = [self._counter(key, rate, now) for rate in rates]
        waits = [counter.at(now).wait(counter.rate, cost) for counter in counters]
        if wait := max((wait for wait in waits if wait is not None), default=None):
            return wait
        for counter in counters:
            counter.current += min(cost, counter.rate.amount)
        return None

    async def charge(self, key: str, rates: Sequence[Rate], cost: int) -> None:
        now = self._clock.monotonic()
        for rate in rates:
            counter = self._counter(key, rate, now)
            counter.at(now)
            counter.current += min(cost, rate.amount)

    async def pause(self, key: str, seconds: float) -> None:
        until = self._clock.monotonic() + seconds
        self._pauses[key] = max(until, self._pauses.get(key, until))

    def slot(self, key: str, permits: int, wait: float) -> AbstractAsyncContextManager[None]:
        return self._slot(key, permits, wait)

    @asynccontextmanager
    async def _slot(self, key: str, permits: int, wait: float) -> AsyncGenerator[None]:
        slots = self._slots.setdefault(key, _Slots())
        if slots.held >= permits or slots.waiting:
            await _turn(slots, key, permits, wait)
        else:
            slots.held += 1
        try:
            yield
        finally:
            _leave(slots)
            if not slots.held and not slots.waiting:
                self._slots.pop(key, None)

    def _paused(self, key: str, now: float) -> float | None:
        until = self._pauses.get(key)
        if until is not None and until <= now:
            del self._pauses[key]
            return None
        return None if until is None else until - now

    def _counter(self, key: str, rate: Rate, now: float) -> _Counter:
        counter = self._counters.get((key, rate))
        if counter is None:
            if len(self._counters) >= MANY:
                self._counters = {name: kept for name, kept in self._counters.items() if kept.at(now).used(kept.rate)}
            counter = self._counters[key, rate] = _Counter(rate, now)
        return counter


async def _turn(slots: _Slots, key: str, permits: int, wait: float) -> None:
    """Wait for a permit that somebody gives back, behind those who came before."""
    mine: asyncio.Future[None] = asyncio.get_running_loop().create_future()
    slots.waiting.append(mine)
    try:
        async with asyncio.timeout(wait):
            await mine
    except BaseException as error:
        if mine.done() and not mine.cancelled():  # given in the same moment
            _leave(slots)
        elif mine in slots.waiting:
            slots.waiting.remove(mine)
        if isinstance(error, TimeoutError):
            raise RateLimited(f"{key}: {permits} at once, and none ended within {wait:g} s", wait) from None
        raise


def _leave(slots: _Slots) -> None:
    """Give a permit to the first who still waits, or back."""
    while slots.waiting:
        first = slots.waiting.pop(0)
        if not first.done():
            first.set_result(None)
            return
    slots.held -= 1
