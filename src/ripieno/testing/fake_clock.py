"""A clock that moves only when it is told to.

clock = FakeClock()
async with asyncio.TaskGroup() as group:
    group.create_task(nap(clock, seconds=10))
    await clock.sleepers(1)
    clock.advance(10)
"""

import asyncio
import hashlib
import heapq
from datetime import UTC, datetime, timedelta

from ripieno.domain import ids

START = datetime(2026, 1, 1, tzinfo=UTC)


class FakeClock:
    """`ports.Clock` under the test's control. Ids are the same in every run of the test, and sort by age."""

    def __init__(self, start: datetime = START) -> None:
        self._start = start
        self._elapsed = timedelta()
        self._count = 0
        self._asleep: list[tuple[timedelta, int, asyncio.Future[None]]] = []
        self._arrivals: list[tuple[int, asyncio.Future[None]]] = []

    def now(self) -> datetime:
        return self._start + self._elapsed

    def monotonic(self) -> float:
        return self._elapsed.total_seconds()

    async def sleep(self, seconds: float) -> None:
        """Wait until `advance` has passed the moment; other tasks run meanwhile, even for 0 seconds."""
        loop = asyncio.get_running_loop()
        alarm: asyncio.Future[None] = loop.create_future()
        if seconds <= 0:
            loop.call_soon(_ring, alarm)
        else:
            self._count += 1
            heapq.heappush(self._asleep, (self._elapsed + timedelta(seconds=seconds), self._count, alarm))
            self._tell_arrivals()
        await alarm

    def new_id(self, prefix: str) -> str:
        self._count += 1
        # `compose` overwrites bits of the first three bytes; the counter stands behind them, so that ids sort by age.
        entropy = bytes(3) + self._count.to_bytes(4, "big") + hashlib.sha256(f"{prefix}{self._count}".encode()).digest()
        return ids.compose(prefix, int(self.now().timestamp() * 1000), entropy)

    def advance(self, seconds: float) -> None:
        """Let time pass and wake those whose time has come, earliest first. They run when the caller next awaits."""
        self._elapsed += timedelta(seconds=seconds)
        while self._asleep and self._asleep[0][0] <= self._elapsed:
            _ring(heapq.heappop(self._asleep)[2])

    async def sleepers(self, count: int = 1) -> None:
        """Wait until at least `count` tasks sleep, so that `advance` cannot come too early."""
        if self._awake(count):
            arrival: asyncio.Future[None] = asyncio.get_running_loop().create_future()
            self._arrivals.append((count, arrival))
            await arrival

    def _awake(self, count: int) -> bool:
        return sum(not alarm.done() for _, _, alarm in self._asleep) < count

    def _tell_arrivals(self) -> None:
        for count, arrival in self._arrivals:
            if not self._awake(count):
                _ring(arrival)
        self._arrivals = [waiting for waiting in self._arrivals if not waiting[1].done()]


def _ring(alarm: asyncio.Future[None]) -> None:
    if not alarm.done():  # a cancelled sleeper is done
        alarm.set_result(None)
