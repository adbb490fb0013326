"""`ripieno runs`: what ran, runs, and waits."""

from typing import Annotated

import typer
from rich.text import Text

from ripieno.cli import wording
from ripieno.cli.api import Api
from ripieno.cli.command import Task, command, print_json
from ripieno.cli.connection import Where
from ripieno.cli.exits import Exit
from ripieno.cli.tables import Column, print_table
from ripieno.domain.jsons import JsonObject
from ripieno.domain.runs import RunStatus

PAGE = 100
STYLES = {"completed": "green", "failed": "red", "cancelled": "red", "running": "cyan"}
COLUMNS = (
    Column("run", no_wrap=True),
    Column("status", no_wrap=True),
    Column("agent"),
    Column("age"),
    Column("goal", ratio=1),
)


@command()
def runs(
    status: Annotated[RunStatus | None, typer.Option("--status", help="Only runs that stand like this.")] = None,
    agent: Annotated[str | None, typer.Option("--agent", "-a", help="Only runs of this agent.")] = None,
    limit: Annotated[int, typer.Option("--limit", "-n", min=1, max=1000, help="How many.")] = 20,
    everything: Annotated[bool, typer.Option("--all", help="Also the runs that teams started.")] = False,
    *,
    where: Where,
) -> Task:
    """List runs, newest first."""

    async def task(api: Api) -> Exit:
        found, seen = await _runs(api, limit, everything=everything, status=status, agent=agent)
        if where.json:
            print_json({"data": found})
            return Exit.COMPLETED
        roots = {item["id"]: item["root_id"] for item in seen}
        asked = await api.get("/v1/interrupts", status="pending", limit=PAGE)
        waiting = {roots.get(item["run_id"], item["run_id"]): item["kind"] for item in asked["data"]}
        now = api.clock.now()
        rows: list[list[str | Text]] = []
        for item in found:
            age = wording.duration((now - wording.moment(item["created_at"])).total_seconds())
            who = item["agent"] or item["kind"]
            rows.append([item["id"], _status(item, waiting), who, age, wording.one_line(item["goal"], 300)])
        print_table(COLUMNS, rows, "no runs yet; start one with: ripieno run GOAL")
        return Exit.COMPLETED

    return task


async def _runs(
    api: Api, limit: int, *, everything: bool, **which: object
) -> tuple[list[JsonObject], list[JsonObject]]:
    """As many runs as wanted, and all that were read on the way."""
    found: list[JsonObject] = []
    seen: list[JsonObject] = []
    cursor: str | None = None
    while True:
        page: JsonObject = await api.get("/v1/runs", limit=PAGE, cursor=cursor, **which)
        seen += page["data"]
        found += [run for run in page["data"] if everything or run["parent_id"] is None]
        cursor = page["next_cursor"]
        if len(found) >= limit or cursor is None:
            return found[:limit], seen


def _status(run: JsonObject, waiting: dict[str, str]) -> Text:
    status = str(run["status"])
    if run["id"] in waiting and run["status"] == RunStatus.WAITING:
        status = f"awaiting_{waiting[run['id']]}"
    return Text(status, style=STYLES.get(status, "yellow"))
