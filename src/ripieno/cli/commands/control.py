"""`ripieno cancel`, `pause`, `resume`: stop a run for good, hold it, let it go on."""

from typing import Annotated

import typer

from ripieno.cli import outcome
from ripieno.cli.api import Api
from ripieno.cli.command import Task, command, print_json, print_line
from ripieno.cli.connection import Where
from ripieno.cli.exits import Exit
from ripieno.cli.naming import run_id
from ripieno.domain.jsons import JsonObject

Wanted = Annotated[str, typer.Argument(metavar="RUN", help="Id of a run, or `last`.")]


@command()
def cancel(
    run: Wanted,
    reason: Annotated[str, typer.Option("--reason", "-r", help="Kept on record.")] = "",
    *,
    where: Where,
) -> Task:
    """Stop a run and the runs below it for good."""
    return _change(run, "cancel", {"reason": reason}, where)


@command()
def pause(run: Wanted, *, where: Where) -> Task:
    """Hold a run: what is under way ends, nothing new begins."""
    return _change(run, "pause", {}, where)


@command(keeps=True)
def resume(run: Wanted, *, where: Where) -> Task:
    """Let a paused run go on."""
    return _change(run, "resume", {}, where)


def _change(name: str, verb: str, body: JsonObject, where: Where) -> Task:
    async def task(api: Api) -> Exit:
        changed: JsonObject = await api.post(f"/v1/runs/{await run_id(api, name)}/{verb}", body)
        if verb == "resume" and api.here:
            story = await outcome.followed(api, changed["id"], where, yes=False)
            return await outcome.conclude(api, story, where)
        if where.json:
            print_json(changed)
        else:
            print_line(f"{changed['id']} {changed['status']}")
        return Exit.COMPLETED

    return task
