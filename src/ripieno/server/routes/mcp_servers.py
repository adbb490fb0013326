"""MCP servers: which there are and how they stand; add one, change it, forget it, accept what it changed."""

from fastapi import APIRouter, Response

from ripieno.server import answers
from ripieno.server.idempotency import IdempotentRoute
from ripieno.server.services import Admin, Caller, Served
from ripieno.server.shapes import mcp
from ripieno.server.shapes.mcp import (
    AcceptRequest,
    McpServerDetail,
    McpServerList,
    McpServerView,
    ServerChange,
    ServerRequest,
    ToolPinView,
)

router = APIRouter(prefix="/mcp/servers", tags=["tools"], route_class=IdempotentRoute)


@router.get("", response_model=McpServerList)
async def list_mcp_servers(services: Served, principal: Caller) -> Response:
    """The servers of `mcp_servers.yaml`, which everybody may use, and the tenant's own."""
    found = await services.mcp.all(principal.tenant)
    return answers.json(McpServerList(data=[McpServerView.of(shown) for shown in found]))


@router.post("", status_code=201, response_model=McpServerDetail)
async def add_mcp_server(body: ServerRequest, services: Served, principal: Admin) -> Response:
    """Add a server. Only administrators may: its origin is opened because they name it here.

    Every process connects to it within seconds. A server that is a program is refused unless
    `tools.mcp.stdio_over_api` is set.
    """
    shown = await services.mcp.add(principal, body.name, body.body())
    location = {"location": f"/v1/mcp/servers/{body.name}"}
    return answers.json(McpServerDetail.of(shown), status=201, headers=location)


@router.get("/{name}", response_model=McpServerDetail)
async def get_mcp_server(name: str, services: Served, principal: Caller) -> Response:
    """A server with its tools, what is in quarantine and why, and its last words."""
    return answers.json(McpServerDetail.of(await services.mcp.get(principal.tenant, name)))


@router.patch("/{name}", response_model=McpServerDetail)
async def change_mcp_server(name: str, body: ServerChange, services: Served, principal: Admin) -> Response:
    """Say something else about a server; it is connected to anew."""
    return answers.json(McpServerDetail.of(await services.mcp.change(principal, name, body.body())))


@router.delete("/{name}", status_code=204, response_class=Response)
async def delete_mcp_server(name: str, services: Served, principal: Admin) -> Response:
    """Forget a server, its tools, and what was accepted of them."""
    await services.mcp.delete(principal, name)
    return Response(status_code=204)


@router.post("/{name}/reconnect", response_model=McpServerDetail)
async def reconnect_mcp_server(name: str, services: Served, principal: Admin) -> Response:
    """Let go of the connection of the process that answers, and connect anew."""
    return answers.json(McpServerDetail.of(await services.mcp.reconnect(principal.tenant, name)))


@router.post("/{name}/tools/{tool}/accept", response_model=ToolPinView)
async def accept_mcp_tool(
    name: str, tool: str, services: Served, principal: Admin, body: AcceptRequest | None = None
) -> Response:
    """Take a tool out of quarantine: agents may use it as the server describes it now."""
    shown = await services.mcp.get(principal.tenant, name)
    mcp.must_be(shown.pins.get(tool), body.digest if body else None)
    return answers.json(ToolPinView.of(await services.mcp.accept(principal, name, tool)))
