"""What a model's answers cost."""

from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import replace

from ripieno.domain.messages import ModelEvent, ModelRequest, Reply
from ripieno.models.closing import closing
from ripieno.models.providers import prices
from ripieno.ports import Model

Price = Callable[[Reply, ModelRequest], Awaitable[float]]
"""What a reply to a request costs."""


async def _listed(reply: Reply, request: ModelRequest) -> float:
    del request  # the list is the same for all
    return await prices.cost_usd(reply)


class PricedModel:
    """`ports.Model` that fills in `Usage.cost_usd` where the provider did not; an unknown model costs 0.0."""

    def __init__(self, inner: Model, price: Price = _listed) -> None:
        self._inner = inner
        self._price = price

    async def stream(self, request: ModelRequest) -> AsyncIterator[ModelEvent]:
        """Answer as the inner model does, the reply with its price."""
        async with closing(self._inner.stream(request)) as events:
            async for event in events:
                yield await self._priced(event, request) if isinstance(event, Reply) else event

    async def _priced(self, reply: Reply, request: ModelRequest) -> Reply:
        if reply.usage.cost_usd or not reply.usage.tokens:
            return reply
        return replace(reply, usage=replace(reply.usage, cost_usd=await self._price(reply, request)))
