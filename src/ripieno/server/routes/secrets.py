"""Secrets: set, look which there are, delete, renew the master key. Values never come out."""

from fastapi import APIRouter, Response

from ripieno.server import answers
from ripieno.server.idempotency import IdempotentRoute
from ripieno.server.services import Caller, Served
from ripieno.server.shapes.secrets import Rotated, SecretList, SecretName, SecretRequest, SecretView

router = APIRouter(tags=["secrets"], route_class=IdempotentRoute)


@router.get("/secrets", response_model=SecretList)
async def list_secrets(services: Served, principal: Caller) -> Response:
    """The secrets there are, by name, without their values."""
    infos = await services.secrets.infos(principal.tenant)
    return answers.json(SecretList(data=[SecretView.of(info) for info in infos]))


@router.post("/secrets/rotate", response_model=Rotated)
async def rotate_secrets(services: Served, principal: Caller) -> Response:
    """Renew the master key, where it is in a file, and seal every secret under it. Values stay as they are."""
    return answers.json(Rotated(resealed=await services.secrets.rotate(principal)))


@router.get("/secrets/{name}", response_model=SecretView)
async def get_secret(name: str, services: Served, principal: Caller) -> Response:
    """What may be shown of a secret."""
    return answers.json(SecretView.of(await services.secrets.info(principal.tenant, name)))


@router.put("/secrets/{name}", response_model=SecretView)
async def put_secret(name: SecretName, body: SecretRequest, services: Served, principal: Caller) -> Response:
    """Set a secret, a new one or another value."""
    return answers.json(SecretView.of(await services.secrets.put(principal, name, body.value.get_secret_value())))


@router.delete("/secrets/{name}", status_code=204, response_class=Response)
async def delete_secret(name: str, services: Served, principal: Caller) -> Response:
    """Forget a secret. Whatever still refers to it fails from now on."""
    await services.secrets.delete(principal, name)
    return Response(status_code=204)
