"""The routings that tenants have published, ready for use: which version a request meets, and who answers it."""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field

from ripieno.domain.errors import Invalid, NoRoute
from ripieno.domain.jsons import JsonObject, decode
from ripieno.domain.messages import ModelRequest
from ripieno.domain.model_documents import DocumentKind
from ripieno.models.catalogue import Catalogue
from ripieno.models.documents import DocumentsAtHand
from ripieno.models.latencies import Latencies
from ripieno.models.routing.choosing import ANSWER_TOKENS, Choosing, Decision, World, share
from ripieno.models.routing.facts import Facts, facts_of
from ripieno.models.routing.rules import Compile, Routing, RoutingRules, compiled

STATE = "routing"
"""The name of the one document that says what a tenant has in force."""


@dataclass(frozen=True, slots=True)
class InForce:
    """What a tenant has in force: `{version, rules}` each, and the `share` of runs, from 0 to 1, that meet the canary.

    The draft is rules alone.
    """

    stable: JsonObject | None = None
    canary: JsonObject | None = None
    share: float = 0.0
    draft: JsonObject | None = None


@dataclass(frozen=True, slots=True)
class _Ready:
    revision: int
    stable: Routing
    canary: Routing | None
    share: float


@dataclass(frozen=True, slots=True)
class Surroundings:
    """What routes need to know of the rest. `resolve` and `stopped` (see `World`) are asked with the tenant first."""

    catalogue: Catalogue
    latencies: Latencies
    resolve: Callable[[str, str], str | None]
    stopped: Callable[[str, str], str | None]


NOTHING = Routing("")


@dataclass(slots=True)
class Routes:
    """The routes of all tenants."""

    documents: DocumentsAtHand
    compile_condition: Compile
    around: Surroundings
    _ready: dict[str, _Ready] = field(default_factory=dict[str, _Ready])
    _compiling: asyncio.Lock = field(default_factory=asyncio.Lock)

    def in_force(self, tenant: str) -> InForce:
        """What a tenant has in force."""
        document = self.documents.of(tenant, DocumentKind.ROUTING).get(STATE)
        return decode(InForce, document.body) if document else InForce()

    def concerns(self, request: ModelRequest) -> bool:
        """Whether there is anything to decide about a request: its tenant has rules, or it names no model."""
        tenant = str(request.labels.get("tenant", ""))
        if self.documents.of(tenant, DocumentKind.ROUTING):
            return True
        return ":" not in request.model and self.around.resolve(tenant, request.model) != request.model

    async def decide(self, request: ModelRequest) -> Decision | None:
        """Who answers; None where the request names a model and no rule is about it. Raises `NoRoute`."""
        return await (await self._choosing(request)).decide()

    async def most_usd(self, request: ModelRequest, sent: int, answered: int) -> float | None:
        """What the dearest model that may answer asks for so many tokens; None where a price is not known.

        Raises:
            NoRoute: See `decide`.
        """
        if not self.concerns(request):
            return await self.around.catalogue.most_of_request(request, sent, answered)
        return await (await self._choosing(request)).dearest(sent, answered)

    async def held(self, tenant: str, facts: Facts, routing: Routing, place: str) -> Decision | None:
        """What a version would decide about a request of which only the facts are known. Raises `NoRoute`."""
        return await Choosing(routing, self.world(tenant), facts, place).decide()

    async def ready(self, version: str, rules: RoutingRules) -> Routing:
        """Compile rules. Raises `Invalid` with the places that are wrong."""
        # The first condition loads its library, which takes most of a second.
        return await asyncio.to_thread(compiled, version, rules, self.compile_condition)

    async def met(self, tenant: str, run: str) -> Routing:
        """The version that a run meets, always the same one while nothing is published. Raises `NoRoute`."""
        ready = await self._in_use(tenant)
        if ready is None:
            return NOTHING
        if ready.canary is not None and share("canary", tenant, run) <= ready.share:
            return ready.canary
        return ready.stable

    def world(self, tenant: str) -> World:
        """What is known now, in one tenant."""
        around = self.around

        def usd(model: str, sent: int, answered: int) -> Awaitable[float | None]:
            return around.catalogue.most_usd(model, sent, answered, tenant)

        return World(
            resolve=lambda target: around.resolve(tenant, target),
            stopped=lambda model: around.stopped(tenant, model),
            facts=lambda model: around.catalogue.facts(model, tenant),
            seconds=lambda model: around.latencies.of(tenant, model),
            usd=usd,
        )

    async def _choosing(self, request: ModelRequest) -> Choosing:
        facts = facts_of(request)
        tenant = str(facts["tenant"])
        run, key = str(request.labels.get("run", "")), str(request.labels.get("key", request.fingerprint))
        # A retry of a run asks under another generation, and is to meet the same models.
        place = f"{run}\0{key.partition('/')[2] or key}"
        routing = await self.met(tenant, run or place)
        return Choosing(routing, self.world(tenant), facts, place, request.max_tokens or ANSWER_TOKENS)

    async def _in_use(self, tenant: str) -> _Ready | None:
        document = self.documents.of(tenant, DocumentKind.ROUTING).get(STATE)
        if document is None:
            return None
        ready = self._ready.get(tenant)
        if ready is not None and ready.revision == document.revision:
            return ready
        async with self._compiling:
            state = decode(InForce, document.body)
            try:
                stable = await self._opened(state.stable) or NOTHING
                ready = _Ready(document.revision, stable, await self._opened(state.canary), state.share)
            except Invalid as error:
                where = "; ".join(f"{each.pointer} {each.detail}" for each in error.problems[:3])
                raise NoRoute(f"the routing that is in force cannot be used: {error.detail}: {where}") from None
            self._ready[tenant] = ready
        return ready

    async def _opened(self, kept: JsonObject | None) -> Routing | None:
        if kept is None:
            return None
        return await self.ready(str(kept["version"]), RoutingRules.model_validate(kept["rules"]))
