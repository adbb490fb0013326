"""`ripieno tools`: what agents can use."""

import json
from typing import Annotated

import typer

from ripieno.cli import wording
from ripieno.cli.api import Api
from ripieno.cli.command import Task, command, print_json, print_line
from ripieno.cli.connection import Where
from ripieno.cli.exits import Exit
from ripieno.cli.tables import Column, print_table
from ripieno.domain.jsons import JsonObject

COLUMNS = (
    Column("tool", no_wrap=True),
    Column("effect", no_wrap=True),
    Column("risk", no_wrap=True),
    Column("what it does", ratio=1),
)


@command()
def tools(name: Annotated[str | None, typer.Argument(help="Show this one in full.")] = None, *, where: Where) -> Task:
    """List the tools that agents can use."""

    async def task(api: Api) -> Exit:
        found: JsonObject = await api.get(f"/v1/tools/{name}" if name else "/v1/tools")
        if where.json:
            print_json(found)
        elif name:
            print_line(json.dumps(found, indent=2, ensure_ascii=False))
        else:
            print_table(COLUMNS, [_row(tool) for tool in found["data"]], "no tools")
        return Exit.COMPLETED

    return task


def _row(tool: JsonObject) -> list[str]:
    return [tool["name"], tool["effect"], tool["risk"], wording.one_line(tool["description"].split("\n\n")[0], 300)]
