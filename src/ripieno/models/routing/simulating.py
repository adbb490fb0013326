"""What a routing would do: with one request that somebody describes, and with those that were made."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

from ripieno.domain.errors import NoRoute
from ripieno.domain.jsons import JsonObject
from ripieno.domain.recorded_requests import RecordedRequest
from ripieno.models.routing.choosing import Decision
from ripieno.models.routing.facts import FACTS, Facts
from ripieno.models.routing.published import Routes
from ripieno.models.routing.rules import Routing, RoutingRules

UNSAID: Facts = {
    **dict.fromkeys(FACTS, ""),
    "tags": [],
    "tools": [],
    "modalities": ["text"],
    "tokens": 0,
    "structured": False,
    "complexity": 0.0,
    "purpose": "act",
}

MOST_EXAMPLES = 20


class RecordedRequests(Protocol):
    """Where recorded requests are read."""

    async def last(self, tenant: str, limit: int) -> Sequence[RecordedRequest]:
        """The last ones of a tenant, newest first."""
        ...


@dataclass(slots=True)
class Effect:
    """What rules would have done with recorded requests.

    `elsewhere` would have gone to another model, `nowhere` to none. Costs are of those that can be told for both, with
    the tokens that were used then.
    """

    requests: int = 0
    same: int = 0
    elsewhere: int = 0
    nowhere: int = 0
    usd_before: float = 0.0
    usd_after: float = 0.0
    unpriced: int = 0
    models: dict[str, int] = field(default_factory=dict[str, int])
    examples: list[JsonObject] = field(default_factory=list[JsonObject])


@dataclass(slots=True)
class Simulating:
    """Asks what would be, and changes nothing."""

    routes: Routes
    recorded: RecordedRequests

    async def one(
        self, tenant: str, said: Mapping[str, Any], rules: RoutingRules | None = None, run: str = ""
    ) -> tuple[Decision | None, Facts, str]:
        """What would be decided about a request of which this is said; the facts, and why nothing could be decided."""
        facts = {**UNSAID, **said, "tenant": tenant}
        try:
            routing = await self._routing(tenant, rules, run)
            return await self.routes.held(tenant, facts, routing, run), facts, ""
        except NoRoute as error:
            return None, facts, error.detail

    async def history(self, tenant: str, rules: RoutingRules, last: int) -> Effect:
        """What these rules would have done with the last requests. Raises `Invalid` with the places that are wrong."""
        routing = await self.routes.ready("draft", rules)
        effect = Effect()
        for request in await self.recorded.last(tenant, last):
            await self._count(tenant, routing, request, effect)
        return effect

    async def _count(self, tenant: str, routing: Routing, request: RecordedRequest, effect: Effect) -> None:
        facts = _facts_then(tenant, request)
        before = f"{request.provider}:{request.model}" if request.provider else request.model
        went = str((request.routing or {}).get("chosen") or before)
        effect.requests += 1
        try:
            decision = await self.routes.held(tenant, facts, routing, f"{request.run_id}\0{request.key}")
        except NoRoute as error:
            effect.nowhere += 1
            _example(effect, request, went, None, error.detail)
            return
        goes = decision.models[0] if decision else str(facts["model"])
        effect.models[goes] = effect.models.get(goes, 0) + 1
        if goes in {went, before}:
            effect.same += 1
            effect.usd_before += request.cost_usd
            effect.usd_after += request.cost_usd
            return
        effect.elsewhere += 1
        _example(effect, request, went, goes, decision.rule if decision else "")
        usd = await self.routes.around.catalogue.most_usd(goes, request.input_tokens, request.output_tokens, tenant)
        if usd is None:
            effect.unpriced += 1
            return
        effect.usd_before += request.cost_usd
        effect.usd_after += usd

    async def _routing(self, tenant: str, rules: RoutingRules | None, run: str) -> Routing:
        if rules is not None:
            return await self.routes.ready("draft", rules)
        return await self.routes.met(tenant, run)


def _facts_then(tenant: str, request: RecordedRequest) -> Facts:
    """The facts as a routing wrote them down, else as far as the run tells them."""
    if request.routing is not None and isinstance(request.routing.get("facts"), dict):
        return {**UNSAID, **request.routing["facts"], "tenant": tenant}
    told = {name: request.origin[name] for name in ("channel", "account", "peer") if name in request.origin}
    texts = {name: value for name, value in told.items() if isinstance(value, str)}
    tags: Any = request.origin.get("tags")
    whose = {"agent": request.agent, "session": request.session, "user": request.user}
    known: Mapping[str, Any] = {**whose, **texts, "model": request.asked, "tokens": request.input_tokens}
    return {**UNSAID, **known, "tenant": tenant, "tags": tags if isinstance(tags, list) else []}


def _example(effect: Effect, request: RecordedRequest, went: str, goes: str | None, why: str) -> None:
    if len(effect.examples) < MOST_EXAMPLES:
        effect.examples.append({"run_id": request.run_id, "from": went, "to": goes, "why": why})
