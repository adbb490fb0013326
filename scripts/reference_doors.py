"""The tables of the reference that are read from the doors: tools, command line, HTTP routes."""

import asyncio
import inspect
from collections.abc import Iterator
from dataclasses import fields
from pathlib import Path
from typing import Any, cast

import httpx2
import typer
from reference_code import table

from ripieno import __version__
from ripieno.cli import app as command_line
from ripieno.cli.command import SHARED
from ripieno.domain.tools import ToolContext, ToolSpec
from ripieno.governance.access import StaticAccess
from ripieno.server.app import create_app
from ripieno.server.services import HttpConfig, Services
from ripieno.tools import schemas
from ripieno.tools.builtin.catalogue import builtin_toolsets

METHODS = ("get", "post", "put", "patch", "delete")


def tools() -> str:
    """Every built-in tool, by toolset."""
    rows = [[f"`{spec.name}`", _first(spec.description), f"`{spec.effect}`", f"`{spec.risk}`"] for spec in _specs()]
    return table(["tool", "what it does", "effect", "risk"], rows)


def _specs() -> list[ToolSpec]:
    async def listed() -> list[ToolSpec]:
        async with httpx2.AsyncClient() as client:
            toolsets = builtin_toolsets(client, schemas.check)
            context = ToolContext("default", Path())
            return [spec for name in sorted(toolsets) for spec in await toolsets[name].list(context)]

    return asyncio.run(listed())


def _first(description: str) -> str:
    return description.split("\n\n", maxsplit=1)[0].replace("\n", " ")


def cli() -> str:
    """The options that commands share, then every command with its arguments and its own options."""
    commands = cast("Any", typer.main.get_command(command_line)).commands
    shared = [option for option in commands["runs"].params if option.name in SHARED]
    parts = ["## Shared options", "Every command that talks to a server takes these:", _options(shared)]
    return "\n\n".join([*parts, *(_command(name, command) for name, command in sorted(commands.items()))])


def _command(name: str, command: Any) -> str:
    shown = [parameter for parameter in command.params if not parameter.hidden and parameter.name != "help"]
    arguments = [_metavar(parameter) for parameter in shown if parameter.param_type_name == "argument"]
    options = [parameter for parameter in shown if parameter.param_type_name == "option"]
    parts = [f"## `{' '.join(['ripieno', name, *arguments])}`", inspect.cleandoc(command.help or "")]
    if SHARED.keys() <= {option.name for option in options}:
        options = [option for option in options if option.name not in SHARED]
        parts.append("Takes the [shared options](#shared-options)" + (", and:" if options else "."))
    return "\n\n".join([*parts, *([_options(options)] if options else [])])


def _options(options: list[Any]) -> str:
    rows = (
        [", ".join(f"`{spelling}`" for spelling in [*option.opts, *option.secondary_opts]), option.help or ""]
        for option in options
    )
    return table(["option", "meaning"], rows)


def _metavar(parameter: Any) -> str:
    name = (parameter.metavar or parameter.name).upper()
    return name if parameter.required else f"[{name}]"


def http_api() -> str:
    """Every documented route."""
    given: dict[str, Any] = dict.fromkeys((field.name for field in fields(Services)), None)  # none will be called
    given |= {"access": StaticAccess("127.0.0.1", "auto", None), "config": HttpConfig(version=__version__)}
    document = create_app(Services(**given)).openapi()
    rows = [[method.upper(), f"`{path}`", what] for path, method, what in _operations(document)]
    return table(["method", "path", "what it does"], rows)


def _operations(document: dict[str, Any]) -> Iterator[tuple[str, str, str]]:
    for path, operations in document["paths"].items():
        for method in METHODS:
            if method in operations:
                operation = operations[method]
                yield path, method, _first(operation.get("description") or operation["summary"])
