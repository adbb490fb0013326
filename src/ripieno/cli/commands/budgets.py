"""`ripieno budgets`: what may be spent, and how it stands."""

from typing import Annotated, Any

import typer

from ripieno.cli import wording
from ripieno.cli.api import Api
from ripieno.cli.command import Task, command, print_json, print_line
from ripieno.cli.connection import Where
from ripieno.cli.exits import Exit, Stop
from ripieno.cli.tables import Column, print_table
from ripieno.domain.budgets import OnExceeded, Window
from ripieno.domain.jsons import JsonObject

COLUMNS = (
    Column("scope", no_wrap=True),
    Column("window", no_wrap=True),
    Column("spent", ratio=1),
    Column("state", no_wrap=True),
    Column("then", no_wrap=True),
)

budgets = typer.Typer(name="budgets", help="Limit what may be spent, and see what is.")

Scope = Annotated[str, typer.Argument(help="tenant, agent:NAME, user:ID or session:ID.")]
For = Annotated[Window, typer.Option("--window", help="In all, or anew each day or month (UTC).")]


@budgets.command("list")
@command()
def list_budgets(*, where: Where) -> Task:
    """List the budgets there are and how they stand."""

    async def task(api: Api) -> Exit:
        found: JsonObject = await api.get("/v1/budgets")
        if where.json:
            print_json(found)
        else:
            print_table(COLUMNS, [_row(budget) for budget in found["data"]], "no budgets")
        return Exit.COMPLETED

    return task


@budgets.command("set")
@command(keeps=True)
def set_budget(  # noqa: PLR0913 - one option for each measure
    scope: Scope,
    window: For = Window.TOTAL,
    *,
    usd: Annotated[float | None, typer.Option(help="Dollars.")] = None,
    tokens: Annotated[int | None, typer.Option(help="Tokens, in and out.")] = None,
    seconds: Annotated[float | None, typer.Option(help="Seconds of work.")] = None,
    effects: Annotated[int | None, typer.Option(help="Tool calls that may change the world.")] = None,
    on_exceeded: Annotated[
        OnExceeded, typer.Option("--on-exceeded", help="End the run, or ask a person for more.")
    ] = OnExceeded.STOP,
    where: Where,
) -> Task:
    """Set the budget of a scope, in place of the one before."""
    given: dict[str, Any] = {"usd": usd, "tokens": tokens, "seconds": seconds, "effects": effects}
    limits = {name: limit for name, limit in given.items() if limit is not None}
    if not limits:
        raise Stop(Exit.USAGE, "usage", "name a limit: --usd, --tokens, --seconds or --effects")
    body: JsonObject = {"scope": scope, "window": window.value, "limits": limits, "on_exceeded": on_exceeded.value}

    async def task(api: Api) -> Exit:
        state: JsonObject = await api.put("/v1/budgets", body)
        if where.json:
            print_json(state)
        else:
            print_line(f"{scope} ({window.value}): {_spent(state)} spent")
        return Exit.COMPLETED

    return task


@budgets.command("remove")
@command(keeps=True)
def remove_budget(scope: Scope, window: For = Window.TOTAL, *, where: Where) -> Task:
    """Remove the budget of a scope."""

    async def task(api: Api) -> Exit:
        await api.delete(f"/v1/budgets?scope={scope}&window={window.value}")
        if where.json:
            print_json({"scope": scope, "window": window.value, "removed": True})
        else:
            print_line(f"{scope} ({window.value}) is not limited any more")
        return Exit.COMPLETED

    return task


def _row(state: JsonObject) -> list[str]:
    then = "stops" if state["on_exceeded"] == OnExceeded.STOP else "asks"
    return [state["scope"], state["window"], _spent(state), state["state"], then]


def _spent(state: JsonObject) -> str:
    parts = [_of(name, state["spent"][name], limit) for name, limit in state["limits"].items()]
    return ", ".join(parts)


def _of(name: str, spent: float, limit: float) -> str:
    if name == "usd":
        return f"{wording.money(spent)} of {wording.money(limit)}"
    return f"{spent:g} of {limit:g} {name}"
