"""Runs: start, list, get, decide for, cancel, pause, resume."""

from collections.abc import Sequence
from typing import Annotated

from fastapi import APIRouter, Query, Request, Response
from pydantic import AwareDatetime, Field

from ripieno.domain.budgets import RunBudget
from ripieno.domain.entries import Entry, EntryType
from ripieno.domain.filters import RunFilter
from ripieno.domain.interrupts import Decision, Interrupt, InterruptKind
from ripieno.domain.principals import Principal
from ripieno.domain.runs import Run, RunStatus
from ripieno.engine.core import projection, projection_reading
from ripieno.server import answers, family, journals, starting
from ripieno.server.answers import PageQuery, Wait
from ripieno.server.idempotency import IdempotentRoute, StartingRoute
from ripieno.server.services import Caller, Served, Services
from ripieno.server.shapes.requests import AnswerRequest, ApproveRequest, CancelRequest, RunRequest
from ripieno.server.shapes.runs import RunAnswer, RunBudgetView, RunPage, RunSummary, RunView
from ripieno.server.shapes.things import InterruptView, RunDecided

starters = APIRouter(tags=["runs"], route_class=StartingRoute)
router = APIRouter(tags=["runs"], route_class=IdempotentRoute)

ANSWERS = {200: {"model": RunAnswer, "description": "Ended"}, 202: {"model": RunAnswer, "description": "Goes on"}}


@starters.post("/run", include_in_schema=False)
@starters.post("/runs", status_code=201, response_model=RunAnswer, responses={**ANSWERS})
async def start_run(
    body: RunRequest, request: Request, services: Served, principal: Caller, wait: Wait = None
) -> Response:
    """Start a run of an agent or team."""
    return await starting.start(request, services, principal, body.to_start(), wait)


class RunQuery(PageQuery):
    """Which runs."""

    status: RunStatus | None = None
    agent: str | None = None
    workflow: str | None = Field(default=None, description="Not part of this version: finds nothing.")
    session_id: str | None = None
    parent_id: str | None = None
    created_after: AwareDatetime | None = None


@router.get("/runs", response_model=RunPage)
async def list_runs(
    query: Annotated[RunQuery, Query()], request: Request, services: Served, principal: Caller
) -> Response:
    """Runs, newest first."""
    if query.workflow is not None:
        return answers.json(RunPage(data=[]))
    which = RunFilter(query.status, query.agent, query.session_id, query.parent_id, query.created_after)
    found = await services.records.runs(principal.tenant, which, query.limit + 1, query.cursor)
    page, more = answers.cut(found, query.limit)
    next_cursor = page[-1].id if more else None
    data = [RunSummary.of(run, halt=services.halting.over_run(run)) for run in page]
    body = RunPage.model_construct(data=data, next_cursor=next_cursor)
    return answers.json(body, headers=answers.next_link(request, cursor=next_cursor))


@router.get("/runs/{run_id}", response_model=RunView)
async def get_run(run_id: str, services: Served, principal: Caller, wait: Wait = None) -> Response:
    """A run with its steps. With `wait` the answer comes when the run ends or waits for a person."""
    run = await services.records.run(principal.tenant, run_id)
    if wait:
        run, asked = await family.settled(services, run, wait)
    else:
        asked = await family.open_interrupts(services.records, run)
    entries = await journals.entries_of(services.records, run)
    tasks, used = projection.tasks(entries), projection_reading.used(entries)
    halt = services.halting.over_run(run)
    view = RunView.told(run, tasks, used, asked, journals.forked_from(entries), halt)
    return answers.json(view.model_copy(update={"budget": await _budget(services, run, entries)}))


async def _budget(services: Services, run: Run, entries: Sequence[Entry]) -> RunBudgetView | None:
    """How the run's own budget stands; None where it has none, or has not begun."""
    started = [entry for entry in entries if entry.type is EntryType.RUN_STARTED]
    own = RunBudget.pinned(run.id, run.target, started[-1].body["limits"]) if started else None
    if own is None or not own.limits_something:
        return None
    return RunBudgetView.of(await services.budgets.state_of(own.budget(run.tenant)))


@router.post("/runs/{run_id}/approve", response_model=RunDecided)
async def approve_run(run_id: str, body: ApproveRequest, services: Served, principal: Caller) -> Response:
    """Decide the only open approval of a run or of the runs below it, or the one that is named."""
    run = await services.records.run(principal.tenant, run_id)
    interrupt = await family.the_open_one(services, run, body.interrupt_id, InterruptKind.APPROVAL)
    return await _decide(services, principal, run, interrupt, body.decision(principal.id))


@router.post("/runs/{run_id}/answer", response_model=RunDecided)
async def answer_run(run_id: str, body: AnswerRequest, services: Served, principal: Caller) -> Response:
    """Answer the only open question of a run or of the runs below it, or the one that is named.

    Where none is open, the answer is about the only effect of which nobody knows: `committed`, `retry` or `abandon`.
    """
    run = await services.records.run(principal.tenant, run_id)
    kinds = (InterruptKind.QUESTION, InterruptKind.UNKNOWN_EFFECT)
    interrupt = await family.the_open_one(services, run, body.interrupt_id, *kinds)
    return await _decide(services, principal, run, interrupt, body.decision(interrupt.kind, principal.id))


async def _decide(
    services: Services, principal: Principal, run: Run, interrupt: Interrupt, decision: Decision
) -> Response:
    decided = await services.engine.decide(principal, interrupt.id, decision)
    run = await services.records.run(principal.tenant, run.id)
    shown = RunAnswer.of(run, await family.open_interrupts(services.records, run))
    return answers.json(RunDecided.model_construct(**dict(shown), interrupt=InterruptView.of(decided)))


@router.post("/runs/{run_id}/cancel", response_model=RunAnswer)
async def cancel_run(run_id: str, services: Served, principal: Caller, body: CancelRequest | None = None) -> Response:
    """Stop a run and the runs below it for good."""
    reason = body.reason if body else ""
    return answers.json(RunAnswer.of(await services.engine.cancel(principal, run_id, reason)))


@router.delete("/runs/{run_id}", response_model=RunAnswer)
async def delete_run(run_id: str, services: Served, principal: Caller) -> Response:
    """The same as cancel: a run that has begun stays on record."""
    return answers.json(RunAnswer.of(await services.engine.cancel(principal, run_id)))


@router.post("/runs/{run_id}/pause", response_model=RunAnswer)
async def pause_run(run_id: str, services: Served, principal: Caller) -> Response:
    """Hold a run: what is under way ends, nothing new begins."""
    return answers.json(RunAnswer.of(await services.engine.pause(principal, run_id)))


@router.post("/runs/{run_id}/resume", response_model=RunAnswer)
async def resume_run(run_id: str, services: Served, principal: Caller) -> Response:
    """Let a paused run go on."""
    return answers.json(RunAnswer.of(await services.engine.resume(principal, run_id)))
