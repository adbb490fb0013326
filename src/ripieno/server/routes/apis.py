"""What administrators change about tools: import an API, say something about a tool or toolset, forget it."""

import difflib

from fastapi import APIRouter, Response

from ripieno.domain.errors import NotFound
from ripieno.domain.principals import Principal
from ripieno.domain.tool_rules import UNRULED, ToolRule
from ripieno.server import answers
from ripieno.server.idempotency import IdempotentRoute
from ripieno.server.services import Admin, Served, Services
from ripieno.server.shapes.apis import ImportAnswer, ImportRequest, ToolsetRequest
from ripieno.server.shapes.tools import RULE, ToolChange, ToolRuleView

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
    if body.rate_limit is not None:
        await services.plane.rules.change(principal, imported.toolset, ToolRule(per_minute=body.rate_limit))
    location = {"location": f"/v1/tools/{imported.toolset}"}
    return answers.json(ImportAnswer.of(imported), status=201, headers=location)


@router.patch("/tools/{name}", response_model=ToolRuleView | ImportAnswer)
async def change_tool(name: str, body: ToolChange, services: Served, principal: Admin) -> Response:
    """Say something about a tool or toolset: whether it may be called, its effect, risk and limits.

    Or say something else about an imported API, without fetching its description again.
    """
    rule = body.rule()
    if rule is None:
        return answers.json(ImportAnswer.of(await services.apis.change(principal, name, body.said(*RULE))))
    known = await _known(name, services, principal)
    if name not in known:
        raise NotFound("tool", name, difflib.get_close_matches(name, known))
    return answers.json(ToolRuleView.of(name, await services.plane.rules.change(principal, name, rule)))


@router.delete("/tools/{name}", status_code=204, response_class=Response)
async def delete_tool(name: str, services: Served, principal: Admin) -> Response:
    """Forget an imported API and its tools; or what was said about a tool or toolset."""
    try:
        await services.apis.delete(principal, name)
    except NotFound as error:
        if services.plane.rules.said(principal.tenant, name) == UNRULED:
            raise error from None
        await services.plane.rules.forget(principal, name)
    return Response(status_code=204)


async def _known(name: str, services: Services, principal: Principal) -> set[str]:
    """Tools and toolsets of which something may be said: those that are there, and those that are switched off."""
    names = {tool.name for tool in await services.engine.tools(principal.tenant)}
    known = names | {one.partition(".")[0] for one in names}
    return known | ({name} if services.plane.rules.said(principal.tenant, name) != UNRULED else set())
