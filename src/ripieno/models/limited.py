"""Staying within what a provider allows: requests and tokens a minute, and calls at once."""

import asyncio
import json
from collections.abc import AsyncIterator, Mapping
from contextlib import AsyncExitStack
from dataclasses import dataclass, replace
from fnmatch import fnmatchcase
from weakref import WeakValueDictionary

from ripieno.domain.errors import ModelUnavailable, RateLimited
from ripieno.domain.limits import Rate
from ripieno.domain.messages import ModelEvent, ModelRequest, Reply
from ripieno.models.closing import closing
from ripieno.ports import Clock, Limiter, Model

CHARACTERS_A_TOKEN = 4


@dataclass(frozen=True, slots=True)
class ModelLimit:
    """Requests and tokens a minute, and calls at once; None means no limit."""

    rpm: int | None = None
    tpm: int | None = None
    concurrent: int | None = None


UNLIMITED = ModelLimit()


class LimitedModel:
    """`ports.Model` that waits its turn, within `request.timeout`, and fails with `RateLimited` when that is too short.

    The limit of a model is that of the first pattern that fits its name; each model counts for itself. Who waits in one
    process is served in order. Tokens are counted when the request goes (what is sent, about four characters each) and
    corrected when the answer has come. Waits that a provider asked for, see `HeededModel`, hold without any limit.
    """

    def __init__(self, inner: Model, limits: Mapping[str, ModelLimit], limiter: Limiter, clock: Clock) -> None:
        self._inner = inner
        self._limits = dict(limits)
        self._limiter = limiter
        self._clock = clock
        self._queues: WeakValueDictionary[str, asyncio.Lock] = WeakValueDictionary()

    async def stream(self, request: ModelRequest) -> AsyncIterator[ModelEvent]:
        """Answer, when it is this request's turn.

        Raises:
            RateLimited: It would not be within the request's time.
        """
        limit, deadline = self._limit(request.model), self._clock.monotonic() + request.timeout
        key = f"model:{request.model}"
        async with AsyncExitStack() as stack:
            if limit.concurrent is not None:
                await stack.enter_async_context(self._limiter.slot(key, limit.concurrent, request.timeout))
            sent = await self._admitted(key, limit, request, deadline)
            left = max(0.001, deadline - self._clock.monotonic())
            async with closing(self._inner.stream(replace(request, timeout=left))) as events:
                async for event in events:
                    if limit.tpm is not None and isinstance(event, Reply) and event.usage.tokens > sent:
                        await self._limiter.charge(f"tokens:{key}", [Rate(limit.tpm)], event.usage.tokens - sent)
                    yield event

    def _limit(self, model: str) -> ModelLimit:
        fitting = (limit for pattern, limit in self._limits.items() if fnmatchcase(model, pattern))
        return next(fitting, UNLIMITED)

    async def _admitted(self, key: str, limit: ModelLimit, request: ModelRequest, deadline: float) -> int:
        """Wait for the turn; answers how many tokens were counted."""
        queue = self._queues.setdefault(key, asyncio.Lock())
        async with queue:
            await self._acquired(key, limit.rpm, 1, deadline)
            if limit.tpm is None:
                return 0
            sent = tokens_sent(request)
            await self._acquired(f"tokens:{key}", limit.tpm, sent, deadline)
            return sent

    async def _acquired(self, key: str, amount: int | None, cost: int, deadline: float) -> None:
        rates = [] if amount is None else [Rate(amount)]
        while (wait := await self._limiter.acquire(key, rates, cost)) is not None:
            if self._clock.monotonic() + wait >= deadline:
                model = key.rpartition("model:")[2]
                raise RateLimited(f"{model} is at its limit; there is room in {wait:.1f} s", wait)
            await self._clock.sleep(wait)


class HeededModel:
    """`ports.Model` that has all workers wait where a provider said for how long (`Retry-After`)."""

    def __init__(self, inner: Model, limiter: Limiter) -> None:
        self._inner = inner
        self._limiter = limiter

    async def stream(self, request: ModelRequest) -> AsyncIterator[ModelEvent]:
        """Answer as the inner model does."""
        try:
            async with closing(self._inner.stream(request)) as events:
                async for event in events:
                    yield event
        except ModelUnavailable as error:
            if error.retry_after:
                await self._limiter.pause(f"model:{request.model}", error.retry_after)
            raise


def tokens_sent(request: ModelRequest) -> int:
    """About how many tokens a request has."""
    length = sum(len(message.text) for message in request.messages)
    length += sum(len(json.dumps(tool.input_schema)) + len(tool.description) for tool in request.tools)
    return max(1, length // CHARACTERS_A_TOKEN)
