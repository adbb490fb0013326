"""`ripieno secrets`: set, list and delete secrets, and renew the master key. Values go in and never come out."""

import sys
from typing import Annotated

import typer

from ripieno.cli.api import Api
from ripieno.cli.command import Task, command, print_json, print_line
from ripieno.cli.connection import Where
from ripieno.cli.exits import Exit, Stop
from ripieno.cli.tables import Column, print_table
from ripieno.domain.jsons import Json, JsonObject

COLUMNS = (
    Column("secret", no_wrap=True),
    Column("version", no_wrap=True),
    Column("set", no_wrap=True),
    Column("by", ratio=1),
)

secrets = typer.Typer(name="secrets", help="Keep values that tools and providers need and nobody else may see.")

Name = Annotated[str, typer.Argument(help="Its name; secret://NAME refers to it.")]


@secrets.command("list")
@command()
def list_secrets(*, where: Where) -> Task:
    """List the secrets there are."""

    async def task(api: Api) -> Exit:
        found: JsonObject = await api.get("/v1/secrets")
        if where.json:
            print_json(found)
        else:
            print_table(COLUMNS, [_row(secret) for secret in found["data"]], "no secrets")
        return Exit.COMPLETED

    return task


@secrets.command("set")
@command(keeps=True)
def set_secret(name: Name, *, where: Where) -> Task:
    """Set a secret. Its value is asked for on a terminal, and otherwise read from standard input."""
    value = _value(name)

    async def task(api: Api) -> Exit:
        return _done(await api.put(f"/v1/secrets/{name}", {"value": value}), f"{name} is set", where)

    return task


@secrets.command("delete")
@command(keeps=True)
def delete_secret(name: Name, *, where: Where) -> Task:
    """Forget a secret. Whatever still refers to it fails from now on."""

    async def task(api: Api) -> Exit:
        await api.delete(f"/v1/secrets/{name}")
        return _done({"name": name, "deleted": True}, f"{name} is forgotten", where)

    return task


@secrets.command("rotate")
@command(keeps=True)
def rotate_secrets(*, where: Where) -> Task:
    """Renew the master key and seal every secret under it."""

    async def task(api: Api) -> Exit:
        done: JsonObject = await api.post("/v1/secrets/rotate")
        return _done(done, f"{done['resealed']} sealed anew", where)

    return task


def _value(name: str) -> str:
    """Never an argument: other users of the machine see those."""
    if sys.stdin.isatty():
        return typer.prompt(f"value of {name}", hide_input=True, confirmation_prompt=True, err=True)
    value = sys.stdin.read().removesuffix("\n")
    if not value:
        raise Stop(Exit.USAGE, "usage", "there is no value on standard input")
    return value


def _done(document: Json, line: str, where: Where) -> Exit:
    if where.json:
        print_json(document)
    else:
        print_line(line)
    return Exit.COMPLETED


def _row(secret: JsonObject) -> list[str]:
    return [secret["name"], str(secret["version"]), secret["updated_at"][:19], secret["created_by"]]
