"""Tools: list, get, call one outside any run."""

import difflib
from datetime import datetime
from typing import Annotated, Any, cast

from fastapi import APIRouter, Query, Request, Response
from pydantic import Field

from ripieno.domain.breakers import Breaker
from ripieno.domain.errors import NotFound, Problem
from ripieno.domain.jsons import JsonObject
from ripieno.domain.tool_rules import UNRULED
from ripieno.domain.tools import ToolResult, ToolSpec, ToolStatus
from ripieno.engine.core.ranking import ranked
from ripieno.engine.direct import DirectCall
from ripieno.server import answers
from ripieno.server.answers import NameQuery
from ripieno.server.errors import ServerProblem
from ripieno.server.idempotency import IdempotentRoute, StartingRoute, reserved_id
from ripieno.server.services import Caller, Served, Services
from ripieno.server.shapes.apis import ToolsetView
from ripieno.server.shapes.requests import ToolCallRequest
from ripieno.server.shapes.things import ToolAnswer
from ripieno.server.shapes.tools import ToolHealth, ToolList, ToolRuleView, ToolView

router = APIRouter(tags=["tools"], route_class=IdempotentRoute)
callers = APIRouter(tags=["tools"], route_class=StartingRoute)

REFUSALS = {ToolStatus.DENIED: "tool_denied", ToolStatus.INVALID_ARGUMENTS: "invalid_arguments"}


class ToolQuery(NameQuery):
    """Which tools: of a toolset, from a source (`mcp` also means `mcp:counter`), by words of what they do."""

    toolset: str | None = Field(default=None, max_length=64)
    source: str | None = Field(default=None, max_length=100)
    q: str | None = Field(default=None, max_length=200, description="Words; the tools that fit best come first.")

    def means(self, spec: ToolSpec) -> bool:
        """Whether a tool is one of those."""
        of_toolset = self.toolset is None or spec.name.startswith(f"{self.toolset}.")
        return of_toolset and (self.source is None or f"{spec.source}:".startswith(f"{self.source}:"))


@router.get("/tools", response_model=ToolList)
async def list_tools(
    query: Annotated[ToolQuery, Query()], request: Request, services: Served, principal: Caller
) -> Response:
    """Every tool that can be called now, by name."""
    tenant = principal.tenant
    found = sorted(filter(query.means, await services.engine.tools(tenant)), key=lambda tool: tool.name)
    if query.q is not None:
        found = [spec for spec, _ in ranked(query.q, found, len(found))]
    page, next_cursor = query.page(found, [tool.name for tool in found])
    resting, now = await services.plane.resting(tenant), services.clock.now()
    data = [_view(services, tenant, spec, resting.get(spec.name), now) for spec in page]
    body = ToolList.model_construct(data=data, next_cursor=next_cursor, problems=services.plane.problems())
    return answers.json(body, headers=answers.next_link(request, cursor=next_cursor))


@router.get("/tools/{name}", response_model=ToolView | ToolsetView | ToolRuleView)
async def get_tool(name: str, services: Served, principal: Caller) -> Response:
    """One tool; or an imported toolset, by its name without a dot; or what is said of one that is switched off."""
    tools = {tool.name: tool for tool in await services.engine.tools(principal.tenant)}
    if name in tools:
        resting, now = await services.plane.resting(principal.tenant), services.clock.now()
        return answers.json(_view(services, principal.tenant, tools[name], resting.get(name), now))
    try:
        return answers.json(ToolsetView.of(*await services.apis.get(principal.tenant, name)))
    except NotFound:
        rule = services.plane.rules.said(principal.tenant, name)
        if rule != UNRULED:
            return answers.json(ToolRuleView.of(name, rule))
        raise NotFound("tool", name, difflib.get_close_matches(name, tools)) from None


def _view(services: Services, tenant: str, spec: ToolSpec, breaker: Breaker | None, now: datetime) -> ToolView:
    health = ToolHealth.of(services.plane.histories.of(tenant, spec.name), breaker, now)
    return ToolView.of(spec, services.plane.rules.of(tenant, spec.name), health)


@callers.post("/tools/{name}/call", response_model=ToolAnswer)
async def call_tool(
    name: str, body: ToolCallRequest, request: Request, services: Served, principal: Caller
) -> Response:
    """Call a tool. What the tool itself does wrong is an answer with another `status` than `ok`.

    A call that could change the world is a run of its own, `run_id`, and has a ledger like any other.
    """
    call = DirectCall(name, body.arguments, body.dry_run, reserved_id(request) or "")
    answered = await services.direct.call(principal, call)
    result = answered.result
    if code := REFUSALS.get(result.status):
        detail = f"{result.text}; {result.hint}" if result.hint else result.text
        raise ServerProblem(code, detail, _problems(result))
    return answers.json(ToolAnswer.of(name, result, answered.run_id))


def _problems(result: ToolResult) -> list[Problem]:
    """What is wrong with the arguments, where the toolset says it piece by piece."""
    if result.status is not ToolStatus.INVALID_ARGUMENTS or not isinstance(result.data, dict):
        return []
    said = cast("JsonObject", result.data).get("problems")
    items = cast("list[Any]", said) if isinstance(said, list) else []
    found = cast("list[JsonObject]", [item for item in items if isinstance(item, dict)])
    return [Problem(str(item.get("pointer", "")), str(item.get("detail", ""))) for item in found]
