"""`ripieno show`: one run, as far as it has come."""

import sys
from typing import Annotated

import typer
from rich.console import Console

from ripieno.cli import facts, outcome, wording
from ripieno.cli.api import Api
from ripieno.cli.asking import card
from ripieno.cli.command import Task, command, print_json, print_line
from ripieno.cli.connection import Where
from ripieno.cli.exits import Exit
from ripieno.cli.following import replayed
from ripieno.cli.lines import line
from ripieno.cli.naming import run_named
from ripieno.cli.picture import picture
from ripieno.cli.story import Story
from ripieno.domain.jsons import JsonObject


@command()
def show(
    run: Annotated[str, typer.Argument(help="Id of a run, or `last`.")],
    events: Annotated[bool, typer.Option("--events", help="Print every event, one line each.")] = False,
    follow: Annotated[bool, typer.Option("--follow", "-f", help="Go on watching until it ends.")] = False,
    *,
    where: Where,
) -> Task:
    """Show what a run and the runs below it did, and the answer."""

    async def task(api: Api) -> Exit:
        found: JsonObject = await run_named(api, run)
        if follow:
            story = await outcome.followed(api, found["id"], where, yes=False)
            return await outcome.conclude(api, story, where)
        if where.json:
            print_json(found)
            return Exit.COMPLETED
        story, happened = await replayed(api, found["id"])
        if events:
            for event in happened:
                print_line(line(event, story) or "")
            return Exit.COMPLETED
        _print(api, story, found)
        return Exit.COMPLETED

    return task


def _print(api: Api, story: Story, run: JsonObject) -> None:
    Console().print(picture(story, api.clock.now(), sys.maxsize))
    for question in story.pending:
        print_line(card(question).text())
    if run["answer"]:
        print_line(f"\n{wording.clean(run['answer'])}")
    if run["error"]:
        print_line(f"\n{run['status']}: {run['error']['code']}: {wording.clean(run['error']['detail'])}")
    print_line(f"\n{run['id']} · {run['status']} · session {run['session_id']}")
    if story.root.ended:
        print_line(facts.gather(story).sentence())
