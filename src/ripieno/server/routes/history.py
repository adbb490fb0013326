"""A run's past: retry, fork, undo, compare."""

from collections.abc import Sequence
from typing import Annotated

from fastapi import APIRouter, Query, Request, Response

from ripieno.domain.interrupts import Interrupt
from ripieno.domain.runs import TERMINAL
from ripieno.server import answers, family
from ripieno.server.answers import Wait
from ripieno.server.idempotency import IdempotentRoute, StartingRoute, reserved_id
from ripieno.server.services import Caller, Served
from ripieno.server.shapes.history import DiffView, ForkRequest, RetryRequest, RollbackRequest, UndoPlan
from ripieno.server.shapes.runs import RunAnswer

Look = Annotated[bool, Query(description="Only say what would be undone, as with `dry_run` in the body.")]

starters = APIRouter(tags=["history"], route_class=StartingRoute)
router = APIRouter(tags=["history"], route_class=IdempotentRoute)


@router.post("/runs/{run_id}/retry", response_model=RunAnswer)
async def retry_run(
    run_id: str, services: Served, principal: Caller, body: RetryRequest | None = None, wait: Wait = None
) -> Response:
    """Let an ended run go on, from where it failed or from an earlier entry."""
    run = await services.past.retry(principal, run_id, (body or RetryRequest()).wish())
    asked: Sequence[Interrupt] = ()
    if wait is not None:
        run, asked = await family.settled(services, run, wait)
    return answers.json(RunAnswer.of(run, asked))


@starters.post("/runs/{run_id}/fork", status_code=201, response_model=RunAnswer)
async def fork_run(
    run_id: str, body: ForkRequest, request: Request, services: Served, principal: Caller, *, wait: Wait = None
) -> Response:
    """Start a new run from an entry of this one, with other input, model or agent version where that is wanted."""
    run = await services.past.fork(principal, run_id, body.wish(), reserved_id(request))
    headers = {"location": f"/v1/runs/{run.id}"}
    if wait is None:
        return answers.json(RunAnswer.of(run), 201, headers)
    run, asked = await family.settled(services, run, wait)
    return answers.json(RunAnswer.of(run, asked), 200 if run.status in TERMINAL else 202, headers)


@router.post(
    "/runs/{run_id}/rollback",
    status_code=201,
    response_model=RunAnswer,
    responses={200: {"model": UndoPlan, "description": "What would be undone"}},
)
async def rollback_run(
    run_id: str,
    services: Served,
    principal: Caller,
    body: RollbackRequest | None = None,
    *,
    preview: Look = False,
    wait: Wait = None,
) -> Response:
    """Undo what an ended run and the runs below it did, newest first: in a run of its own, which is the answer."""
    body = body or RollbackRequest()
    if body.dry_run or preview:
        return answers.json(UndoPlan.of(run_id, await services.past.undoing(principal, run_id, body.wish())))
    run = await services.past.rollback(principal, run_id, body.wish())
    asked: Sequence[Interrupt] = ()
    if wait is not None:
        run, asked = await family.settled(services, run, wait)
    return answers.json(RunAnswer.of(run, asked), 201, {"location": f"/v1/runs/{run.id}"})


@router.get("/runs/{a}/diff/{b}", response_model=DiffView)
async def diff_runs(a: str, b: str, services: Served, principal: Caller) -> Response:
    """Two runs side by side: what is the same, what is not, and where they first part."""
    return answers.json(DiffView.of(a, b, await services.past.diff(principal, a, b)))
