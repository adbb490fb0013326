"""`ripieno egress check`: what the egress guard would say about a request."""

from typing import Annotated

import typer

from ripieno.cli.api import Api
from ripieno.cli.command import Task, command, print_json, print_line
from ripieno.cli.connection import Where
from ripieno.cli.exits import Exit
from ripieno.domain.jsons import JsonObject

egress = typer.Typer(name="egress", help="Where tools may go.")


@egress.callback()
def group() -> None:
    """Where tools may go."""


Address = Annotated[str, typer.Argument(metavar="URL", help="Where a tool would go.", show_default=False)]
Tool = Annotated[str, typer.Option("--tool", help="The tool.")]
Tenant = Annotated[str, typer.Option("--tenant", help="For whom; your own tenant when left out.")]
Method = Annotated[str, typer.Option("--method", help="The HTTP method.")]


@egress.command()
@command()
def check(address: Address, tool: Tool = "", tenant: Tenant = "", method: Method = "GET", *, where: Where) -> Task:
    """Say whether a request would be let out, and why; nothing is sent. Ends with 1 when it would not."""

    async def task(api: Api) -> Exit:
        order: JsonObject = {"url": address, "tool": tool, "tenant": tenant, "method": method}
        found: JsonObject = await api.post("/v1/admin/egress/check", order)
        if where.json:
            print_json(found)
        else:
            verdict = "allowed" if found["allowed"] else "denied"
            print_line(f"{verdict}: {found['reason']}")
            if found["addresses"]:
                print_line(f"addresses: {', '.join(found['addresses'])}")
        return Exit.COMPLETED if found["allowed"] else Exit.FAILED

    return task
