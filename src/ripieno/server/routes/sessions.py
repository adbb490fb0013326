"""Sessions: a conversation or case with its runs."""

from collections import Counter
from collections.abc import Sequence

from fastapi import APIRouter, Response

from ripieno.domain.filters import RunFilter
from ripieno.domain.runs import Run, RunStatus
from ripieno.domain.usage import NOTHING_USED
from ripieno.engine.core import projection
from ripieno.server import answers, journals
from ripieno.server.services import Caller, Served
from ripieno.server.shapes.runs import RunSummary, TaskView, UsageView
from ripieno.server.shapes.things import SessionSummary, SessionTask, SessionView

router = APIRouter(tags=["sessions"])

MANY = 100
TOLD = 20


@router.get("/sessions/{session_id}", response_model=SessionView)
async def get_session(session_id: str, services: Served, principal: Caller) -> Response:
    """A session, its newest runs, and the steps of the newest of these."""
    session = await services.records.session(principal.tenant, session_id)
    runs = await services.records.runs(principal.tenant, RunFilter(session_id=session_id), MANY)
    tasks: list[SessionTask] = []
    for run in reversed(runs[:TOLD]):
        for task in projection.tasks(await journals.entries_of(services.records, run)):
            tasks.append(SessionTask.model_construct(**dict(TaskView.of(task)), of_run=run.id))  # noqa: PERF401 - awaits
    body = SessionView.model_construct(
        id=session.id,
        session_id=session.id,
        created_by=session.created_by,
        created_at=session.created_at,
        updated_at=session.updated_at,
        runs=[RunSummary.of(run) for run in runs],
        tasks=tasks,
        summary=_summary(runs),
    )
    return answers.json(body)


def _summary(runs: Sequence[Run]) -> SessionSummary:
    """The runs in figures; what runs used is counted at the root of each family, which has its children's too."""
    roots = [run for run in runs if run.parent_id is None]
    usage = sum((run.result.usage for run in roots if run.result), NOTHING_USED)
    answered = (run.result.answer for run in roots if run.result and run.status is RunStatus.COMPLETED)
    return SessionSummary(
        runs=len(runs),
        by_status=dict(Counter(run.status for run in runs)),
        usage=UsageView.of(usage),
        last_answer=next(answered, None),
    )
