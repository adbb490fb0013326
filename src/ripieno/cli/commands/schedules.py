"""`ripieno schedules`: let agents run by themselves, by the calendar or every so often."""

import json
from typing import Annotated

import typer

from ripieno.cli import outcome, wording
from ripieno.cli.api import Api
from ripieno.cli.command import Task, command, print_json, print_line
from ripieno.cli.connection import Where
from ripieno.cli.exits import Exit
from ripieno.cli.tables import Column, print_table
from ripieno.domain.jsons import Json, JsonObject
from ripieno.domain.schedules import CatchUp, Overlap

COLUMNS = (
    Column("schedule", no_wrap=True),
    Column("status", no_wrap=True),
    Column("agent", no_wrap=True),
    Column("when", no_wrap=True),
    Column("next", no_wrap=True),
    Column("what", ratio=1),
)
HISTORY = (
    Column("tick", no_wrap=True),
    Column("outcome", no_wrap=True),
    Column("run", no_wrap=True),
    Column("status", no_wrap=True),
    Column("why", ratio=1),
)

schedules = typer.Typer(name="schedules", help="Let agents run by themselves, by the calendar or every so often.")

Name = Annotated[str, typer.Argument(help="Its name or id.")]


@schedules.command("list")
@command()
def list_schedules(*, where: Where) -> Task:
    """List the schedules there are, those of agent files too."""

    async def task(api: Api) -> Exit:
        found: JsonObject = await api.get("/v1/schedules", limit=200)
        if where.json:
            print_json(found)
        else:
            print_table(COLUMNS, [_row(one) for one in found["data"]], "no schedules")
        return Exit.COMPLETED

    return task


@schedules.command("show")
@command()
def show_schedule(
    name: Name,
    preview: Annotated[int, typer.Option("--next", "-n", min=0, max=100, help="How many of the next ticks.")] = 5,
    *,
    where: Where,
) -> Task:
    """Show a schedule in full, with its next ticks."""

    async def task(api: Api) -> Exit:
        found: JsonObject = await api.get(f"/v1/schedules/{name}", preview=preview)
        if where.json:
            print_json(found)
        else:
            print_line(json.dumps(found, indent=2, ensure_ascii=False))
        return Exit.COMPLETED

    return task


@schedules.command("add")
@command(keeps=True)
def add_schedule(  # noqa: PLR0913 - options of a command
    name: Annotated[str, typer.Argument(help="A name for it: lower-case letters, digits, `-` and `_`.")],
    goal: Annotated[str, typer.Argument(help="What to do each time.")] = "",
    *,
    agent: Annotated[str, typer.Option("--agent", "-a", help="Who does it.")] = "default",
    cron: Annotated[str | None, typer.Option("--cron", help="When, such as '0 7 * * 1-5'.")] = None,
    every: Annotated[float | None, typer.Option("--every", help="Every so many seconds.")] = None,
    timezone: Annotated[str, typer.Option("--timezone", "-z", help="Of the cron expression.")] = "UTC",
    overlap: Annotated[Overlap, typer.Option("--overlap", help="While a run is under way.")] = Overlap.SKIP,
    catch_up: Annotated[CatchUp, typer.Option("--catch-up", help="Of missed ticks, run these.")] = CatchUp.LATEST,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only show its next ticks.")] = False,
    where: Where,
) -> Task:
    """Make a schedule."""
    given: JsonObject = {
        "name": name,
        "agent": agent,
        "cron": cron,
        "every": every,
        "timezone": timezone,
        "overlap": overlap,
        "catch_up": catch_up,
    }
    body = {**given, "goal": goal} if goal else given

    async def task(api: Api) -> Exit:
        made: JsonObject = await api.post(f"/v1/schedules{'?dry_run=true' if dry_run else ''}", body)
        verb = "would tick" if dry_run else "ticks"
        return _done(made, f"{made['name']} {verb} at {', '.join(map(_moment, made['next_ticks'][:3]))} …", where)

    return task


@schedules.command("pause")
@command(keeps=True)
def pause_schedule(name: Name, *, where: Where) -> Task:
    """Let a schedule rest."""
    return _change(name, "pause", where)


@schedules.command("resume")
@command(keeps=True)
def resume_schedule(name: Name, *, where: Where) -> Task:
    """Let a schedule tick again, counted from now."""
    return _change(name, "resume", where)


@schedules.command("trigger")
@command(keeps=True)
def trigger_schedule(name: Name, *, where: Where) -> Task:
    """Start a run of a schedule now."""

    async def task(api: Api) -> Exit:
        run: JsonObject = await api.post(f"/v1/schedules/{name}/trigger")
        if not api.here:
            return _done(run, f"{run['id']} {run['status']}", where)
        story = await outcome.followed(api, run["id"], where, yes=False)
        return await outcome.conclude(api, story, where)

    return task


@schedules.command("runs")
@command()
def list_runs(
    name: Name,
    limit: Annotated[int, typer.Option("--limit", "-n", min=1, max=200, help="How many.")] = 20,
    *,
    where: Where,
) -> Task:
    """List what became of a schedule's ticks, newest first."""

    async def task(api: Api) -> Exit:
        found: JsonObject = await api.get(f"/v1/schedules/{name}/runs", limit=limit)
        if where.json:
            print_json(found)
        else:
            print_table(HISTORY, [_line(tick) for tick in found["data"]], "it has not ticked yet")
        return Exit.COMPLETED

    return task


@schedules.command("delete")
@command(keeps=True)
def delete_schedule(name: Name, *, where: Where) -> Task:
    """Delete a schedule; its runs stay."""

    async def task(api: Api) -> Exit:
        await api.delete(f"/v1/schedules/{name}")
        return _done({"name": name, "deleted": True}, f"{name} is deleted", where)

    return task


def _change(name: str, verb: str, where: Where) -> Task:
    async def task(api: Api) -> Exit:
        changed: JsonObject = await api.post(f"/v1/schedules/{name}/{verb}")
        coming = changed["next_ticks"]
        line = f"{changed['name']} is {changed['status']}" + (f"; next {_moment(coming[0])}" if coming else "")
        return _done(changed, line, where)

    return task


def _done(document: Json, line: str, where: Where) -> Exit:
    if where.json:
        print_json(document)
    else:
        print_line(line)
    return Exit.COMPLETED


def _row(schedule: JsonObject) -> list[str]:
    cron, every = schedule["cron"], schedule["every"]
    when = f"{cron} {schedule['timezone']}" if cron else f"every {every:g} s"
    coming = schedule["next_ticks"]
    what = schedule["problem"] or _what(schedule["input"])
    following = _moment(coming[0]) if coming else "-"
    return [schedule["name"], schedule["status"], schedule["agent"], when, following, wording.one_line(what, 300)]


def _what(given: Json) -> str:
    if given is None:
        return ""
    return given if isinstance(given, str) else json.dumps(given, ensure_ascii=False)


def _line(tick: JsonObject) -> list[str]:
    why = tick["reason"] or (f"wanted by {tick['triggered_by']}" if tick["triggered_by"] else "")
    return [_moment(tick["tick"]), tick["outcome"], tick["run_id"] or "-", tick["run_status"] or "-", why]


def _moment(text: str) -> str:
    """A time as tables show it: to the second, in UTC."""
    return f"{text[:19].replace('T', ' ')}Z"
