"""What all commands share: the options that say where to work, and how a command is carried out."""

import asyncio
import inspect
import json
import sys
from collections.abc import Awaitable, Callable, Mapping
from pathlib import Path
from typing import Annotated, Any, TypeAlias, get_type_hints

import typer

from ripieno.cli.api import Api
from ripieno.cli.connection import Where, connected
from ripieno.cli.exits import Exit, Stop
from ripieno.domain.jsons import Json

Task: TypeAlias = Callable[[Api], Awaitable[Exit]]
"""What a command does with the server."""

SHARED: dict[str, Any] = {
    "url": Annotated[
        str | None, typer.Option("--url", envvar="RIPIENO_URL", help="Talk to this server.", show_default=False)
    ],
    "key": Annotated[
        str | None,
        typer.Option("--key", envvar="RIPIENO_KEY", help="Key for that server; better set as RIPIENO_KEY."),
    ],
    "data": Annotated[
        Path | None, typer.Option("--data", help="Data folder, when no server is named. [default: .ripieno]")
    ],
    "config": Annotated[
        Path | None, typer.Option("--config", help="Folder with your agents and MCP servers. [default: config]")
    ],
    "json": Annotated[bool, typer.Option("--json", help="Print one JSON document and nothing else.")],
}
"""The options of every command that talks to a server, by the field of `Where` that they fill."""


Keeps: TypeAlias = Callable[[Mapping[str, Any]], bool]
"""Whether a command leaves something in the data folder, by its arguments."""


def command(*, keeps: bool | Keeps = False) -> Callable[[Callable[..., Task]], Callable[..., None]]:
    """Make a command of a function, for `app.command`. Its parameter `where` becomes the shared options.

    The function reads its arguments and answers what to do with the server. `keeps` says that it leaves something in
    the data folder, always or for some arguments.
    """

    def make(function: Callable[..., Task]) -> Callable[..., None]:
        def run(**given: Any) -> None:
            where = Where(**{name: given.pop(name) for name in SHARED})
            leaves = keeps(given) if callable(keeps) else keeps
            raise typer.Exit(carry_out(function(**given, where=where), where, keeps=leaves))

        parameters = _parameters(function)
        run.__name__, run.__doc__ = function.__name__, function.__doc__
        run.__annotations__ = {item.name: item.annotation for item in parameters}
        run.__signature__ = inspect.Signature(parameters)
        return run

    return make


def _parameters(function: Callable[..., Task]) -> list[inspect.Parameter]:
    """The function's own, then the shared ones in place of `where`."""
    hints = get_type_hints(function, include_extras=True)
    own = [item for item in inspect.signature(function).parameters.values() if item.name != "where"]
    keyword = inspect.Parameter.KEYWORD_ONLY
    return [
        *(item.replace(kind=keyword, annotation=hints[item.name]) for item in own),
        *(
            inspect.Parameter(name, keyword, default=False if name == "json" else None, annotation=kind)
            for name, kind in SHARED.items()
        ),
    ]


def carry_out(task: Task, where: Where, *, keeps: bool) -> Exit:
    """Do a command's work. Raises `Stop`, and what `connected` raises."""
    return asyncio.run(_carry_out(task, where, keeps=keeps))


async def _carry_out(task: Task, where: Where, *, keeps: bool) -> Exit:
    """A `Stop` is carried out of the block by hand, because groups of tasks below would wrap it."""
    outcome: Exit | Stop
    async with connected(where, keeps=keeps) as api:
        try:
            outcome = await task(api)
        except Stop as stop:
            outcome = stop
    if isinstance(outcome, Stop):
        raise outcome
    return outcome


def print_json(document: Json) -> None:
    """One JSON document on standard output."""
    json.dump(document, sys.stdout, ensure_ascii=False, indent=2)
    sys.stdout.write("\n")


def print_line(text: str = "") -> None:
    """One line on standard output."""
    sys.stdout.write(f"{text}\n")
