"""What happens in a run, as it happens: JSON pages, server-sent events, WebSocket."""

import asyncio
from typing import Annotated, Any

from fastapi import APIRouter, Header, Query, Request, Response, WebSocket, WebSocketDisconnect
from pydantic import BaseModel, Field
from pydantic_core import to_json

from ripieno.domain import ids
from ripieno.domain.errors import RipienoError
from ripieno.domain.filters import RunFilter
from ripieno.domain.jsons import JsonObject
from ripieno.domain.runs import Run
from ripieno.engine.core import projection_events
from ripieno.server import answers, errors, following
from ripieno.server.following import Tell
from ripieno.server.services import Caller, Served, Services
from ripieno.server.shapes.runs import EventPage
from ripieno.server.streaming import Emit, EventStream, race, sse

router = APIRouter(tags=["streams"])

LOOK_SECONDS = 1.0
MANY = 200
DONE, RESTARTING = 1000, 1012

After = Annotated[int | None, Query(ge=0, description="Only what has a greater `sequence`.")]
LastEventId = Annotated[int | None, Header(ge=0, description="The same as `after`; browsers send it.")]
STREAM: dict[int | str, dict[str, Any]] = {
    200: {"description": "Events", "content": {"text/event-stream": {"schema": {"type": "string"}}}}
}


class EventQuery(BaseModel):
    """Which events."""

    after: int | None = Field(default=None, ge=0, description="Only what has a greater `sequence`.")
    limit: int = Field(default=100, ge=1, le=1000, description="How many at most on a page; a stream has no limit.")
    tokens: bool = Field(default=False, description="Also stream `token` events, which have no id.")


@router.get("/runs/{run_id}/events", response_model=EventPage, responses=STREAM)
async def get_events(
    run_id: str,
    query: Annotated[EventQuery, Query()],
    request: Request,
    services: Served,
    principal: Caller,
    *,
    last_event_id: LastEventId = None,
) -> Response:
    """The events of a run: a page, or with `Accept: text/event-stream` a stream that ends with `end`."""
    run = await services.records.run(principal.tenant, run_id)
    start = _start(run, query.after, last_event_id)
    if "text/event-stream" not in request.headers.get("accept", ""):
        return await _page(request, services, run, start, query.limit)
    wanted = query.tokens or run.metadata.get("stream_tokens") is True

    async def produce(emit: Emit) -> None:
        await following.events(services, run, start, _as_sse(emit), tokens=wanted)

    return EventStream(services, produce)


@router.get("/runs/{run_id}/stream", response_class=Response, responses=STREAM)
async def stream_run(
    run_id: str,
    services: Served,
    principal: Caller,
    after: After = None,
    last_event_id: LastEventId = None,
) -> Response:
    """The classic stream: `status`, `step`, `token`, `answer`, `end`."""
    run = await services.records.run(principal.tenant, run_id)
    start = _start(run, after, last_event_id)

    async def produce(emit: Emit) -> None:
        await following.classic(services, run, start, _as_sse(emit))

    return EventStream(services, produce)


@router.websocket("/streams/{thing_id}")
async def stream_socket(websocket: WebSocket, thing_id: str, after: After = None) -> None:
    """The events of a run, then `end`; or of all runs of a session, until the client leaves."""
    services: Services = websocket.app.state.services
    tenant: str = websocket.state.principal.tenant
    try:
        if thing_id.startswith(f"{ids.SESSION}_"):
            await services.records.session(tenant, thing_id)
            run = None
        else:
            run = await services.records.run(tenant, thing_id)
    except RipienoError as error:
        await websocket.send_denial_response(errors.answer(websocket.scope, error))
        return
    await websocket.accept()

    async def tell(_: str, data: JsonObject, __: int | None) -> None:
        await websocket.send_text(to_json(data).decode())

    if run:
        produce = _run_over_socket(services, run, _start(run, after, None), tell)
    else:
        produce = _session_over_socket(services, tenant, thing_id, tell)
    try:
        await race(produce, _left(websocket), _stopped(services))
        await websocket.close(RESTARTING if services.stopping.is_set() else DONE)
    except* WebSocketDisconnect:
        pass  # the client left while something was being sent


def _start(run: Run, after: int | None, last_event_id: int | None) -> int:
    """Where to go on; a place that does not exist yet is the end of what does."""
    return min(after if after is not None else last_event_id or 0, run.last_seq)


def _as_sse(emit: Emit) -> Tell:
    async def tell(name: str, data: JsonObject, seq: int | None) -> None:
        await emit(sse(name, data, seq))

    return tell


async def _page(request: Request, services: Services, run: Run, after: int, limit: int) -> Response:
    entries = await services.records.entries(run.tenant, run.id, after, limit)
    last = entries[-1].seq if len(entries) == limit else None
    data = [projection_events.event(entry) for entry in entries]
    page = EventPage.model_construct(data=data, next_cursor=str(last) if last else None)
    return answers.json(page, headers=answers.next_link(request, after=last))


async def _run_over_socket(services: Services, run: Run, after: int, tell: Tell) -> None:
    async def named(name: str, data: JsonObject, seq: int | None) -> None:
        await tell(name, data if seq is not None else {"type": name, "data": data}, seq)

    await following.events(services, run, after, named, tokens=run.metadata.get("stream_tokens") is True)


async def _session_over_socket(services: Services, tenant: str, session_id: str, tell: Tell) -> None:
    """Follow every run of the session, also those that start later."""
    followed: set[str] = set()
    async with asyncio.TaskGroup() as group:
        while True:
            runs = await services.records.runs(tenant, RunFilter(session_id=session_id), MANY)
            for run in reversed(runs):
                if run.id not in followed:
                    followed.add(run.id)
                    group.create_task(_run_over_socket(services, run, 0, tell))
            await services.clock.sleep(LOOK_SECONDS)


async def _left(websocket: WebSocket) -> None:
    """What the client says is not listened to; that it goes is."""
    while (message := await websocket.receive())["type"] != "websocket.disconnect":
        pass
    raise WebSocketDisconnect(message.get("code", DONE))


async def _stopped(services: Services) -> None:
    await services.stopping.wait()
