"""`ripieno providers`: set up, try, list and forget those who provide models."""

import sys
from typing import Annotated

import typer

from ripieno.cli.api import Api
from ripieno.cli.command import Task, command, print_json, print_line
from ripieno.cli.connection import Where
from ripieno.cli.exits import Exit, Stop
from ripieno.cli.tables import Column, print_table
from ripieno.domain.jsons import JsonObject
from ripieno.domain.secrets import REFERENCE

COLUMNS = (
    Column("provider", no_wrap=True),
    Column("kind", no_wrap=True),
    Column("model", no_wrap=True),
    Column("key", no_wrap=True),
    Column("address", ratio=1),
)

providers = typer.Typer(name="providers", help="Set up those who provide models, while the platform runs.")

Name = Annotated[str, typer.Argument(metavar="NAME", help="Its name; NAME:MODEL asks it.")]


@providers.command("list")
@command()
def list_providers(*, where: Where) -> Task:
    """List the providers, those of the settings too."""

    async def task(api: Api) -> Exit:
        found: JsonObject = await api.get("/v1/admin/providers")
        if where.json:
            print_json(found)
        else:
            print_table(COLUMNS, [_row(one) for one in found["data"]], "no providers; the offline model answers")
        return Exit.COMPLETED

    return task


@providers.command("add")
@command(keeps=True)
def add_provider(  # noqa: PLR0913 - one option for each thing that can be said
    name: Name,
    kind: Annotated[str, typer.Argument(help="openai, openai_compatible, anthropic, bedrock or ollama.")],
    model: Annotated[str, typer.Argument(help="Its usual model.")],
    *,
    base_url: Annotated[str | None, typer.Option(help="Where it is, if not at its usual place.")] = None,
    region: Annotated[str | None, typer.Option(help="For bedrock.")] = None,
    api_key: Annotated[str | None, typer.Option(help="secret://NAME of a key, or - to read the key.")] = None,
    where: Where,
) -> Task:
    """Set up a provider. A key is read from standard input, or asked for on a terminal, with `--api-key -`."""
    body = {
        "name": name,
        "kind": kind,
        "model": model,
        "base_url": base_url,
        "region": region,
        "api_key": _key(api_key),
    }

    async def task(api: Api) -> Exit:
        said = {member: value for member, value in body.items() if value is not None}
        made: JsonObject = await api.post("/v1/admin/providers", said)
        return _done(made, f"{name} is set up; {name}:{made['model']} asks it", where)

    return task


@providers.command("test")
@command()
def try_provider(name: Name, *, where: Where) -> Task:
    """Ask a provider's model one tiny question. It costs what such a call costs."""

    async def task(api: Api) -> Exit:
        told: JsonObject = await api.post(f"/v1/admin/providers/{name}/test")
        if told["ok"]:
            return _done(told, f"{told['model']} answered in {told['ms']:,.0f} ms", where)
        _done(told, f"{told['code']}: {told['detail']}", where)
        return Exit.FAILED

    return task


@providers.command("remove")
@command(keeps=True)
def remove_provider(name: Name, *, where: Where) -> Task:
    """Forget a provider and its key."""

    async def task(api: Api) -> Exit:
        await api.delete(f"/v1/admin/providers/{name}")
        return _done({"name": name, "deleted": True}, f"{name} is forgotten", where)

    return task


def _key(given: str | None) -> str | None:
    """Never an argument itself: other users of the machine see those."""
    if given is None or given.startswith(REFERENCE):
        return given
    if given != "-":
        raise Stop(Exit.USAGE, "usage", "--api-key takes secret://NAME or -; others would see a key itself")
    if sys.stdin.isatty():
        return typer.prompt("key", hide_input=True, err=True)
    return sys.stdin.read().removesuffix("\n")


def _done(document: JsonObject, line: str, where: Where) -> Exit:
    if where.json:
        print_json(document)
    else:
        print_line(line)
    return Exit.COMPLETED


def _row(one: JsonObject) -> list[str]:
    key = "yes" if one["has_key"] else "no"
    name = one["name"] if one["enabled"] else f"{one['name']} (off)"
    return [name, one["kind"], one["model"], key, one["base_url"] or ""]
