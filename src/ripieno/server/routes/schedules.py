"""Schedules: make, look at, change, pause, resume, trigger, delete, and what became of their ticks."""

from typing import Annotated

from fastapi import APIRouter, Query, Request, Response
from pydantic import BaseModel, Field

from ripieno.domain import ids, schedule_changes, ticks
from ripieno.domain.errors import Stale
from ripieno.domain.schedules import NewSchedule, Schedule, ScheduleChange
from ripieno.server import answers, starting
from ripieno.server.answers import Wait
from ripieno.server.idempotency import IdempotentRoute, StartingRoute, reserved_id
from ripieno.server.services import Caller, Served, Services
from ripieno.server.shapes.runs import RunAnswer
from ripieno.server.shapes.schedules import (
    ScheduleList,
    SchedulePatch,
    ScheduleRequest,
    ScheduleView,
    TickPage,
    TickView,
)

starters = APIRouter(tags=["schedules"], route_class=StartingRoute)
router = APIRouter(tags=["schedules"], route_class=IdempotentRoute)

PREVIEW = 5
ANSWERS = {200: {"model": RunAnswer, "description": "Ended"}, 202: {"model": RunAnswer, "description": "Goes on"}}


class ScheduleQuery(BaseModel):
    """Which page of the schedules."""

    limit: int = Field(default=50, ge=1, le=200, description="How many at most.")
    cursor: str | None = Field(default=None, max_length=100, description="`next_cursor` of the page before.")


class TickQuery(BaseModel):
    """Which page of the history."""

    limit: int = Field(default=50, ge=1, le=200, description="How many at most.")
    cursor: int | None = Field(default=None, ge=1, le=2**31 - 1, description="`next_cursor` of the page before.")


@router.get("/schedules", response_model=ScheduleList)
async def list_schedules(
    query: Annotated[ScheduleQuery, Query()], request: Request, services: Served, principal: Caller
) -> Response:
    """Schedules, by name."""
    found = await services.scheduler.rows.schedules(principal.tenant, query.limit + 1, query.cursor)
    page, more = answers.cut(found, query.limit)
    next_cursor = page[-1].name if more else None
    body = ScheduleList.model_construct(data=[_view(services, one) for one in page], next_cursor=next_cursor)
    return answers.json(body, headers=answers.next_link(request, cursor=next_cursor))


@starters.post("/schedules", status_code=201, response_model=ScheduleView)
async def create_schedule(
    body: ScheduleRequest,
    request: Request,
    services: Served,
    principal: Caller,
    dry_run: Annotated[bool, Query(description="Only show what it would be, with its next ticks.")] = False,
) -> Response:
    """Make a schedule."""
    made = reserved_id(request) or services.clock.new_id(ids.SCHEDULE)
    schedule_id = f"{ids.SCHEDULE}_{made.rpartition('_')[2]}"
    new = NewSchedule(
        schedule_id, principal.tenant, body.name, body.agent, body.spec(), principal.id, paused=body.paused
    )
    if dry_run:
        await services.definitions.agent(new.agent)
        return answers.json(_view(services, schedule_changes.fresh(new, services.clock.now())))
    return _answer(services, await services.scheduler.create(new), 201)


@router.get("/schedules/{name}", response_model=ScheduleView)
async def get_schedule(
    name: str,
    services: Served,
    principal: Caller,
    preview: Annotated[int, Query(ge=0, le=100, description="How many of the next ticks to show.")] = PREVIEW,
) -> Response:
    """A schedule, by name or id."""
    return _answer(services, await services.scheduler.rows.schedule(principal.tenant, name), preview=preview)


@router.patch("/schedules/{name}", response_model=ScheduleView)
async def change_schedule(
    name: str, body: SchedulePatch, request: Request, services: Served, principal: Caller
) -> Response:
    """Change a schedule. With `If-Match` only if nobody else has since it was read."""
    known = await services.scheduler.rows.schedule(principal.tenant, name)
    spec = body.spec(known.spec)
    seen = _seen(request, known.version if spec else None)
    change = ScheduleChange(body.agent, spec, body.paused, seen)
    return _answer(services, await services.scheduler.change(principal, known.id, change))


@router.delete("/schedules/{name}", status_code=204)
async def delete_schedule(name: str, request: Request, services: Served, principal: Caller) -> Response:
    """Delete a schedule and its history; runs that it has started stay."""
    await services.scheduler.rows.delete(principal, name, _seen(request, None))
    return Response(status_code=204)


@router.post("/schedules/{name}/pause", response_model=ScheduleView)
async def pause_schedule(name: str, services: Served, principal: Caller) -> Response:
    """Let a schedule rest; ticks that pass meanwhile are not caught up."""
    return _answer(services, await services.scheduler.change(principal, name, ScheduleChange(paused=True)))


@router.post("/schedules/{name}/resume", response_model=ScheduleView)
async def resume_schedule(name: str, services: Served, principal: Caller) -> Response:
    """Let a schedule tick again, counted from now."""
    return _answer(services, await services.scheduler.change(principal, name, ScheduleChange(paused=False)))


@starters.post("/schedules/{name}/trigger", status_code=201, response_model=RunAnswer, responses={**ANSWERS})
async def trigger_schedule(
    name: str, request: Request, services: Served, principal: Caller, wait: Wait = None
) -> Response:
    """Start a run of a schedule now, also of one that is paused, and whatever is under way."""
    tick = await services.scheduler.trigger(principal, name, reserved_id(request))
    return await starting.started(services, await services.records.run(principal.tenant, tick.run_id or ""), wait)


@router.get("/schedules/{name}/runs", response_model=TickPage)
async def list_schedule_runs(
    name: str, query: Annotated[TickQuery, Query()], request: Request, services: Served, principal: Caller
) -> Response:
    """What became of a schedule's ticks, newest first; the last thousand are kept."""
    found = await services.scheduler.rows.ticks(principal.tenant, name, query.limit + 1, query.cursor)
    page, more = answers.cut(found, query.limit)
    next_cursor = str(page[-1].n) if more else None
    body = TickPage.model_construct(data=[TickView.of(tick) for tick in page], next_cursor=next_cursor)
    return answers.json(body, headers=answers.next_link(request, cursor=next_cursor))


def _answer(services: Services, schedule: Schedule, status: int = 200, *, preview: int = PREVIEW) -> Response:
    headers = {"etag": f'"{schedule.version}"'}
    if status == 201:  # noqa: PLR2004 - created
        headers["location"] = f"/v1/schedules/{schedule.id}"
    return answers.json(_view(services, schedule, preview), status, headers)


def _view(services: Services, schedule: Schedule, preview: int = PREVIEW) -> ScheduleView:
    if schedule.paused or schedule.problem is not None:
        return ScheduleView.of(schedule)
    coming = ticks.upcoming(schedule.spec, schedule.anchor, services.clock.now(), preview)
    return ScheduleView.of(schedule, coming)


def _seen(request: Request, otherwise: int | None) -> int | None:
    """The version that the client has seen. Raises `Stale` for a tag that is none of ours."""
    tag = request.headers.get("if-match", "*").strip()
    if tag == "*":
        return otherwise
    number = tag.removeprefix("W/").strip('"')
    if not number.isdecimal():
        raise Stale(f"{tag[:100]} is no ETag of a schedule")
    return int(number)
