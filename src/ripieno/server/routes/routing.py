"""Which model answers which request: what is in force, drafts, versions, and what rules would do."""

from fastapi import APIRouter, Response

from ripieno.domain.errors import Invalid, Problem
from ripieno.server import answers
from ripieno.server.idempotency import IdempotentRoute
from ripieno.server.services import Admin, Served
from ripieno.server.shapes.gateway import (
    PublishedView,
    RollbackRequest,
    RoutingRequest,
    RoutingView,
    SimulatedView,
    SimulateRequest,
)

router = APIRouter(tags=["routing"], route_class=IdempotentRoute)


@router.get("/admin/routing", response_model=RoutingView)
async def get_routing(services: Served, principal: Admin) -> Response:
    """What is in force, the draft, and the versions that were published."""
    gateway = services.models
    versions = list(await gateway.publishing.versions(principal.tenant))
    return answers.json(RoutingView.of(gateway.routes.in_force(principal.tenant), versions))


@router.post("/admin/routing/publish", response_model=PublishedView)
async def publish_routing(body: RoutingRequest, services: Served, principal: Admin) -> Response:
    """Compile rules and put them in force, for all runs or for a share of them; or keep them as a draft."""
    publishing, rules = services.models.publishing, body.given()
    if body.draft:
        if rules is None:
            raise Invalid("there is nothing to keep", [Problem("/rules", "give rules")])
        await publishing.draft(principal, rules)
        version = None
    else:
        version = await publishing.publish(principal, body.publication())
    warnings = publishing.warnings(principal.tenant, rules) if rules is not None else ()
    shown = [{"pointer": one.pointer, "detail": one.detail} for one in warnings]
    return answers.json(PublishedView(version=version, warnings=shown))


@router.post("/admin/routing/rollback", response_model=PublishedView)
async def roll_routing_back(body: RollbackRequest, services: Served, principal: Admin) -> Response:
    """Put an earlier version in force for all runs."""
    await services.models.publishing.roll_back(principal, body.version)
    return answers.json(PublishedView(version=body.version, warnings=[]))


@router.post("/admin/routing/simulate", response_model=SimulatedView)
async def simulate_routing(body: SimulateRequest, services: Served, principal: Admin) -> Response:
    """Who would answer a request, and why; with rules and `last`, what they would have done with the last requests."""
    simulating, rules = services.models.simulating, body.given()
    if body.last is not None and rules is None:
        raise Invalid("there is nothing to compare", [Problem("/rules", "give the rules that are to be tried")])
    decision, facts, why = await simulating.one(principal.tenant, body.facts(), rules, body.run)
    effect = None
    if rules is not None and body.last is not None:
        effect = await simulating.history(principal.tenant, rules, body.last)
    return answers.json(SimulatedView.of(decision, dict(facts), why, effect))
