"""Limits that hold also while what they are shared over is away."""

import logging
from collections.abc import AsyncGenerator, Awaitable, Callable, Sequence
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager
from typing import TypeVar

from ripieno.domain.limits import Rate
from ripieno.ports import Clock, Limiter

log = logging.getLogger(__name__)

T = TypeVar("T")

REST = 5.0
"""Seconds for which a limiter that did not answer is not asked again."""


class FallingBackLimiter:
    """`ports.Limiter` that counts in `shared`, and in `local` while that is away: then each process for itself.

    `away` are the exceptions by which `shared` says so.
    """

    def __init__(self, shared: Limiter, local: Limiter, clock: Clock, away: tuple[type[Exception], ...]) -> None:
        self._shared = shared
        self._local = local
        self._clock = clock
        self._away = away
        self._ask_again = 0.0
        self._down = False

    async def acquire(self, key: str, rates: Sequence[Rate], cost: int = 1) -> float | None:
        return await self._either(lambda limiter: limiter.acquire(key, rates, cost))

    async def charge(self, key: str, rates: Sequence[Rate], cost: int) -> None:
        await self._either(lambda limiter: limiter.charge(key, rates, cost))

    async def pause(self, key: str, seconds: float) -> None:
        await self._either(lambda limiter: limiter.pause(key, seconds))

    def slot(self, key: str, permits: int, wait: float) -> AbstractAsyncContextManager[None]:
        return self._slot(key, permits, wait)

    @asynccontextmanager
    async def _slot(self, key: str, permits: int, wait: float) -> AsyncGenerator[None]:
        async with AsyncExitStack() as stack:
            await self._either(lambda limiter: stack.enter_async_context(limiter.slot(key, permits, wait)))
            yield

    async def _either(self, act: Callable[[Limiter], Awaitable[T]]) -> T:
        if self._clock.monotonic() < self._ask_again:
            return await act(self._local)
        try:
            answer = await act(self._shared)
        except self._away as error:
            self._ask_again = self._clock.monotonic() + REST
            if not self._down:
                log.warning("limits are counted by each process for itself: %s", type(error).__name__)
            self._down = True
            return await act(self._local)
        if self._down:
            log.info("limits are shared again")
        self._down = False
        return answer
