"""What a run did, from several sides: tasks, actions, messages, timeline, log, entries."""

from typing import Annotated

from fastapi import APIRouter, Query, Request, Response
from pydantic import BaseModel, Field

from ripieno.engine.core import projection, projection_actions, projection_reading, standing
from ripieno.server import answers, journals
from ripieno.server.services import Caller, Served
from ripieno.server.shapes.runs import (
    Actions,
    EntryPage,
    EntryView,
    Log,
    Messages,
    TaskDetailView,
    Tasks,
    TaskView,
    Timeline,
)

router = APIRouter(tags=["journal"])


@router.get("/runs/{run_id}/tasks", response_model=Tasks)
async def list_tasks(run_id: str, services: Served, principal: Caller) -> Response:
    """The steps of a run."""
    run = await services.records.run(principal.tenant, run_id)
    tasks = projection.tasks(await journals.entries_of(services.records, run))
    return answers.json(Tasks.model_construct(data=[TaskView.of(task) for task in tasks]))


@router.get("/runs/{run_id}/tasks/{key:path}", response_model=TaskDetailView)
async def get_task(run_id: str, key: str, services: Served, principal: Caller) -> Response:
    """One step with what went in and what came out."""
    run = await services.records.run(principal.tenant, run_id)
    return answers.json(TaskDetailView.of(await journals.task_of(services.records, run, key)))


@router.get("/runs/{run_id}/actions", response_model=Actions)
async def list_actions(run_id: str, services: Served, principal: Caller) -> Response:
    """The tool calls of a run, with what the effect ledger knows about them."""
    run = await services.records.run(principal.tenant, run_id)
    entries = await journals.entries_of(services.records, run)
    effects = await services.records.effects(principal.tenant, run_id)
    return answers.json(Actions.model_construct(data=projection_actions.actions(entries, effects)))


@router.get("/runs/{run_id}/messages", response_model=Messages)
async def list_messages(run_id: str, services: Served, principal: Caller) -> Response:
    """The conversation of a run."""
    run = await services.records.run(principal.tenant, run_id)
    entries = await journals.entries_of(services.records, run)
    counted = sorted(standing.standing(entries).values(), key=lambda entry: entry.seq)
    return answers.json(Messages.model_construct(data=projection_reading.messages(counted)))


@router.get("/runs/{run_id}/timeline", response_model=Timeline)
async def get_timeline(run_id: str, services: Served, principal: Caller) -> Response:
    """The run and its steps as spans, without payloads."""
    run = await services.records.run(principal.tenant, run_id)
    entries = await journals.entries_of(services.records, run)
    return answers.json(Timeline.model_construct(data=projection_reading.timeline(entries)))


@router.get("/runs/{run_id}/logs", response_model=Log)
async def get_log(run_id: str, services: Served, principal: Caller) -> Response:
    """The journal in words."""
    run = await services.records.run(principal.tenant, run_id)
    entries = await journals.entries_of(services.records, run)
    return answers.json(Log.model_construct(data=projection_reading.log(entries)))


class EntryQuery(BaseModel):
    """Which entries."""

    after: int = Field(default=0, ge=0, le=2**53, description="Only entries with a greater `seq`.")
    limit: int = Field(default=100, ge=1, le=1000)


@router.get("/runs/{run_id}/entries", response_model=EntryPage)
async def list_entries(
    run_id: str, query: Annotated[EntryQuery, Query()], request: Request, services: Served, principal: Caller
) -> Response:
    """The journal as it is stored, in order."""
    run = await services.records.run(principal.tenant, run_id)
    entries = await services.records.entries(run.tenant, run.id, query.after, query.limit)
    last = entries[-1].seq if len(entries) == query.limit else None
    data = [
        EntryView.model_construct(
            seq=entry.seq,
            key=entry.key,
            type=entry.type.value,
            v=entry.v,
            body=entry.body,
            at=entry.at,
            epoch=entry.epoch,
        )
        for entry in entries
    ]
    page = EntryPage.model_construct(data=data, next_cursor=str(last) if last else None)
    return answers.json(page, headers=answers.next_link(request, after=last))
