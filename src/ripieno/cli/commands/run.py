"""`ripieno run`: give a goal to an agent or a team."""

from pathlib import Path
from typing import Annotated

import typer

from ripieno.cli import outcome
from ripieno.cli.api import Api
from ripieno.cli.command import Task, command, print_json, print_line
from ripieno.cli.connection import Where
from ripieno.cli.exits import Exit, Stop
from ripieno.cli.uploading import uploaded
from ripieno.domain.jsons import JsonObject


@command(keeps=True)
def run(  # noqa: PLR0913 - options of a command
    goal: Annotated[str, typer.Argument(help="What to do.")],
    agent: Annotated[str | None, typer.Option("--agent", "-a", help="Agent or team. [default: default]")] = None,
    model: Annotated[str | None, typer.Option("--model", "-m", help="Model: provider:name, or offline.")] = None,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Approve every tool call that needs it, visibly.")] = False,
    attach: Annotated[
        list[Path] | None, typer.Option("--attach", help="Show this file with the goal; repeatable.")
    ] = None,
    follow: Annotated[bool, typer.Option(help="Show the work and wait for the answer; without it, only start.")] = True,
    *,
    where: Where,
) -> Task:
    """Give a goal to an agent or a team and watch the work.

    On a terminal you are asked for approvals. Elsewhere a run that needs one is left waiting (exit code 3), unless
    --yes is given.
    """
    body: JsonObject = {"goal": goal, "agent": agent, "model": model}

    async def task(api: Api) -> Exit:
        if not follow and api.here:
            sentence = "--no-follow needs a server that does the work after this command has ended: ripieno serve"
            raise Stop(Exit.USAGE, "usage", sentence)
        files = [(await uploaded(api, file))["id"] for file in attach or ()]
        body["attachments"] = [{"artifact_id": artifact} for artifact in files]
        started: JsonObject = await api.post("/v1/runs", {name: value for name, value in body.items() if value})
        if not follow:
            if where.json:
                print_json(started)
            else:
                print_line(started["id"])
            return Exit.COMPLETED
        story = await outcome.followed(api, started["id"], where, yes=yes)
        return await outcome.conclude(api, story, where)

    return task
