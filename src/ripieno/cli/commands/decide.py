"""`ripieno approve`, `deny`, `answer`: decide what a run asks a person."""

import json
from typing import Annotated

import typer

from ripieno.cli import asking, forms, outcome
from ripieno.cli.api import Api
from ripieno.cli.asking import Unclear
from ripieno.cli.command import Task, command, print_json, print_line
from ripieno.cli.connection import Where
from ripieno.cli.exits import Exit, Stop
from ripieno.cli.naming import run_named
from ripieno.cli.wording import arguments as shortly
from ripieno.domain import ids
from ripieno.domain.interrupts import ALLOWED_DECISIONS, InterruptKind
from ripieno.domain.jsons import Json, JsonObject

Wanted = Annotated[str, typer.Argument(metavar="RUN", help="Id of a run (`last` works) or of what it asks (apr_…).")]
Reason = Annotated[str | None, typer.Option("--reason", "-r", help="Kept on record with the decision.")]


@command(keeps=True)
def approve(
    run: Wanted,
    reason: Reason = None,
    edited: Annotated[str | None, typer.Option("--arguments", help="Other arguments for the call, as JSON.")] = None,
    amount: Annotated[float | None, typer.Option("--amount", help="How much more, of the budget.")] = None,
    *,
    where: Where,
) -> Task:
    """Allow what a run waits with: a tool call, or more budget."""
    body: JsonObject = {"decision": "approve"} if amount is None else {"decision": "approve", "amount": amount}
    if edited is not None:
        read = asking.read_arguments(edited)
        if isinstance(read, Unclear):
            raise Stop(Exit.USAGE, "usage", f"--arguments: {read.why}")
        body = {**body, **read.body}
    return _decide(run, {**body, "reason": reason}, where)


@command(keeps=True)
def deny(run: Wanted, reason: Reason = None, *, where: Where) -> Task:
    """Refuse what a run waits with.

    The run is told, and goes on without it.
    """
    return _decide(run, {"decision": "deny", "reason": reason}, where)


@command(keeps=True)
def answer(
    run: Wanted,
    text: Annotated[str, typer.Argument(metavar="ANSWER", help="What to answer.")],
    result: Annotated[
        str | None, typer.Option("--result", help="What the call answered, for `committed`: text or JSON.")
    ] = None,
    reason: Reason = None,
    *,
    where: Where,
) -> Task:
    """Answer the question that a run waits with.

    Where nobody knows whether a call took effect, the answer is `committed` (it happened), `retry` (it did not: make it
    again) or `abandon` (leave it). Where a tool asks for a form, the answer is a JSON object, or the value of its only
    field; `null` declines.
    """
    body: JsonObject = {"decision": "answer", "answer": text, "reason": reason}
    return _decide(run, body if result is None else {**body, "result": read_result(result)}, where)


def _decide(name: str, body: JsonObject, where: Where) -> Task:
    async def task(api: Api) -> Exit:
        asked = await asked_by(api, name)
        sent = fitting(asked, body)
        decided: JsonObject = await api.post(f"/v1/interrupts/{asked['interrupt_id']}/decide", sent)
        if not where.json:
            request = asked["request"]
            about = f"{request['tool']} {shortly(request.get('arguments') or {})}" if "tool" in request else ""
            what = "approval counted for" if asking.is_open(decided) else decided["status"]
            print_line(f"{what} {asked['interrupt_id']} of {asked['run_id']}: {about}".removesuffix(": "))
            if asking.is_open(decided):
                print_line(asking.progress(decided))
        if asking.is_open(decided) or not api.here:
            if where.json:
                print_json(decided)
            return Exit.COMPLETED
        run: JsonObject = await api.get(f"/v1/runs/{asked['run_id']}")
        story = await outcome.followed(api, run["root_id"], where, yes=False, decided=asked["interrupt_id"])
        return await outcome.conclude(api, story, where)

    return task


async def asked_by(api: Api, name: str) -> JsonObject:
    """What is meant: an interrupt by its id, or the only one that a run and the runs below it have open."""
    if name.startswith(f"{ids.APPROVAL}_"):
        found: JsonObject = await api.get(f"/v1/interrupts/{name}")
        return {**found, "interrupt_id": name}
    run = await run_named(api, name)
    waiting: list[JsonObject] = [item for item in run["waiting_for"] if "interrupt_id" in item]
    if not waiting:
        raise Stop(Exit.FAILED, "which_interrupt", f"run {run['id']} asks nothing now; it is {run['status']}")
    if len(waiting) > 1:
        choices = ", ".join(f"{item['interrupt_id']} ({item['request'].get('tool', item['kind'])})" for item in waiting)
        raise Stop(Exit.USAGE, "which_interrupt", f"run {run['id']} asks more than one thing; name one: {choices}")
    return waiting[0]


def read_result(text: str) -> Json:
    """What a call answered: JSON where it is JSON, else the text."""
    try:
        return json.loads(text)
    except ValueError:
        return text


def fitting(asked: JsonObject, body: JsonObject) -> JsonObject:
    """The fate of a lost call is answered by its name, a form by JSON. Raises `Stop` for a word that is no fate."""
    if asked["kind"] != InterruptKind.UNKNOWN_EFFECT or body["decision"] != "answer":
        return forms.fitting(asked["kind"], asked.get("request", {}), body)
    fate = str(body["answer"]).lower()
    if fate not in ALLOWED_DECISIONS[InterruptKind.UNKNOWN_EFFECT]:
        words = "committed (it happened), retry (it did not: make it again) or abandon (leave it)"
        raise Stop(Exit.USAGE, "invalid", f"nobody knows whether this call took effect; answer {words}")
    return {"decision": fate, "reason": body["reason"], "result": body.get("result")}
