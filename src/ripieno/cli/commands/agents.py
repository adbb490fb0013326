"""`ripieno agents`: who there is."""

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

COLUMNS = (Column("agent", no_wrap=True), Column("works with"), Column("what it is for", ratio=1))


@command()
def agents(name: Annotated[str | None, typer.Argument(help="Show this one in full.")] = None, *, where: Where) -> Task:
    """List agents and teams.

    Definition files that cannot be used are listed too, with the reason.
    """

    async def task(api: Api) -> Exit:
        found: JsonObject = await api.get(f"/v1/agents/{name}" if name else "/v1/agents")
        if where.json:
            print_json(found)
        elif name:
            print_line(json.dumps(found, indent=2, ensure_ascii=False))
        else:
            print_table(COLUMNS, [_row(agent) for agent in found["data"]], "no agents")
            for problem in found["problems"]:
                print_line(f"! {problem_line(problem)}")
        return Exit.COMPLETED

    return task


def problem_line(problem: JsonObject) -> str:
    """Where a definition file is wrong, and why."""
    place = f"{problem['file']}:{problem['line']}" if problem["line"] else problem["file"]
    return wording.clean(f"{place} {problem['reason']}")


def _row(agent: JsonObject) -> list[str]:
    if agent["members"]:
        works_with = wording.count(len(agent["members"]), "agent")
    else:
        works_with = ", ".join(agent["tools"]) or "no tools"
    return [agent["name"], works_with, wording.one_line(agent["description"], 300)]
