"""APIs as toolsets: import, say something else about one, forget one."""

from fastapi import APIRouter, Response

from ripieno.server import answers
from ripieno.server.idempotency import IdempotentRoute
from ripieno.server.services import Admin, Served
from ripieno.server.shapes.apis import ApiChange, ImportAnswer, ImportRequest, ToolsetRequest

router = APIRouter(tags=["tools"], route_class=IdempotentRoute)


@router.post("/tools/import/openapi", response_model=ImportAnswer)
async def import_openapi(body: ImportRequest, services: Served, principal: Admin) -> Response:
    """Make tools of an OpenAPI 3.0, 3.1 or Swagger 2.0 description, or make them anew. Only administrators may.

    The API is called at its own origin alone, which is opened because an administrator names it here: by `base_url`,
    or by the URL of the description where the API is on the same host. Every other address that a description names
    must be public. With `dry_run` nothing is kept.
    """
    imported = await services.apis.bring(principal, body.order())
    return answers.json(ImportAnswer.of(imported, dry_run=body.dry_run))


@router.post("/tools", status_code=201, response_model=ImportAnswer)
async def create_toolset(body: ToolsetRequest, services: Served, principal: Admin) -> Response:
    """The same in short: a toolset by name, from a description or a reference to one."""
    imported = await services.apis.bring(principal, body.order())
    location = {"location": f"/v1/tools/{imported.toolset}"}
    return answers.json(ImportAnswer.of(imported), status=201, headers=location)


@router.patch("/tools/{name}", response_model=ImportAnswer)
async def change_toolset(name: str, body: ApiChange, services: Served, principal: Admin) -> Response:
    """Say something else about an imported API, without fetching its description again."""
    return answers.json(ImportAnswer.of(await services.apis.change(principal, name, body.said())))


@router.delete("/tools/{name}", status_code=204, response_class=Response)
async def delete_toolset(name: str, services: Served, principal: Admin) -> Response:
    """Forget an imported API and its tools."""
    await services.apis.delete(principal, name)
    return Response(status_code=204)
