"""`ripieno demo`: a team of agents does real work on this machine."""

from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer

from ripieno.cli import facts, outcome
from ripieno.cli.api import Api
from ripieno.cli.command import carry_out, print_json, print_line
from ripieno.cli.connection import Where
from ripieno.cli.exits import Exit, Stop
from ripieno.cli.story import Story
from ripieno.cli.wording import clean
from ripieno.domain.jsons import JsonObject
from ripieno.store import lockfile

TEAM = "operations"
GOAL = "Look over this machine and this checkout and say what deserves attention first. Write the report to report.md."


def demo(
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Approve the report file beforehand, visibly.")] = False,
    json: Annotated[bool, typer.Option("--json", help="Print one JSON document and nothing else.")] = False,
) -> None:
    """Watch a team of agents look over this machine and this checkout.

    It plans, works in parallel with real tools, drafts, reviews, asks you before it writes the report file, and
    answers. It runs in this process, in a data folder of its own.
    """
    folder = Where().settings().data / "demo"
    if (holder := lockfile.holder(folder)) is not None:
        sentence = f"another demo is running in {folder} (process {holder.pid}); wait until it has ended"
        raise Stop(Exit.UNREACHABLE, "store_busy", sentence)
    where = Where(data=folder, json=json)

    async def task(api: Api) -> Exit:
        started: JsonObject = await api.post("/v1/runs", {"goal": GOAL, "agent": TEAM})
        story = await outcome.followed(api, started["id"], where, yes=yes)
        run: JsonObject = await api.get(f"/v1/runs/{started['id']}")
        show(story, run, outcome.file_of(run, where), as_json=json)
        return outcome.verdict(run, story, where)

    raise typer.Exit(carry_out(task, where, keeps=True))


def show(story: Story, run: JsonObject, report: Path | None, *, as_json: bool) -> None:
    """Print how the demo went: the answer, where the report is, and the figures."""
    figures = facts.gather(story)
    if as_json:
        print_json({"run": run, "report": str(report) if report else None, "facts": asdict(figures)})
        return
    if run["answer"]:
        print_line(f"\n{clean(run['answer'])}\n")
    if report:
        print_line(f"report: {report}")
    print_line(figures.sentence())
