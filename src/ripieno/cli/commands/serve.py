"""`ripieno serve`: the server, until Ctrl-C or SIGTERM."""

import asyncio
from collections.abc import Iterator
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any
from urllib.parse import urlsplit

import typer

from ripieno import __version__
from ripieno.cli.api import Api
from ripieno.cli.command import print_line
from ripieno.cli.commands.agents import problem_line
from ripieno.cli.connection import chosen
from ripieno.cli.wording import count
from ripieno.clock import SystemClock
from ripieno.domain.jsons import JsonObject
from ripieno.governance.access import is_loopback
from ripieno.observability import logs
from ripieno.settings import Settings


class Role(StrEnum):
    """What the process does; all but `all` need a database that processes share."""

    ALL = "all"
    API = "api"
    WORKER = "worker"
    SCHEDULER = "scheduler"


DatabaseUrl = Annotated[
    str | None, typer.Option("--database-url", help="PostgreSQL in place of the data folder: postgresql://…")
]


def serve(
    host: Annotated[str | None, typer.Option(help="Address to listen on. [default: 127.0.0.1]")] = None,
    port: Annotated[int | None, typer.Option(help="Port; 0 takes a free one. [default: 8000]")] = None,
    data: Annotated[Path | None, typer.Option(help="Data folder. [default: .ripieno]")] = None,
    config: Annotated[Path | None, typer.Option(help="Your agents and MCP servers. [default: config]")] = None,
    database_url: DatabaseUrl = None,
    role: Annotated[
        Role | None, typer.Option(help="What this process does. [default: all]", show_default=False)
    ] = None,
) -> None:
    """Run the server until Ctrl-C or SIGTERM.

    What is under way then is finished, or kept for the next start. A second signal ends the process at once.
    """
    carry_out(chosen(host=host, port=port, data=data, config=config, database_url=database_url, role=role))


def worker(
    config: Annotated[Path | None, typer.Option(help="Your agents and MCP servers. [default: config]")] = None,
    data: Annotated[Path | None, typer.Option(help="Folder for workspaces. [default: .ripieno]")] = None,
    database_url: DatabaseUrl = None,
) -> None:
    """Work on the runs of a shared database until Ctrl-C or SIGTERM; the same as `serve --role worker`."""
    carry_out(chosen(data=data, config=config, database_url=database_url, role=Role.WORKER))


def carry_out(own: Settings) -> None:
    """Be what the settings say until a signal comes."""
    from ripieno import process  # noqa: PLC0415 - heavy, and not needed for --help

    logs.configure(own.log.level, own.log.format)

    async def open_for_all(url: str, _: Any) -> None:
        for line in await banner(url, own):
            print_line(line)

    async def at_work(_: Any) -> None:
        what = "works on the runs" if own.role == Role.WORKER else "wakes what is due"
        print_line(f"Ripieno {__version__} {what} of {place(own)}  (Ctrl-C stops it)")

    if own.role in {Role.WORKER, Role.SCHEDULER}:
        asyncio.run(process.work(own, at_work))
    else:
        asyncio.run(process.serve(own, open_for_all))


def place(own: Settings) -> str:
    """Where the runs are kept, without any password."""
    if own.database_url is None:
        return str(own.data.resolve())
    parts = urlsplit(own.database_url.get_secret_value())
    return f"{parts.scheme}://{parts.hostname or ''}{f':{parts.port}' if parts.port else ''}{parts.path}"


async def banner(url: str, own: Settings) -> list[str]:
    """What somebody who starts a server wants to know, in lines; the first one has its address."""
    key = own.auth.admin_key
    api = Api(url, key.get_secret_value() if key else None, SystemClock(), here=True)
    try:
        agents: JsonObject = await api.get("/v1/agents")
        tools: JsonObject = await api.get("/v1/tools")
    finally:
        await api.close()
    facts = {
        "data": place(own),
        "model": model_line(own),
        "agents": f"{len(agents['data'])}, yours are read from {own.config / 'agents'}",
        "tools": str(len(tools["data"])),
        "access": access_line(own),
        "docs": f"{url}/docs",
    }
    lines = [f"Ripieno {__version__} serves on {url}  (Ctrl-C stops it)"]
    lines += [f"  {name:<8}{value}" for name, value in facts.items()]
    return lines + list(_problems(agents["problems"]))


def model_line(own: Settings) -> str:
    """The default model, and why it is that one."""
    if own.models.default:
        return f"{own.default_model} (models.default)"
    name = own.default_model.partition(":")[0]
    if provider := own.providers.get(name):
        why = f"{name.upper()}_API_KEY is set" if provider.api_key else "without a key"
        if name == "bedrock":
            why = "AWS credentials are set"
        return f"{own.default_model} at {provider.server} ({why})"
    known = "ANTHROPIC_API_KEY, OPENAI_API_KEY, AWS_ACCESS_KEY_ID or OLLAMA_MODEL"
    return f"offline, which matches words and does not think; set {known} for a real one"


def access_line(own: Settings) -> str:
    """Who may call."""
    if own.auth.mode == "off":
        return "OPEN TO EVERYBODY who reaches this address, because auth.mode is off"
    if own.auth.mode == "key":
        return "with the admin key"
    if not is_loopback(own.host):
        return "with the admin key, from other machines too"
    return "without a key" + (" or with the admin key" if own.auth.admin_key else "") + ", from this machine only"


def _problems(found: list[JsonObject]) -> Iterator[str]:
    if found:
        yield f"  {count(len(found), 'definition problem')}:"
    for problem in found:
        yield f"  ! {problem_line(problem)}"
