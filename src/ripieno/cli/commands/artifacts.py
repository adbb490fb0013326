"""`ripieno artifacts`: keep files where agents can read them, list them, get them back, delete them."""

import asyncio
import sys
from pathlib import Path
from typing import Annotated

import typer

from ripieno.cli.api import Api
from ripieno.cli.command import Task, command, print_json, print_line
from ripieno.cli.connection import Where
from ripieno.cli.exits import Exit
from ripieno.cli.tables import Column, print_table
from ripieno.cli.uploading import uploaded
from ripieno.domain.jsons import JsonObject

COLUMNS = (
    Column("artifact", no_wrap=True),
    Column("bytes", no_wrap=True),
    Column("type", no_wrap=True),
    Column("name", ratio=1),
    Column("run", no_wrap=True),
)

artifacts = typer.Typer(name="artifacts", help="Keep files that agents read, and get those that they bring.")

Id = Annotated[str, typer.Argument(help="Its id: art_…")]


@artifacts.command("list")
@command()
def list_artifacts(
    run: Annotated[str | None, typer.Option("--run", help="Only those that this run brought.")] = None,
    limit: Annotated[int, typer.Option(help="How many at most.", min=1, max=200)] = 50,
    *,
    where: Where,
) -> Task:
    """List the files that are kept, newest first."""

    async def task(api: Api) -> Exit:
        found: JsonObject = await api.get("/v1/artifacts", run_id=run, limit=limit)
        if where.json:
            print_json(found)
        else:
            print_table(COLUMNS, [_row(artifact) for artifact in found["data"]], "no artifacts")
        return Exit.COMPLETED

    return task


@artifacts.command("put")
@command(keeps=True)
def put_artifact(
    file: Annotated[Path, typer.Argument(help="The file.", exists=True, dir_okay=False, readable=True)],
    name: Annotated[str | None, typer.Option("--name", help="Another name for it.")] = None,
    media_type: Annotated[
        str | None, typer.Option("--type", help="Its media type, where its name does not say.")
    ] = None,
    *,
    where: Where,
) -> Task:
    """Keep a file. Prints its id, for `attachments` of a run."""

    async def task(api: Api) -> Exit:
        made = await uploaded(api, file, name, media_type)
        if where.json:
            print_json(made)
        else:
            print_line(made["id"])
        return Exit.COMPLETED

    return task


@artifacts.command("get")
@command()
def get_artifact(
    artifact: Id,
    out: Annotated[
        Path | None, typer.Option("--out", "-o", help="Where to write it. [default: standard output]")
    ] = None,
    *,
    where: Where,
) -> Task:
    """Get a file back; with --json, what is known of it."""

    async def task(api: Api) -> Exit:
        if where.json:
            print_json(await api.get(f"/v1/artifacts/{artifact}"))
            return Exit.COMPLETED
        content = await api.download(f"/v1/artifacts/{artifact}/content")
        if out is None:
            sys.stdout.buffer.write(content)
        else:
            await asyncio.to_thread(out.write_bytes, content)
        return Exit.COMPLETED

    return task


@artifacts.command("delete")
@command(keeps=True)
def delete_artifact(artifact: Id, *, where: Where) -> Task:
    """Forget a file. Runs that refer to it cannot read it any more."""

    async def task(api: Api) -> Exit:
        await api.delete(f"/v1/artifacts/{artifact}")
        if where.json:
            print_json({"id": artifact, "deleted": True})
        else:
            print_line(f"{artifact} is forgotten")
        return Exit.COMPLETED

    return task


def _row(artifact: JsonObject) -> list[str]:
    size = str(artifact["size"])
    return [artifact["id"], size, artifact["media_type"], artifact["name"], artifact["run_id"] or ""]
