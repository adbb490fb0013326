"""For administrators: what the egress guard would say."""

from fastapi import APIRouter, Response

from ripieno.server import answers
from ripieno.server.idempotency import IdempotentRoute
from ripieno.server.services import Admin, Served
from ripieno.server.shapes.egress import EgressCheckRequest, EgressCheckView
from ripieno.tools.egress.scope import Scope

router = APIRouter(tags=["operating"], route_class=IdempotentRoute)


@router.post("/admin/egress/check", response_model=EgressCheckView)
async def check_egress(body: EgressCheckRequest, services: Served, principal: Admin) -> Response:
    """Whether a request would be let out, and why. Names are looked up; nothing is sent."""
    scope = Scope(body.tool, body.tenant or principal.tenant)
    found = await services.egress.explain(body.url, body.method, scope)
    return answers.json(EgressCheckView.of(found))
