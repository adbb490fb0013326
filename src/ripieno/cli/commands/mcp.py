"""`ripieno mcp`: the MCP servers whose tools agents can use."""

import json
from typing import Annotated

import typer

from ripieno.cli.api import Api
from ripieno.cli.command import Task, command, print_json, print_line
from ripieno.cli.connection import Where
from ripieno.cli.exits import Exit, Stop
from ripieno.cli.tables import Column, print_table
from ripieno.cli.wording import clean
from ripieno.domain.jsons import Json, JsonObject

SERVERS = "/v1/mcp/servers"
COLUMNS = (
    Column("server", no_wrap=True),
    Column("state", no_wrap=True),
    Column("over", no_wrap=True),
    Column("tools", no_wrap=True),
    Column("quarantined", no_wrap=True),
    Column("what is wrong", ratio=1),
)

mcp = typer.Typer(name="mcp", help="Connect MCP servers, see how they stand, accept what they changed.")

Name = Annotated[str, typer.Argument(metavar="SERVER", help="Its name.")]
Headers = Annotated[
    list[str] | None, typer.Option("--header", help="NAME=VALUE, secret://NAME in it; repeat it for more.")
]
Env = Annotated[list[str] | None, typer.Option("--env", help="NAME=VALUE for a program; repeat it for more.")]
Allow = Annotated[list[str] | None, typer.Option("--allow", help="Tools to take over, with wild cards.")]


@mcp.command("list")
@command()
def list_servers(*, where: Where) -> Task:
    """List the servers."""

    async def task(api: Api) -> Exit:
        found: JsonObject = await api.get(SERVERS)
        if where.json:
            print_json(found)
        else:
            print_table(COLUMNS, [_row(server) for server in found["data"]], "no MCP servers")
        return Exit.COMPLETED

    return task


@mcp.command("show")
@command()
def show_server(name: Name, *, where: Where) -> Task:
    """Show a server: how it stands, its tools, and what is in quarantine and why."""

    async def task(api: Api) -> Exit:
        found: JsonObject = await api.get(f"{SERVERS}/{name}")
        if where.json:
            print_json(found)
        else:
            print_line(json.dumps({**found, "log": len(found["log"])}, indent=2, ensure_ascii=False))
        return Exit.COMPLETED

    return task


@mcp.command("add")
@command(keeps=True)
def add_server(  # noqa: PLR0913 - options of a command
    name: Name,
    target: Annotated[list[str], typer.Argument(help="A URL; or a program and its arguments, after `--`.")],
    *,
    sse: Annotated[bool, typer.Option("--sse", help="The URL speaks the transport of 2024.")] = False,
    token: Annotated[str | None, typer.Option("--token", help="A bearer token, as secret://NAME.")] = None,
    header: Headers = None,
    env: Env = None,
    allow: Allow = None,
    where: Where,
) -> Task:
    """Add a server by its URL."""
    body: JsonObject = {"name": name, "headers": _pairs(header), "env": _pairs(env), "allow": allow or None}
    body["auth"] = {"type": "bearer", "token": token} if token else None
    if target[0].startswith(("http://", "https://")):
        body |= {"transport": "sse" if sse else "http", "url": target[0]}
    else:
        body |= {"transport": "stdio", "command": target[0], "args": target[1:]}

    async def task(api: Api) -> Exit:
        given = {key: value for key, value in body.items() if value is not None}
        return _told(await api.post(SERVERS, given), where)

    return task


@mcp.command("remove")
@command(keeps=True)
def remove_server(name: Name, *, where: Where) -> Task:
    """Forget a server that was added."""

    async def task(api: Api) -> Exit:
        await api.delete(f"{SERVERS}/{name}")
        return _said({"name": name, "removed": True}, f"{name} is removed", where)

    return task


@mcp.command("reconnect")
@command(keeps=True)
def reconnect_server(name: Name, *, where: Where) -> Task:
    """Connect anew, in the process that answers."""

    async def task(api: Api) -> Exit:
        done: JsonObject = await api.post(f"{SERVERS}/{name}/reconnect")
        return _said(done, f"{name} is connected to anew", where)

    return task


@mcp.command("accept")
@command(keeps=True)
def accept_tool(
    name: Name, tool: Annotated[str, typer.Argument(help="A tool, by the server's own name.")], *, where: Where
) -> Task:
    """Take a tool out of quarantine, as the server describes it now."""

    async def task(api: Api) -> Exit:
        done: JsonObject = await api.post(f"{SERVERS}/{name}/tools/{tool}/accept")
        return _said(done, f"{name}.{tool} is accepted", where)

    return task


@mcp.command("logs")
@command()
def logs_of_server(name: Name, *, where: Where) -> Task:
    """Show the last words of a server."""

    async def task(api: Api) -> Exit:
        found: JsonObject = await api.get(f"{SERVERS}/{name}")
        if where.json:
            print_json(found["log"])
        else:
            for line in found["log"]:
                print_line(f"{line['at'][:19]} {line['source']:10} {line['level']:8} {clean(line['text'])}")
        return Exit.COMPLETED

    return task


def _told(server: JsonObject, where: Where) -> Exit:
    health = server["health"]
    why = f": {clean(health['error'])}" if health["error"] else ""
    return _said(server, f"{server['name']} is {health['state']}, {len(server['tools'])} tools{why}", where)


def _said(document: Json, line: str, where: Where) -> Exit:
    if where.json:
        print_json(document)
    else:
        print_line(line)
    return Exit.COMPLETED


def _pairs(given: list[str] | None) -> dict[str, str] | None:
    pairs = [text.partition("=") for text in given or []]
    if wrong := [name for name, sign, _ in pairs if not sign or not name]:
        raise Stop(Exit.USAGE, "usage", f"{wrong[0]!r} is not NAME=VALUE")
    return {name: value for name, _, value in pairs} or None


def _row(server: JsonObject) -> list[str]:
    health = server["health"]
    counts = [str(len(server["tools"])), str(len(server["quarantined"]) or "")]
    wrong = clean(server["problem"] or health["error"])
    return [server["name"], health["state"], server["transport"], *counts, wrong]
