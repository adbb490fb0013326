"""`ripieno tenants`: how many runs each tenant may have under way."""

from typing import Annotated

import typer

from ripieno.cli.api import Api
from ripieno.cli.command import Task, command, print_json, print_line
from ripieno.cli.connection import Where
from ripieno.cli.exits import Exit
from ripieno.cli.tables import Column, print_table
from ripieno.domain.jsons import JsonObject

COLUMNS = (Column("tenant", no_wrap=True), Column("running at most", no_wrap=True))

tenants = typer.Typer(name="tenants", help="Say how many runs a tenant may have under way at once.")

Name = Annotated[str, typer.Argument(metavar="TENANT", help="Its name.")]


@tenants.command("list")
@command()
def list_tenants(*, where: Where) -> Task:
    """List the tenants that have a limit of their own."""

    async def task(api: Api) -> Exit:
        found: JsonObject = await api.get("/v1/tenants")
        if where.json:
            print_json(found)
        else:
            rows = [[each["id"], str(each["max_running"])] for each in found["data"]]
            print_table(COLUMNS, rows, "no tenant has a limit of its own")
        return Exit.COMPLETED

    return task


@tenants.command("limit")
@command(keeps=True)
def limit_tenant(
    name: Name, running: Annotated[int, typer.Argument(min=0, help="How many runs at once.")], *, where: Where
) -> Task:
    """Let a tenant have so many runs under way; what runs goes on."""

    async def task(api: Api) -> Exit:
        done: JsonObject = await api.post("/v1/tenants", {"id": name, "max_running": running})
        if where.json:
            print_json(done)
        else:
            print_line(f"{name} may have {running} runs under way")
        return Exit.COMPLETED

    return task


@tenants.command("unlimit")
@command(keeps=True)
def unlimit_tenant(name: Name, *, where: Where) -> Task:
    """Go back to the limit of the settings."""

    async def task(api: Api) -> Exit:
        await api.delete(f"/v1/tenants/{name}/limit")
        if where.json:
            print_json({"id": name, "max_running": None})
        else:
            print_line(f"{name} has the limit of the settings")
        return Exit.COMPLETED

    return task
