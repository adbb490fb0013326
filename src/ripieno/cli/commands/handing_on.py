"""`ripieno inbox`, `delegate`, `escalate`: what waits for people, and for whom."""

from typing import Annotated

import typer

from ripieno.cli import wording
from ripieno.cli.api import Api
from ripieno.cli.command import Task, command, print_json, print_line
from ripieno.cli.commands.decide import Wanted, asked_by
from ripieno.cli.connection import Where
from ripieno.cli.exits import Exit
from ripieno.cli.tables import Column, print_table
from ripieno.domain.interrupts import InterruptStatus
from ripieno.domain.jsons import JsonObject

LIMIT = 100
COLUMNS = (
    Column("question", no_wrap=True),
    Column("kind", no_wrap=True),
    Column("put to"),
    Column("approvals", no_wrap=True),
    Column("expires in", no_wrap=True),
    Column("about", ratio=1),
)


@command()
def inbox(
    assignee: Annotated[
        str | None, typer.Option("--assignee", "-a", help="Only what was put to this person, or to `role:NAME`.")
    ] = None,
    *,
    where: Where,
) -> Task:
    """List what waits for people, newest first."""

    async def task(api: Api) -> Exit:
        page: JsonObject = await api.get(
            "/v1/interrupts", status=InterruptStatus.PENDING.value, assignee=assignee, limit=LIMIT
        )
        if where.json:
            print_json({"data": page["data"]})
        else:
            print_table(COLUMNS, [_row(item, api) for item in page["data"]], "nothing waits for a person")
        return Exit.COMPLETED

    return task


@command()
def delegate(
    run: Wanted,
    to: Annotated[list[str], typer.Argument(metavar="TO...", help="People by name, or `role:NAME`.")],
    *,
    where: Where,
) -> Task:
    """Put to others what a run asks."""
    return _hand_on(run, "delegate", {"to": to}, where)


@command()
def escalate(run: Wanted, *, where: Where) -> Task:
    """Put what a run asks to those above, with new time to decide."""
    return _hand_on(run, "escalate", {}, where)


def _hand_on(name: str, verb: str, body: JsonObject, where: Where) -> Task:
    async def task(api: Api) -> Exit:
        asked = await asked_by(api, name)
        changed: JsonObject = await api.post(f"/v1/interrupts/{asked['interrupt_id']}/{verb}", body)
        if where.json:
            print_json(changed)
        else:
            print_line(f"{changed['id']} is now put to {', '.join(changed['assignees'])}")
        return Exit.COMPLETED

    return task


def _row(item: JsonObject, api: Api) -> list[str]:
    request = item["request"]
    about = f"{request['tool']} {wording.arguments(request.get('arguments') or {})}" if "tool" in request else ""
    votes = f"{len(item['votes'])} of {item['required_approvals']}"
    left = ""
    if item["expires_at"]:
        left = wording.duration((wording.moment(item["expires_at"]) - api.clock.now()).total_seconds())
    text = about or wording.one_line(str(request.get("question") or request.get("description") or ""))
    return [item["id"], item["kind"], ", ".join(item["assignees"]) or "everybody", votes, left, text]
