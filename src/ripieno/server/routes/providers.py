"""Providers of models that administrators set up, and what they say of models."""

from fastapi import APIRouter, Response
from pydantic import ValidationError

from ripieno.domain.errors import Forbidden, RipienoError
from ripieno.domain.messages import ModelRequest, Reply, UserMessage
from ripieno.domain.principals import DEFAULT_TENANT, Principal
from ripieno.models.records import ProviderInfo
from ripieno.server import answers
from ripieno.server.idempotency import IdempotentRoute
from ripieno.server.services import Admin, Served, Services
from ripieno.server.shapes.gateway import (
    ProviderChange,
    ProviderList,
    ProviderRequest,
    ProviderTest,
    ProviderView,
    key_of,
    said_wrong,
)

router = APIRouter(tags=["providers"], route_class=IdempotentRoute)

TEST_SECONDS = 30.0
TEST_TOKENS = 64


@router.get("/admin/providers", response_model=ProviderList)
async def list_providers(services: Served, principal: Admin) -> Response:
    """All providers, those of the settings too; of keys only whether there is one."""
    found = services.models.providers.all(principal.tenant)
    return answers.json(ProviderList(data=[ProviderView.of(one) for one in found]))


@router.post("/admin/providers", status_code=201, response_model=ProviderView)
async def create_provider(body: ProviderRequest, services: Served, principal: Admin) -> Response:
    """Set up a provider; every process can ask it within seconds, as `NAME:MODEL`."""
    _may_name_an_address(principal, body.base_url)
    providers = services.models.providers
    made = await providers.create(principal, body.name, body.said(), key_of(body.api_key))
    return answers.json(ProviderView.of(made), 201)


@router.get("/admin/providers/{which}", response_model=ProviderView)
async def get_provider(which: str, services: Served, principal: Admin) -> Response:
    """One provider, by id or name."""
    return answers.json(ProviderView.of(services.models.providers.info(principal.tenant, which)))


@router.patch("/admin/providers/{which}", response_model=ProviderView)
async def change_provider(which: str, body: ProviderChange, services: Served, principal: Admin) -> Response:
    """Say something else about a provider, or give it another key."""
    _may_name_an_address(principal, body.base_url)
    try:
        changed = await services.models.providers.change(principal, which, body.changes(), key_of(body.api_key))
    except ValidationError as error:
        raise said_wrong(error) from None
    return answers.json(ProviderView.of(changed))


@router.delete("/admin/providers/{which}", status_code=204, response_class=Response)
async def delete_provider(which: str, services: Served, principal: Admin) -> Response:
    """Forget a provider and its key; runs that name it fail from now on, with a clear reason."""
    await services.models.providers.delete(principal, which)
    return Response(status_code=204)


@router.post("/admin/providers/{which}/test", response_model=ProviderTest)
async def test_provider(which: str, services: Served, principal: Admin) -> Response:
    """Ask its model one tiny question, now, and tell how that went. It costs what such a call costs."""
    info = services.models.providers.info(principal.tenant, which)
    return answers.json(await _tested(services, principal, info))


async def _tested(services: Services, principal: Principal, info: ProviderInfo) -> ProviderTest:
    model = f"{info.name}:{info.model}"
    request = ModelRequest(
        model,
        (UserMessage("Answer with the word ok."),),
        max_tokens=TEST_TOKENS,
        timeout=TEST_SECONDS,
        labels={"tenant": principal.tenant, "user": principal.id},
    )
    bare = services.models.providers.bare(principal.tenant, info.name)
    began = services.clock.monotonic()
    reply: Reply | None = None
    code, detail = "", ""
    try:
        async for event in bare.stream(request):
            if isinstance(event, Reply):
                reply = event
    except RipienoError as error:
        code, detail = error.code, error.detail
    ms = round((services.clock.monotonic() - began) * 1000, 1)
    return ProviderTest(
        ok=reply is not None,
        model=model,
        answered_by=reply.model if reply else None,
        text=reply.text[:200] if reply else None,
        ms=ms,
        code=code or None,
        detail=detail or None,
    )


def _may_name_an_address(principal: Principal, base_url: str | None) -> None:
    """An address that is named here is called, private ones too: that is for those who run the platform."""
    if base_url is not None and principal.tenant != DEFAULT_TENANT:
        raise Forbidden(f"only administrators of the tenant {DEFAULT_TENANT} name addresses of providers")
