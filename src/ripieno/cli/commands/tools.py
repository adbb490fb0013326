"""`ripieno tools`: what agents can use."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any

import typer

from ripieno.cli import wording
from ripieno.cli.api import Api
from ripieno.cli.command import Task, command, print_json, print_line
from ripieno.cli.connection import Where
from ripieno.cli.exits import Exit, Stop
from ripieno.cli.tables import Column, print_table
from ripieno.domain.jsons import JsonObject

COLUMNS = (
    Column("tool", no_wrap=True),
    Column("effect", no_wrap=True),
    Column("risk", no_wrap=True),
    Column("what it does", ratio=1),
)


What = Annotated[
    str | None, typer.Argument(help="A tool or an imported toolset to show in full; or `import`, or `remove`.")
]
Source = Annotated[
    str | None,
    typer.Argument(help="To import: a file or URL of an OpenAPI description. To remove: a toolset."),
]
CHANGES = frozenset({"import", "remove"})

Name = Annotated[str | None, typer.Option("--name", help="What to call the toolset; the title of the API otherwise.")]
Include = Annotated[
    list[str] | None, typer.Option("--include", help="Operations to take over, with wild cards; repeat it for more.")
]
BaseUrl = Annotated[str | None, typer.Option("--base-url", help="Where the API is, if not where its description says.")]
DryRun = Annotated[bool, typer.Option("--dry-run", help="Only tell what an import would do.")]


def _changes(given: Mapping[str, Any]) -> bool:
    return given["what"] in CHANGES


@command(keeps=_changes)
def tools(  # noqa: PLR0913 - options of a command
    what: What = None,
    source: Source = None,
    *,
    name: Name = None,
    include: Include = None,
    base_url: BaseUrl = None,
    dry_run: DryRun = False,
    where: Where,
) -> Task:
    """List the tools that agents can use, or import those of an API."""
    if what in CHANGES and source is None:
        raise Stop(Exit.USAGE, "usage", f"name what to {what}")
    if what == "remove":
        return _removed(str(source), where)
    if what == "import":
        order: JsonObject = {"name": name, "base_url": base_url, "dry_run": dry_run or None}
        order["include"] = {"operations": include} if include else None
        given = {key: value for key, value in order.items() if value is not None}
        return _imported({**given, **_described(str(source))}, where)
    return _shown(what, where)


def _described(source: str) -> JsonObject:
    if source.startswith(("http://", "https://")):
        return {"url": source}
    try:
        return {"document": Path(source).read_text()}
    except (OSError, UnicodeDecodeError):
        raise Stop(Exit.USAGE, "usage", f"{source} cannot be read") from None


def _imported(order: JsonObject, where: Where) -> Task:
    async def task(api: Api) -> Exit:
        done: JsonObject = await api.post("/v1/tools/import/openapi", order)
        if where.json:
            print_json(done)
            return Exit.COMPLETED
        for kind in ("added", "changed", "removed"):
            for tool in done[kind]:
                print_line(f"{kind:8} {tool}")
        for problem in done["problems"]:
            print_line(f"left out {problem['where']}: {problem['reason']}")
        counts = ", ".join(f"{len(done[kind])} {kind}" for kind in ("added", "changed", "removed"))
        told = "would be" if done["dry_run"] else "is"
        print_line(f"{done['toolset']} {told} at {done['base_url']}: {counts}")
        return Exit.COMPLETED

    return task


def _removed(toolset: str, where: Where) -> Task:
    async def task(api: Api) -> Exit:
        await api.delete(f"/v1/tools/{toolset}")
        if where.json:
            print_json({"toolset": toolset})
        else:
            print_line(f"{toolset} is removed")
        return Exit.COMPLETED

    return task


def _shown(name: str | None, where: Where) -> Task:
    async def task(api: Api) -> Exit:
        found: JsonObject = await (api.get(f"/v1/tools/{name}") if name else _all(api))
        if where.json:
            print_json(found)
        elif name:
            print_line(json.dumps(found, indent=2, ensure_ascii=False))
        else:
            print_table(COLUMNS, [_row(tool) for tool in found["data"]], "no tools")
        return Exit.COMPLETED

    return task


async def _all(api: Api) -> JsonObject:
    """Every tool, page by page."""
    whole: JsonObject = await api.get("/v1/tools")
    cursor = whole["next_cursor"]
    while cursor:
        page: JsonObject = await api.get("/v1/tools", cursor=cursor)
        whole["data"] += page["data"]
        cursor = page["next_cursor"]
    return {**whole, "next_cursor": None}


def _row(tool: JsonObject) -> list[str]:
    return [tool["name"], tool["effect"], tool["risk"], wording.one_line(tool["description"].split("\n\n")[0], 300)]
