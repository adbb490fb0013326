"""`ripieno retry`, `fork`, `rollback`, `diff`: take a run up again, go another way, undo what it did, compare two."""

from typing import Annotated, Any

import typer
from rich.text import Text

from ripieno.cli import outcome, wording
from ripieno.cli.api import Api
from ripieno.cli.command import Task, command, print_json, print_line
from ripieno.cli.connection import Where
from ripieno.cli.exits import Exit
from ripieno.cli.naming import run_id
from ripieno.cli.tables import Column, print_table
from ripieno.domain.jsons import JsonObject

Wanted = Annotated[str, typer.Argument(metavar="RUN", help="Id of a run, or `last`.")]
Force = Annotated[bool, typer.Option("--force", help="Also where effects may be done again; needs --reason.")]
Reason = Annotated[str, typer.Option("--reason", "-r", help="Kept on record.")]
Settled = Annotated[
    list[str] | None,
    typer.Option("--settle", metavar="KEY=OUTCOME", help="What became of an unknown effect: done, failed, abandoned."),
]
Limits = Annotated[
    list[str] | None,
    typer.Option("--limit", metavar="NAME=NUMBER", help="Other limits: usd, tokens, effects, seconds, max_turns."),
]
OWN_LIMITS = frozenset({"seconds", "max_turns"})
COLUMNS = (Column("key", no_wrap=True), Column("how", no_wrap=True), Column("a", ratio=1), Column("b", ratio=1))
UNDO_COLUMNS = (Column("key", no_wrap=True), Column("tool", no_wrap=True), Column("undone by", ratio=1))
STYLES = {"same": "dim", "changed": "yellow", "only_in_a": "red", "only_in_b": "green"}


@command(keeps=True)
def retry(
    run: Wanted,
    start: Annotated[str | None, typer.Option("--from", help="First entry to do again: its number or key.")] = None,
    force: Force = False,
    reason: Reason = "",
    settle: Settled = None,
    *,
    where: Where,
) -> Task:
    """Let an ended run go on from where it failed, or from an earlier entry."""
    body: JsonObject = {"force": force, "reason": reason, "effects": settled(settle)}
    if start is not None:
        body["from"] = point(start)
    return _started(run, "retry", body, where)


@command(keeps=True)
def fork(  # noqa: PLR0913 - one option for each thing that may be different
    run: Wanted,
    start: Annotated[str, typer.Option("--from", help="Last entry to keep: its number or key; 0 keeps nothing.")],
    goal: Annotated[str | None, typer.Option("--input", help="Another goal.")] = None,
    model: Annotated[str | None, typer.Option("--model", "-m", help="Another model.")] = None,
    agent_version: Annotated[str | None, typer.Option("--agent-version", help="Another version, or `current`.")] = None,
    limit: Limits = None,
    *,
    where: Where,
) -> Task:
    """Start a new run from an entry of this one; nothing that it inherits is done again."""
    given: dict[str, Any] = {"input": goal, "model": model, "agent_version": agent_version}
    given["constraints"] = constraints(limit) if limit else None
    body = {"from": point(start), **{name: value for name, value in given.items() if value is not None}}
    return _started(run, "fork", body, where)


@command(keeps=True)
def rollback(
    run: Wanted,
    to: Annotated[str | None, typer.Option("--to", help="Undo only what came after this entry.")] = None,
    preview: Annotated[
        bool, typer.Option("--preview", help="Only say what would be undone, and what cannot be.")
    ] = False,
    reason: Annotated[str, typer.Option("--force", metavar="REASON", help="Leave what cannot be undone.")] = "",
    settle: Settled = None,
    *,
    where: Where,
) -> Task:
    """Undo what an ended run and the runs below it did, newest first."""
    body: JsonObject = {"force": bool(reason), "reason": reason, "effects": settled(settle)}
    if to is not None:
        body["to"] = point(to)
    return _previewed(run, body, where) if preview else _started(run, "rollback", body, where)


def _previewed(name: str, body: JsonObject, where: Where) -> Task:
    async def task(api: Api) -> Exit:
        plan: JsonObject = await api.post(f"/v1/runs/{await run_id(api, name)}/rollback", {**body, "dry_run": True})
        if where.json:
            print_json(plan)
            return Exit.COMPLETED
        lines = [
            [item["key"], item["tool"], f"{item['by']} {wording.arguments(item['arguments'])}"] for item in plan["undo"]
        ]
        lines += [[item["key"], item["tool"], f"cannot be undone: {item['reason']}"] for item in plan["cannot"]]
        lines += [[item["key"], item["tool"], "nobody knows whether it happened"] for item in plan["unknown"]]
        print_table(UNDO_COLUMNS, lines, "there is nothing to undo")
        return Exit.COMPLETED

    return task


@command()
def diff(
    a: Annotated[str, typer.Argument(metavar="RUN", help="Id of a run.")],
    b: Annotated[str, typer.Argument(metavar="RUN", help="Id of another run, or `last`.")],
    *,
    where: Where,
) -> Task:
    """Show where two runs part, entry by entry."""

    async def task(api: Api) -> Exit:
        found: JsonObject = await api.get(f"/v1/runs/{await run_id(api, a)}/diff/{await run_id(api, b)}")
        if where.json:
            print_json(found)
            return Exit.COMPLETED
        rows = [
            [pair["key"], Text(pair["status"], style=STYLES[pair["status"]]), _side(pair["a"]), _side(pair["b"])]
            for pair in found["data"]
        ]
        print_table(COLUMNS, rows, "neither run has done anything yet")
        parted = f"they part at {found['diverges_at']}" if found["diverges_at"] else "they are the same"
        print_line(f"{found['same']} the same, {found['changed']} changed; {parted}")
        return Exit.COMPLETED

    return task


def point(text: str) -> int | str:
    """A place in a journal, as the API takes it."""
    return int(text) if text.isdecimal() else text


def constraints(limits: list[str]) -> JsonObject:
    """`NAME=NUMBER` as the API takes it, which knows the names."""
    budget: JsonObject = {}
    own: JsonObject = {}
    for word in limits:
        name, _, number = word.partition("=")
        try:
            value = float(number)
        except ValueError:
            raise typer.BadParameter(f"{word} is not NAME=NUMBER", param_hint="--limit") from None
        (own if name in OWN_LIMITS else budget)[name] = int(value) if value.is_integer() else value
    return {**own, "budget": budget}


def settled(words: list[str] | None) -> list[JsonObject]:
    """`KEY=OUTCOME` as the API takes it; a key of another run is `RUN:KEY`."""
    found: list[JsonObject] = []
    for word in words or ():
        name, _, said = word.rpartition("=")
        run, _, key = name.rpartition(":")
        found.append({"key": key, "outcome": said, **({"run_id": run} if run else {})})
    return found


def _side(side: JsonObject | None) -> str:
    return wording.one_line(side["summary"], 200) if side else ""


def _started(name: str, verb: str, body: JsonObject, where: Where) -> Task:
    async def task(api: Api) -> Exit:
        changed: JsonObject = await api.post(f"/v1/runs/{await run_id(api, name)}/{verb}", body)
        if api.here:
            story = await outcome.followed(api, changed["id"], where, yes=False)
            return await outcome.conclude(api, story, where)
        if where.json:
            print_json(changed)
        else:
            print_line(f"{changed['id']} {changed['status']}")
        return Exit.COMPLETED

    return task
