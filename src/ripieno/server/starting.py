"""Starts runs for every door that does, and answers the same way everywhere."""

from collections.abc import Callable

from fastapi import Request, Response
from pydantic import BaseModel

from ripieno.domain.principals import Principal
from ripieno.domain.runs import TERMINAL, Run
from ripieno.engine.api import StartRun
from ripieno.server import answers, family
from ripieno.server.idempotency import reserved_id
from ripieno.server.services import Services
from ripieno.server.shapes.runs import RunAnswer


async def start(
    request: Request,
    services: Services,
    principal: Principal,
    wanted: StartRun,
    wait: float | None,
    show: Callable[[RunAnswer], BaseModel] = lambda shown: shown,
) -> Response:
    """Start a run. 201 at once; with `wait` 200 when it has ended, 202 when it goes on or waits for a person."""
    run = await services.engine.start(wanted, principal, reserved_id(request))
    return await started(services, run, wait, show)


async def started(
    services: Services, run: Run, wait: float | None, show: Callable[[RunAnswer], BaseModel] = lambda shown: shown
) -> Response:
    """Answer for a run that was just started, as `start` does."""
    if wait is None:
        return _answer(show(RunAnswer.of(run, halt=services.halting.over_run(run))), run, 201)
    run, asked = await family.settled(services, run, wait)
    shown = RunAnswer.of(run, asked, services.halting.over_run(run))
    return _answer(show(shown), run, 200 if run.status in TERMINAL else 202)


def _answer(shown: BaseModel, run: Run, status: int) -> Response:
    return answers.json(shown, status, {"location": f"/v1/runs/{run.id}"})
