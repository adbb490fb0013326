"""`ripieno prune`, `archive`: delete runs that ended long ago, or write them away."""

import re
from typing import Annotated

import typer

from ripieno.cli import wording
from ripieno.cli.api import Api
from ripieno.cli.command import Task, command, print_json, print_line
from ripieno.cli.connection import Where
from ripieno.cli.exits import Exit, Stop
from ripieno.domain.jsons import JsonObject

AGE = re.compile(r"([0-9]+(?:\.[0-9]+)?)([hdw])")
DAYS = {"h": 1 / 24, "d": 1.0, "w": 7.0}

OlderThan = Annotated[str, typer.Option("--older-than", metavar="AGE", help="Since their end: 30d, 12h or 8w.")]


@command(keeps=True)
def prune(
    older_than: OlderThan,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only say how many of them would be the first.")] = False,
    archive: Annotated[
        bool | None, typer.Option("--archive/--no-archive", help="Write bundles first. [default: as the settings say]")
    ] = None,
    *,
    where: Where,
) -> Task:
    """Delete runs that ended long ago, each with all runs below it."""
    body: JsonObject = {"older_than_days": _days(older_than), "dry_run": dry_run, "archive": archive}

    async def task(api: Api) -> Exit:
        done = await _to_the_end(api, "/v1/admin/prune", body, once=dry_run)
        runs = wording.count(done["runs"], "run")
        if where.json:
            print_json(done)
        elif dry_run:
            print_line(f"{runs} would go" + (", and more after them" if done["more"] else ""))
        else:
            print_line(f"{runs} deleted, {done['archived']} of them archived before")
        return Exit.COMPLETED

    return task


@command(keeps=True)
def archive(older_than: OlderThan, *, where: Where) -> Task:
    """Write runs that ended long ago to compressed bundles in the data folder, and delete nothing."""
    body: JsonObject = {"older_than_days": _days(older_than)}

    async def task(api: Api) -> Exit:
        done = await _to_the_end(api, "/v1/admin/archive", body, once=False)
        if where.json:
            print_json(done)
        else:
            print_line(f"{wording.count(done['archived'], 'run')} archived")
        return Exit.COMPLETED

    return task


async def _to_the_end(api: Api, path: str, body: JsonObject, *, once: bool) -> JsonObject:
    """Ask until nothing is left, because each request does only some of it."""
    runs = archived = 0
    while True:
        done: JsonObject = await api.post(path, body)
        runs, archived = runs + done["runs"], archived + done["archived"]
        if once or done["more"] is None:
            return {"runs": runs, "archived": archived, "more": done["more"]}
        if path.endswith("archive"):
            body = {**body, "after": done["more"]}


def _days(age: str) -> float:
    found = AGE.fullmatch(age)
    if found is None:
        raise Stop(Exit.USAGE, "usage", f"--older-than {age}: write 30d, 12h or 8w")
    return float(found[1]) * DAYS[found[2]]
