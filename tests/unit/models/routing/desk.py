"""A gateway in memory with short words for what tests of routing do with it."""

from collections.abc import Sequence
from typing import Any

from ripieno.domain.messages import ModelEvent, ModelRequest, Reply, TextDelta, UserMessage
from ripieno.domain.principals import Principal
from ripieno.models.gateway import Gateway
from ripieno.models.routing.choosing import Decision
from ripieno.models.routing.publishing import Publication
from ripieno.models.routing.rules import RoutingRules
from ripieno.ports import Model
from ripieno.testing.fake_clock import FakeClock
from ripieno.testing.memory_gateway import gateway_in_memory
from ripieno.testing.memory_secrets import MemorySecrets
from ripieno.testing.scripted_model import ScriptedModel, says

ADMIN = Principal("boss", "acme", ("admin",))
GIVEN = ("a", "b", "c")


def asks(model: str, text: str = "go", **fields: Any) -> ModelRequest:
    """A request of a run of acme."""
    named = {name: fields.pop(name) for name in ("tools", "output_schema", "max_tokens", "timeout") if name in fields}
    labels = {"tenant": "acme", "run": "run_1", "key": "g1/turn/1/model", "agent": "clerk", **fields}
    return ModelRequest(model, (UserMessage(text),), labels=labels, **named)


class Desk:
    """Providers a, b and c with the models a-1, b-1 and c-1, and what administrators do."""

    def __init__(self, model: Model | None = None, given: Sequence[str] = GIVEN) -> None:
        self.clock = FakeClock()
        self.model = model or ScriptedModel(lambda request: says(request.model))
        self.gateway: Gateway = gateway_in_memory(self.model, self.clock, MemorySecrets(self.clock), given)
        self.routes = self.gateway.routes

    async def publish(self, *rules: Any, default: str | None = None, **fields: Any) -> str:
        """Put rules in force."""
        wanted = RoutingRules.model_validate({"rules": list(rules), "default": default})
        return await self.gateway.publishing.publish(ADMIN, Publication(rules=wanted, **fields))

    async def decide(self, request: ModelRequest) -> Decision | None:
        return await self.routes.decide(request)

    async def models(self, request: ModelRequest) -> list[str]:
        """Those to ask, in order; nobody's rule is the request's own model."""
        decision = await self.decide(request)
        return list(decision.models) if decision else [request.model]

    async def reply(self, request: ModelRequest) -> Reply:
        (reply,) = [event for event in await self.events(request) if isinstance(event, Reply)]
        return reply

    async def events(self, request: ModelRequest) -> list[ModelEvent]:
        return [event async for event in self.gateway.model.stream(request)]

    async def shown(self, request: ModelRequest) -> str:
        return "".join(event.text for event in await self.events(request) if isinstance(event, TextDelta))
