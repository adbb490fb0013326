"""Tenants: how many runs each may have under way."""

from fastapi import APIRouter, Response

from ripieno.domain.errors import Forbidden
from ripieno.domain.principals import DEFAULT_TENANT, Principal
from ripieno.server import answers
from ripieno.server.idempotency import IdempotentRoute
from ripieno.server.services import Admin, Served
from ripieno.server.shapes.tenants import TenantList, TenantRequest, TenantView

router = APIRouter(tags=["tenants"], route_class=IdempotentRoute)


@router.get("/tenants", response_model=TenantList)
async def list_tenants(services: Served, principal: Admin) -> Response:
    """The tenants that have a limit of their own; all others have that of the settings."""
    _must_operate(principal)
    limits = await services.tenants.limits()
    return answers.json(TenantList(data=[TenantView.of(limit) for limit in limits]))


@router.post("/tenants", status_code=201, response_model=TenantView)
async def put_tenant(body: TenantRequest, services: Served, principal: Admin) -> Response:
    """Let a tenant have so many runs under way at once; 0 stops it, what runs goes on."""
    _must_operate(principal)
    return answers.json(TenantView.of(await services.tenants.limit(principal, body.id, body.max_running)), 201)


@router.delete("/tenants/{tenant}/limit", status_code=204, response_class=Response)
async def delete_limit(tenant: str, services: Served, principal: Admin) -> Response:
    """Go back to the limit of the settings."""
    _must_operate(principal)
    await services.tenants.unlimit(principal, tenant)
    return Response(status_code=204)


def _must_operate(principal: Principal) -> None:
    """Administrators of other tenants look after their own only."""
    if principal.tenant != DEFAULT_TENANT:
        raise Forbidden(f"limits of tenants are set by administrators of the tenant {DEFAULT_TENANT}")
