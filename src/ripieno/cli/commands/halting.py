"""`ripieno halt`, `unhalt`, `halts`: stop something at once, let it go on, see what is stopped."""

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
    Column("scope", no_wrap=True),
    Column("for", no_wrap=True),
    Column("by", no_wrap=True),
    Column("reason", ratio=1),
)

Scope = Annotated[
    str,
    typer.Argument(
        metavar="SCOPE", help="all, tenant:NAME, agent:NAME, tool:PATTERN, model:NAME or run:ID.", show_default=False
    ),
]
Reason = Annotated[str, typer.Option("--reason", "-r", help="Kept on record, and shown to who waits.")]


@command(keeps=True)
def halt(scope: Scope, reason: Reason = "", *, where: Where) -> Task:
    """Stop agents, tools, models, a run or everything: calls under way end, no other begins."""
    return _change("halt", scope, reason, where)


@command(keeps=True)
def unhalt(scope: Scope, reason: Reason = "", *, where: Where) -> Task:
    """Let go on what was halted."""
    return _change("unhalt", scope, reason, where)


@command()
def halts(*, where: Where) -> Task:
    """List what is halted."""

    async def task(api: Api) -> Exit:
        found: JsonObject = await api.get("/v1/admin/halts")
        if where.json:
            print_json(found)
            return Exit.COMPLETED
        now = api.clock.now()
        rows: list[list[str]] = []
        for one in found["data"]:
            since = wording.duration((now - wording.moment(one["at"])).total_seconds())
            rows.append([one["scope"], since, one["by"], wording.one_line(one["reason"], 300)])
        print_table(COLUMNS, rows, "nothing is halted")
        return Exit.COMPLETED

    return task


def _change(verb: str, scope: str, reason: str, where: Where) -> Task:
    async def task(api: Api) -> Exit:
        changed: JsonObject = await api.post(f"/v1/admin/{verb}", {"scope": scope, "reason": reason})
        if where.json:
            print_json(changed)
        else:
            print_line(f"{changed['scope']} is halted" if verb == "halt" else f"{changed['scope']} goes on")
        return Exit.COMPLETED

    return task
