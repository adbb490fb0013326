"""`ripieno signal`, `publish`, `send`, `messages`: tell runs that something happened, write to agents, read that."""

import json
from typing import Annotated

import typer

from ripieno.cli.api import Api
from ripieno.cli.command import Task, command, print_json, print_line
from ripieno.cli.connection import Where
from ripieno.cli.exits import Exit
from ripieno.cli.naming import run_id
from ripieno.cli.tables import Column, print_table
from ripieno.domain.jsons import Json, JsonObject

COLUMNS = (
    Column("message", no_wrap=True),
    Column("sent", no_wrap=True),
    Column("from", no_wrap=True),
    Column("body", ratio=1),
)


@command(keeps=True)
def signal(
    run: Annotated[str, typer.Argument(metavar="RUN", help="Id of a run, or `last`.")],
    topic: Annotated[str, typer.Argument(help="What it waits for with run.wait_event.")],
    value: Annotated[str, typer.Argument(help="What to tell: JSON, or a text.")] = "null",
    *,
    where: Where,
) -> Task:
    """Tell a run that something happened; it may wait for it now or later."""

    async def task(api: Api) -> Exit:
        found = await run_id(api, run)
        told: JsonObject = await api.post(f"/v1/runs/{found}/signal", {"topic": topic, "data": _value(value)})
        return _done(told, f"{found} was told {topic}", where)

    return task


@command(keeps=True)
def publish(
    event_type: Annotated[str, typer.Argument(metavar="TYPE", help="What happened, as in deploy.finished.")],
    value: Annotated[str, typer.Argument(help="More about it: JSON, or a text.")] = "null",
    *,
    source: Annotated[str, typer.Option(help="Where it happened.")] = "ripieno",
    where: Where,
) -> Task:
    """Publish an event: every run that waits for its type goes on."""

    async def task(api: Api) -> Exit:
        body = {"event_type": event_type, "source_service": source, "payload": _value(value)}
        told: JsonObject = await api.post("/v1/events/publish", body)
        return _done(told, f"{told['event_id']} published as {event_type}", where)

    return task


@command(keeps=True)
def send(
    to: Annotated[str, typer.Argument(help="An agent's name, or the id of a run or session.")],
    body: Annotated[str, typer.Argument(help="JSON, or a text.")],
    *,
    where: Where,
) -> Task:
    """Send a message to an agent, a run or a session."""

    async def task(api: Api) -> Exit:
        sent: JsonObject = await api.post("/v1/messages", {"to": to, "body": _value(body)})
        return _done(sent, f"{sent['id']} sent to {to}", where)

    return task


@command()
def messages(agent: Annotated[str, typer.Argument(help="An agent's name.")], *, where: Where) -> Task:
    """Show the messages that lie in an agent's box; they stay there."""

    async def task(api: Api) -> Exit:
        found: JsonObject = await api.get(f"/v1/agents/{agent}/messages", limit=200)
        if where.json:
            print_json(found)
        else:
            print_table(COLUMNS, [_row(each) for each in found["data"]], "no messages")
        return Exit.COMPLETED

    return task


def _value(text: str) -> Json:
    try:
        return json.loads(text)
    except ValueError:
        return text


def _done(document: Json, line: str, where: Where) -> Exit:
    if where.json:
        print_json(document)
    else:
        print_line(line)
    return Exit.COMPLETED


def _row(message: JsonObject) -> list[str]:
    body = message["body"]
    text = body if isinstance(body, str) else json.dumps(body, ensure_ascii=False)
    return [message["id"], message["sent_at"][:19].replace("T", " "), message["from"], text]
