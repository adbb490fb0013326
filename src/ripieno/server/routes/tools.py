"""Tools: list, get, call one outside any run."""

import difflib
from typing import Any, cast

from fastapi import APIRouter, Request, Response

from ripieno.domain.errors import NotFound, Problem
from ripieno.domain.jsons import JsonObject
from ripieno.domain.tools import ToolResult, ToolStatus
from ripieno.engine.direct import DirectCall
from ripieno.server import answers
from ripieno.server.errors import ServerProblem
from ripieno.server.idempotency import IdempotentRoute, StartingRoute, reserved_id
from ripieno.server.services import Caller, Served
from ripieno.server.shapes.apis import ToolsetView
from ripieno.server.shapes.requests import ToolCallRequest
from ripieno.server.shapes.things import ToolAnswer, ToolList, ToolView

router = APIRouter(tags=["tools"], route_class=IdempotentRoute)
callers = APIRouter(tags=["tools"], route_class=StartingRoute)

REFUSALS = {ToolStatus.DENIED: "tool_denied", ToolStatus.INVALID_ARGUMENTS: "invalid_arguments"}


@router.get("/tools", response_model=ToolList)
async def list_tools(services: Served, principal: Caller) -> Response:
    """Every tool that can be called now, by name."""
    tools = sorted(await services.engine.tools(principal.tenant), key=lambda tool: tool.name)
    return answers.json(ToolList.model_construct(data=[ToolView.of(tool) for tool in tools], next_cursor=None))


@router.get("/tools/{name}", response_model=ToolView | ToolsetView)
async def get_tool(name: str, services: Served, principal: Caller) -> Response:
    """One tool; or an imported toolset, by its name without a dot."""
    tools = {tool.name: tool for tool in await services.engine.tools(principal.tenant)}
    if name in tools:
        return answers.json(ToolView.of(tools[name]))
    try:
        return answers.json(ToolsetView.of(*await services.apis.get(principal.tenant, name)))
    except NotFound:
        raise NotFound("tool", name, difflib.get_close_matches(name, tools)) from None


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
