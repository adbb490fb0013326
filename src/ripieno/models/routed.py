"""Sending each request to the model that its tenant's rules choose, and to the next one where that does not answer."""

from collections.abc import AsyncIterator
from dataclasses import replace

from ripieno.domain.errors import ModelUnavailable, Unavailable
from ripieno.domain.jsons import JsonObject
from ripieno.domain.messages import ModelEvent, ModelRequest, Reply
from ripieno.models.closing import closing
from ripieno.models.routing.choosing import Decision
from ripieno.models.routing.published import Routes
from ripieno.models.shown import Shown
from ripieno.ports import Clock, Model

SHARE_OF_TIME = 2 / 3
"""How much of the time that is left a candidate may take when another would follow."""


class RoutedModel:
    """`ports.Model` behind the routes of tenants.

    A candidate that is not available, or is left alone by its breaker, is followed by the next; one that refuses the
    request is not, since the others were asked the same. The reply says in its metadata how it was chosen.
    """

    def __init__(self, inner: Model, routes: Routes, clock: Clock) -> None:
        self._inner = inner
        self._routes = routes
        self._latencies = routes.around.latencies
        self._clock = clock

    async def stream(self, request: ModelRequest) -> AsyncIterator[ModelEvent]:
        """Answer.

        Raises:
            NoRoute: No rule has a model for the request.
            ModelUnavailable: No candidate answers.
        """
        decision = await self._routes.decide(request) if self._routes.concerns(request) else None
        events = self._measured(request) if decision is None else self._in_turn(request, decision)
        async with closing(events) as answer:
            async for event in answer:
                yield event

    async def _in_turn(self, request: ModelRequest, decision: Decision) -> AsyncIterator[ModelEvent]:
        deadline = self._clock.monotonic() + request.timeout
        shown, failed = Shown(), list[JsonObject]()
        soonest: float | None = None
        for at, model in enumerate(decision.models, 1):
            left = deadline - self._clock.monotonic()
            if left <= 0:
                break
            timeout = left if at == len(decision.models) else left * SHARE_OF_TIME
            try:
                async with closing(self._measured(replace(request, model=model, timeout=timeout))) as events:
                    async for event in shown.attempt(events):
                        yield _told(event, decision, model, failed) if isinstance(event, Reply) else event
                    return
            except Unavailable as error:
                failed.append({"model": model, "why": error.detail})
                if error.retry_after is not None:
                    soonest = min(error.retry_after, soonest or error.retry_after)
        told = "; ".join(f"{each['model']}: {each['why']}" for each in failed)
        rule = decision.rule or "the default"
        raise ModelUnavailable(f"nobody whom {rule} of routing {decision.version} names answers: {told}", soonest)

    async def _measured(self, request: ModelRequest) -> AsyncIterator[ModelEvent]:
        began = self._clock.monotonic()
        async with closing(self._inner.stream(request)) as events:
            async for event in events:
                if isinstance(event, Reply):
                    self._latencies.took(
                        str(request.labels.get("tenant", "")), request.model, self._clock.monotonic() - began
                    )
                yield event


def _told(reply: Reply, decision: Decision, model: str, failed: list[JsonObject]) -> Reply:
    routing = {**decision.shown(), "chosen": model, "failed": failed}
    return replace(reply, metadata={**reply.metadata, "routing": routing})
