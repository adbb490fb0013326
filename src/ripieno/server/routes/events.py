"""Events: what happened on the whole platform, in one order that every reader sees alike."""

from typing import Annotated

from fastapi import APIRouter, Query, Request, Response
from pydantic import BaseModel, Field

from ripieno.domain import ids
from ripieno.server import answers
from ripieno.server.idempotency import StartingRoute, reserved_id
from ripieno.server.services import Caller, Served
from ripieno.server.shapes.operating import OutboxEventPage
from ripieno.server.shapes.publishing import PublishAnswer, PublishRequest

router = APIRouter(tags=["events"])

# An event that is published again under the same key is the same one: what was cut off may be tried again.
publishers = APIRouter(tags=["events"], route_class=StartingRoute)


class OutboxQuery(BaseModel):
    """Which events."""

    type: str | None = Field(default=None, description="One type, or all that begin with it: `run.*`.")
    after: int = Field(default=0, ge=0, le=2**53, description="Only events with a greater `sequence`.")
    limit: int = Field(default=100, ge=1, le=1000)


@router.get("/events", response_model=OutboxEventPage)
async def list_all_events(
    query: Annotated[OutboxQuery, Query()], request: Request, services: Served, principal: Caller
) -> Response:
    """Runs created and ended, questions opened and decided, what was audited: in order, from a cursor on."""
    rows = await services.outbox.events(principal.tenant, query.type, query.after, query.limit)
    page = OutboxEventPage.of(rows)
    more = page.next_cursor if len(rows) == query.limit else None
    return answers.json(page, headers=answers.next_link(request, after=more))


@publishers.post("/events/publish", status_code=202, response_model=PublishAnswer)
async def publish_event(body: PublishRequest, request: Request, services: Served, principal: Caller) -> Response:
    """Tell of something that happened elsewhere: runs that wait for its type go on."""
    reserved = reserved_id(request) or services.clock.new_id(ids.EVENT)
    event = body.event(f"{ids.EVENT}_{reserved.rpartition('_')[2]}")
    return answers.json(PublishAnswer.of(await services.publishing.publish(principal, event)), 202)
