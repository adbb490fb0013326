"""`ripieno dlq`: dead letters, which are work that was accepted and came to nothing."""

from typing import Annotated, Any

import typer

from ripieno.cli import wording
from ripieno.cli.api import Api
from ripieno.cli.asking import Unclear, read_arguments
from ripieno.cli.command import Task, command, print_json, print_line
from ripieno.cli.connection import Where
from ripieno.cli.exits import Exit, Stop
from ripieno.cli.tables import Column, print_table
from ripieno.domain.dead_letters import DeadLetterKind, DeadLetterState
from ripieno.domain.jsons import JsonObject

COLUMNS = (
    Column("letter", no_wrap=True),
    Column("kind", no_wrap=True),
    Column("state", no_wrap=True),
    Column("age", no_wrap=True),
    Column("run", no_wrap=True),
    Column("cause", ratio=1),
)

dlq = typer.Typer(name="dlq", help="Dead letters: work that was accepted and came to nothing.")

Letter = Annotated[str, typer.Argument(metavar="LETTER", help="Its id (dlq_…).")]


@dlq.command("list")
@command()
def list_letters(
    kind: Annotated[DeadLetterKind | None, typer.Option("--kind", help="Only these.")] = None,
    run: Annotated[str | None, typer.Option("--run", metavar="RUN", help="Only those of this run.")] = None,
    everything: Annotated[bool, typer.Option("--all", help="Also those that were dealt with.")] = False,
    limit: Annotated[int, typer.Option("--limit", "-n", min=1, max=200, help="How many.")] = 50,
    *,
    where: Where,
) -> Task:
    """List dead letters, newest first."""
    state = None if everything else DeadLetterState.OPEN.value
    query: dict[str, Any] = {"kind": kind, "run_id": run, "state": state, "limit": limit}

    async def task(api: Api) -> Exit:
        found: JsonObject = await api.get("/v1/dlq", **query)
        if where.json:
            print_json(found)
            return Exit.COMPLETED
        now = api.clock.now()
        rows: list[list[str]] = []
        for letter in found["data"]:
            age = wording.duration((now - wording.moment(letter["created_at"])).total_seconds())
            cause = wording.one_line(f"{letter['cause']}: {letter['detail']}", 300)
            rows.append([letter["id"], letter["kind"], letter["state"], age, letter["run_id"], cause])
        print_table(COLUMNS, rows, "no dead letters")
        return Exit.COMPLETED

    return task


@dlq.command("show")
@command()
def show_letter(letter: Letter, *, where: Where) -> Task:
    """Show a dead letter with all that it holds."""
    del where  # it is a document either way

    async def task(api: Api) -> Exit:
        print_json(await api.get(f"/v1/dlq/{letter}"))
        return Exit.COMPLETED

    return task


@dlq.command("replay")
@command(keeps=True)
def replay_letter(
    letter: Letter,
    edit: Annotated[
        str | None, typer.Option("--edit", help='What is to be other than it was, as JSON: \'{"goal": "…"}\'.')
    ] = None,
    *,
    where: Where,
) -> Task:
    """Try it again: start the run anew, send the message again, repeat the effect where that is safe."""
    body: JsonObject = {}
    if edit is not None:
        read = read_arguments(edit)
        if isinstance(read, Unclear):
            raise Stop(Exit.USAGE, "usage", f"--edit: {read.why}")
        body = {"edit": read.body["arguments"]}

    async def task(api: Api) -> Exit:
        settled: JsonObject = await api.post(f"/v1/dlq/{letter}/replay", body)
        return _done(settled, f"replayed {letter}: {wording.arguments(settled['outcome'])}", where)

    return task


@dlq.command("discard")
@command(keeps=True)
def discard_letter(letter: Letter, *, where: Where) -> Task:
    """Settle a dead letter without trying it again."""

    async def task(api: Api) -> Exit:
        await api.delete(f"/v1/dlq/{letter}")
        return _done({"id": letter, "state": DeadLetterState.DISCARDED}, f"discarded {letter}", where)

    return task


def _done(document: JsonObject, sentence: str, where: Where) -> Exit:
    if where.json:
        print_json(document)
    else:
        print_line(sentence)
    return Exit.COMPLETED
