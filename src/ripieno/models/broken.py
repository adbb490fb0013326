"""Leaving a failing model alone for a while, in all processes at once."""

from collections.abc import AsyncIterator, Sequence
from typing import Protocol

from ripieno.domain.breakers import Breaker
from ripieno.domain.errors import ModelUnavailable
from ripieno.domain.messages import ModelEvent, ModelRequest
from ripieno.models.closing import closing
from ripieno.ports import Model


class Breakers(Protocol):
    """Circuit breakers by key, shared by all processes of a platform; the rules are `domain.breakers`."""

    async def admit(self, key: str) -> float | None:
        """None where a call may be made, else the seconds after which to ask again. Half open, it admits one probe."""
        ...

    async def succeeded(self, key: str) -> None:
        """A call that was admitted worked."""
        ...

    async def failed(self, key: str) -> Breaker:
        """A call that was admitted did not; answers how the breaker stands."""
        ...

    async def all(self) -> Sequence[Breaker]:
        """Those that are not at rest, by key."""
        ...


class BrokenModel:
    """`ports.Model` behind a circuit breaker for each provider and model.

    Only `ModelUnavailable` counts as a failure: a refused request says that the provider is there. While the breaker is
    open, requests fail at once with the time after which one may be tried. `whose` tells providers apart that tenants
    have given the same name.
    """

    def __init__(self, inner: Model, breakers: Breakers, whose: str = "") -> None:
        self._inner = inner
        self._breakers = breakers
        self._whose = f"{whose}/" if whose else ""

    async def stream(self, request: ModelRequest) -> AsyncIterator[ModelEvent]:
        """Answer as the inner model does.

        Raises:
            ModelUnavailable: It does not answer, or did not so often that it is left alone.
        """
        key = f"model:{self._whose}{request.model}"
        wait = await self._breakers.admit(key)
        if wait is not None:
            raise ModelUnavailable(f"{request.model} failed too often and is left alone for now", retry_after=wait)
        try:
            async with closing(self._inner.stream(request)) as events:
                async for event in events:
                    yield event
        except ModelUnavailable:
            await self._breakers.failed(key)
            raise
        await self._breakers.succeeded(key)
