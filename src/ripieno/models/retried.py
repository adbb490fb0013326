"""Trying a model again when it was not available."""

import random
from collections.abc import AsyncIterator, Callable
from dataclasses import replace

from ripieno.domain.errors import ModelUnavailable
from ripieno.domain.messages import ModelEvent, ModelRequest
from ripieno.models.closing import closing
from ripieno.models.shown import Shown
from ripieno.ports import Clock, Model

FIRST_WAIT = 0.5
LONGEST_WAIT = 30.0


class RetriedModel:
    """`ports.Model` that repeats calls which failed with `ModelUnavailable`, and no others.

    The waits double from half a second up to 30 s, each shortened at random by up to a half, and are never shorter than
    the remote's `retry_after`. All attempts and waits together stay within `request.timeout`: each attempt is given
    what is left of it, and a wait that would not fit ends the matter at once.

    What was shown of an attempt that broke off cannot be taken back. A later attempt shows only what goes beyond it,
    and nothing more from where its text differs; the `Reply` is whole in any case.
    """

    def __init__(self, inner: Model, clock: Clock, attempts: int, jitter: Callable[[], float] = random.random) -> None:
        self._inner = inner
        self._clock = clock
        self._attempts = attempts
        self._jitter = jitter

    async def stream(self, request: ModelRequest) -> AsyncIterator[ModelEvent]:
        """Answer, after as many attempts as it takes and is allowed.

        Raises:
            ModelUnavailable: That of the last attempt.
        """
        deadline = self._clock.monotonic() + request.timeout
        shown = Shown()
        for attempt in range(1, self._attempts + 1):
            left = deadline - self._clock.monotonic()
            try:
                async with closing(self._inner.stream(replace(request, timeout=left))) as events:
                    async for event in shown.attempt(events):
                        yield event
            except ModelUnavailable as error:
                wait = self._wait(attempt, error)
                if attempt == self._attempts or self._clock.monotonic() + wait >= deadline:
                    raise
            else:
                return
            await self._clock.sleep(wait)

    def _wait(self, attempt: int, error: ModelUnavailable) -> float:
        backoff = min(LONGEST_WAIT, FIRST_WAIT * 2 ** (attempt - 1)) * (1 - self._jitter() / 2)
        return max(backoff, error.retry_after or 0.0)
