"""Messages between agents, people and programs, and signals to runs."""

from typing import Annotated

from fastapi import APIRouter, Query, Request, Response
from pydantic import BaseModel, Field

from ripieno.domain import ids
from ripieno.engine.post import Outgoing
from ripieno.server import answers
from ripieno.server.idempotency import IdempotentRoute, StartingRoute, reserved_id
from ripieno.server.services import Caller, Served
from ripieno.server.shapes.mail import MailPage, MailSent, MailView, MessageRequest, SignalAnswer, SignalRequest

# A message or signal that is sent again under the same key is the same one: what was cut off may be tried again.
senders = APIRouter(tags=["messages"], route_class=StartingRoute)
router = APIRouter(tags=["messages"], route_class=IdempotentRoute)


class BoxQuery(BaseModel):
    """What to read of a box."""

    limit: int = Field(default=50, ge=1, le=200, description="How many at most.")
    cursor: int = Field(default=0, ge=0, le=2**31 - 1, description="`next_cursor` of the page before.")
    wait: float | None = Field(
        default=None, ge=0, le=600, description="Receive: wait this many seconds for the first message, and take it."
    )


@senders.post("/messages", status_code=201, response_model=MailSent)
async def send_message(body: MessageRequest, request: Request, services: Served, principal: Caller) -> Response:
    """Send a message to an agent by its name, or to a run or session by its id."""
    outgoing = Outgoing(body.to, body.body, body.sender or principal.id, None, body.reply_to)
    reserved = reserved_id(request)
    mail_id = f"{ids.MESSAGE}_{reserved.rpartition('_')[2]}" if reserved else None
    sent = await services.post.send(principal.tenant, outgoing, mail_id)
    return answers.json(MailSent.told(sent, body.to), 201)


@router.get("/agents/{name}/messages", response_model=MailPage)
async def list_agent_messages(
    name: str, query: Annotated[BoxQuery, Query()], request: Request, services: Served, principal: Caller
) -> Response:
    """What lies in an agent's box, oldest first. Without `wait` it stays there; with it, it is taken."""
    if query.wait is not None:
        taken = await services.receiving.receive(principal, name, query.limit, query.wait)
        return answers.json(MailPage.model_construct(data=[MailView.of(each) for each in taken], next_cursor=None))
    found = await services.receiving.unread(principal, name, query.limit + 1, query.cursor)
    page, more = answers.cut(found, query.limit)
    next_cursor = str(page[-1].n) if more else None
    body = MailPage.model_construct(data=[MailView.of(each) for each in page], next_cursor=next_cursor)
    return answers.json(body, headers=answers.next_link(request, cursor=next_cursor))


@router.delete("/messages/{message_id}", response_model=MailView)
async def acknowledge_message(message_id: str, services: Served, principal: Caller) -> Response:
    """Take one message out of its box, after it was read there."""
    return answers.json(MailView.of(await services.receiving.acknowledge(principal, message_id)))


@senders.post("/runs/{run_id}/signal", status_code=202, response_model=SignalAnswer)
async def signal_run(
    run_id: str, body: SignalRequest, request: Request, services: Served, principal: Caller
) -> Response:
    """Tell a run that something happened: `run.wait_event` waits for it."""
    n = await services.post.signal(principal, run_id, body.topic, body.data, reserved_id(request))
    return answers.json(SignalAnswer(run_id=run_id, topic=body.topic, n=n), 202)
