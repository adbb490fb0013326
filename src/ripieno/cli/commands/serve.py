"""`ripieno serve`: the server, until Ctrl-C or SIGTERM."""

import asyncio
from collections.abc import Iterator
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any

import typer

from ripieno import __version__, settings
from ripieno.cli.api import Api
from ripieno.cli.command import app, print_line
from ripieno.cli.commands.agents import problem_line
from ripieno.cli.exits import Exit, Stop
from ripieno.cli.wording import count
from ripieno.clock import SystemClock
from ripieno.domain.jsons import JsonObject
from ripieno.observability import logs
from ripieno.settings import Settings


class Role(StrEnum):
    """What the process does."""

    ALL = "all"


@app.command()
def serve(
    host: Annotated[str | None, typer.Option(help="Address to listen on. [default: 127.0.0.1]")] = None,
    port: Annotated[int | None, typer.Option(help="Port; 0 takes a free one. [default: 8000]")] = None,
    data: Annotated[Path | None, typer.Option(help="Data folder. [default: .ripieno]")] = None,
    config: Annotated[Path | None, typer.Option(help="Your agents and MCP servers. [default: config]")] = None,
    database_url: Annotated[str | None, typer.Option(help="Not in this version: it runs on SQLite.")] = None,
    role: Annotated[Role, typer.Option(help="What this process does.")] = Role.ALL,
) -> None:
    """Run the server until Ctrl-C or SIGTERM; what is under way is then finished or kept for the next start."""
    del role
    if database_url is not None:
        sentence = "this version runs on SQLite in the data folder (--data); it takes no --database-url"
        raise Stop(Exit.USAGE, "usage", sentence)
    chosen = settings.load({"host": host, "port": port, "data": data, "config": config})
    from ripieno import bootstrap  # noqa: PLC0415 - heavy, and not needed for --help

    logs.configure(chosen.log.level, chosen.log.format)

    async def ready(url: str, _: Any) -> None:
        for line in await banner(url, chosen):
            print_line(line)

    asyncio.run(bootstrap.serve(chosen, ready))


async def banner(url: str, chosen: Settings) -> list[str]:
    """What somebody who starts a server wants to know, in lines; the first one has its address."""
    key = chosen.auth.admin_key
    api = Api(url, key.get_secret_value() if key else None, SystemClock(), here=True)
    try:
        agents: JsonObject = await api.get("/v1/agents")
        tools: JsonObject = await api.get("/v1/tools")
    finally:
        await api.close()
    facts = {
        "data": str(chosen.data.resolve()),
        "model": model_line(chosen),
        "agents": f"{len(agents['data'])}, yours are read from {chosen.config / 'agents'}",
        "tools": str(len(tools["data"])),
        "access": access_line(chosen),
        "docs": f"{url}/docs",
    }
    lines = [f"Ripieno {__version__} serves on {url}  (Ctrl-C stops it)"]
    lines += [f"  {name:<8}{value}" for name, value in facts.items()]
    return lines + list(_problems(agents["problems"]))


def model_line(chosen: Settings) -> str:
    """The default model, and why it is that one."""
    if chosen.models.default:
        return f"{chosen.default_model} (models.default)"
    if chosen.openai.api_key:
        return f"{chosen.default_model} at {chosen.openai.base_url} (OPENAI_API_KEY is set)"
    return "offline, which matches words and does not think; set OPENAI_API_KEY (and OPENAI_BASE_URL) for a real one"


def access_line(chosen: Settings) -> str:
    """Who may call."""
    if chosen.auth.mode == "off":
        return "OPEN TO EVERYBODY who reaches this address, because auth.mode is off"
    if chosen.auth.mode == "key" or chosen.auth.admin_key:
        return "with the admin key" + (" (this machine also without)" if chosen.auth.mode == "auto" else "")
    return "without a key, from this machine only"


def _problems(found: list[JsonObject]) -> Iterator[str]:
    if found:
        yield f"  {count(len(found), 'definition problem')}:"
    for problem in found:
        yield f"  ! {problem_line(problem)}"
