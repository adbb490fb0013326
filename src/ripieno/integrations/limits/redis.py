"""Limits that all processes count together in one Redis.

Rates are the sliding window counters of the library `limits`. A permit is a member of a sorted set whose score is when
it ends by itself: who holds one renews it, and what a killed process held is free after `LEASE` seconds. Times of
permits are Redis's own, so that clocks of machines need not agree.
"""

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager, suppress
from typing import Protocol, TypeVar, cast
from weakref import WeakValueDictionary

import redis.asyncio
from limits import RateLimitItemPerSecond
from limits.aio.storage import RedisStorage
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff
from redis.exceptions import RedisError

from ripieno.domain.errors import RateLimited
from ripieno.domain.limits import Rate, Window
from ripieno.ports import Clock

T = TypeVar("T")

LEASE = 30.0
RENEWAL = 10.0
POLL = 0.1
"""Seconds: how long a permit holds unrenewed, how often it is renewed, and how often one who waits asks again."""

PATIENCE = 0.5
"""Seconds that Redis may take to answer, or to be reached."""

PREFIX = "ripieno:limits"
NO_LIMIT = 2**53

AWAY = (RedisError, OSError)
"""What comes of a Redis that does not answer."""

TAKE = """
local t = redis.call('TIME')
local now = t[1] * 1000 + math.floor(t[2] / 1000)
redis.call('ZREMRANGEBYSCORE', KEYS[1], '-inf', now)
if redis.call('ZCARD', KEYS[1]) >= tonumber(ARGV[2]) and not redis.call('ZSCORE', KEYS[1], ARGV[1]) then
    return 0
end
redis.call('ZADD', KEYS[1], now + ARGV[3], ARGV[1])
redis.call('PEXPIRE', KEYS[1], ARGV[3])
return 1
"""
PAUSE = """
if redis.call('PTTL', KEYS[1]) < tonumber(ARGV[1]) then redis.call('SET', KEYS[1], '', 'PX', ARGV[1]) end
return 1
"""


class _Script(Protocol):
    def __call__(self, *, keys: Sequence[str], args: Sequence[str | int]) -> Awaitable[int]: ...


async def _obeying(asking: Awaitable[T]) -> T:
    """The answer, unless the task was cancelled meanwhile: the library loses a cancellation that meets an answer."""
    task = asyncio.current_task()
    before = task.cancelling() if task else 0
    answer = await asking
    if task and task.cancelling() > before:
        raise asyncio.CancelledError
    return answer


class RedisLimiter:
    """`ports.Limiter` over Redis. Whatever it asks while Redis is away raises one of `AWAY`.

    `keep_up` has to run beside it, or permits that are held for long are given to others.
    """

    def __init__(self, url: str, clock: Clock) -> None:
        self._clock = clock
        self._redis = redis.asyncio.Redis.from_url(  # pyright: ignore[reportUnknownMemberType]
            url,
            socket_timeout=PATIENCE,
            socket_connect_timeout=PATIENCE,
            decode_responses=True,
            retry=Retry(NoBackoff(), 1),
        )
        pool = cast("str", self._redis.connection_pool)  # the option is passed on; its type knows plain values only
        self._windows = RedisStorage(f"async+{url}", implementation="redispy", key_prefix=PREFIX, connection_pool=pool)
        self._take = cast("_Script", self._redis.register_script(TAKE))
        self._pause = cast("_Script", self._redis.register_script(PAUSE))
        self._queues: WeakValueDictionary[str, asyncio.Lock] = WeakValueDictionary()
        self._held: dict[tuple[str, str], int] = {}

    async def acquire(self, key: str, rates: Sequence[Rate], cost: int = 1) -> float | None:
        paused = await _obeying(self._redis.pttl(f"{PREFIX}:pause:{key}"))
        if paused > 0:
            return paused / 1000
        waits = [(await self._window(key, rate)).wait(rate, cost) for rate in rates] if len(rates) > 1 else []
        if wait := max((wait for wait in waits if wait is not None), default=None):
            return wait
        for rate in rates:
            if not await self._count(key, rate, min(cost, rate.amount), rate.amount):
                # There may be room again by now, or another process was faster.
                return (await self._window(key, rate)).wait(rate, cost) or POLL
        return None

    async def charge(self, key: str, rates: Sequence[Rate], cost: int) -> None:
        for rate in rates:
            await self._count(key, rate, min(cost, rate.amount), NO_LIMIT)

    async def pause(self, key: str, seconds: float) -> None:
        await self._pause(keys=[f"{PREFIX}:pause:{key}"], args=[max(1, round(seconds * 1000))])

    def slot(self, key: str, permits: int, wait: float) -> AbstractAsyncContextManager[None]:
        return self._slot(key, permits, wait)

    async def keep_up(self) -> None:
        """Renew the permits that are held, for ever."""
        while True:
            await self._clock.sleep(RENEWAL)
            with suppress(*AWAY):
                for (name, member), permits in list(self._held.items()):
                    await self._taken(name, member, permits)

    async def close(self) -> None:
        """Let go of the connections."""
        await self._redis.aclose()

    @asynccontextmanager
    async def _slot(self, key: str, permits: int, wait: float) -> AsyncGenerator[None]:
        member, name = self._clock.new_id("slot"), f"{PREFIX}:slots:{key}"
        try:
            if not await self._entered(name, member, permits, wait):
                raise RateLimited(f"{key}: {permits} at once, and none ended within {wait:g} s", wait)
            self._held[name, member] = permits
            yield
        finally:
            self._held.pop((name, member), None)
            with suppress(*AWAY):
                await self._redis.zrem(name, member)

    async def _entered(self, name: str, member: str, permits: int, wait: float) -> bool:
        """Take a permit; those who wait in this process go one after the other."""
        give_up = self._clock.monotonic() + wait
        queue = self._queues.setdefault(name, asyncio.Lock())
        if queue.locked():
            try:
                async with asyncio.timeout(wait):
                    await queue.acquire()
            except TimeoutError:
                return False
        else:
            await queue.acquire()
        try:
            while not await self._taken(name, member, permits):
                if self._clock.monotonic() + POLL > give_up:
                    return False
                await self._clock.sleep(POLL)
            return True
        finally:
            queue.release()

    async def _taken(self, name: str, member: str, permits: int) -> bool:
        asking = self._take(keys=[name], args=[member, permits, round(LEASE * 1000)])
        return bool(await _obeying(asking))

    async def _window(self, key: str, rate: Rate) -> Window:
        previous, previous_left, current, current_left = await _obeying(
            self._windows.get_sliding_window(_item(rate).key_for(key), rate.seconds)
        )
        # A current counter lives for two windows; in the second it counts as the previous one.
        return Window(previous, previous_left, current, max(0.0, current_left - rate.seconds))

    async def _count(self, key: str, rate: Rate, cost: int, most: int) -> bool:
        name = _item(rate).key_for(key)
        return await _obeying(self._windows.acquire_sliding_window_entry(name, most, rate.seconds, cost))


def _item(rate: Rate) -> RateLimitItemPerSecond:
    return RateLimitItemPerSecond(rate.amount, rate.seconds)
