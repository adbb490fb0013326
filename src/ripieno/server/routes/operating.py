"""For administrators: stop things and let them go on, delete or write away what is old, and who did what."""

from typing import Annotated

from fastapi import APIRouter, Query, Request, Response
from pydantic import AwareDatetime, BaseModel, Field

from ripieno.domain.errors import Unavailable
from ripieno.domain.outbox import AuditFilter
from ripieno.server import answers
from ripieno.server.idempotency import IdempotentRoute
from ripieno.server.services import Admin, Served, Services
from ripieno.server.shapes.operating import (
    ArchiveRequest,
    AuditPage,
    AuditView,
    HaltList,
    HaltRequest,
    HaltView,
    PrunedView,
    PruneRequest,
)
from ripieno.store.retention import Retention

router = APIRouter(tags=["operating"], route_class=IdempotentRoute)


@router.get("/admin/halts", response_model=HaltList)
async def list_halts(services: Served, principal: Admin) -> Response:
    """What is stopped now."""
    del principal
    return answers.json(HaltList(data=[HaltView.of(halt) for halt in await services.halting.all()]))


@router.post("/admin/halt", response_model=HaltView)
async def halt(body: HaltRequest, services: Served, principal: Admin) -> Response:
    """Stop an agent, tool, model, run or tenant, or everything: calls under way end, no other begins."""
    return answers.json(HaltView.of(await services.halting.halt(principal, body.scope, body.reason)))


@router.post("/admin/unhalt", response_model=HaltView)
async def unhalt(body: HaltRequest, services: Served, principal: Admin) -> Response:
    """Let it go on. What waited for that is queued again."""
    return answers.json(HaltView.of(await services.halting.lift(principal, body.scope, body.reason)))


@router.post("/admin/prune", response_model=PrunedView)
async def prune(body: PruneRequest, services: Served, principal: Admin) -> Response:
    """Delete runs that ended long ago, some at a time, each family whole."""
    done = await _retention(services).prune(principal, body.older_than_days, archive=body.archive, dry_run=body.dry_run)
    return answers.json(PrunedView.of(done))


@router.post("/admin/archive", response_model=PrunedView)
async def archive(body: ArchiveRequest, services: Served, principal: Admin) -> Response:
    """Write runs that ended long ago to compressed bundles, some at a time, and delete nothing."""
    del principal
    after = body.after.place() if body.after else None
    return answers.json(PrunedView.of(await _retention(services).archive(body.older_than_days, after)))


def _retention(services: Services) -> Retention:
    if services.retention is None:
        raise Unavailable("this store keeps everything in memory")
    return services.retention


class AuditQuery(BaseModel):
    """Which audit rows."""

    action: str | None = None
    actor: str | None = None
    since: AwareDatetime | None = None
    limit: int = Field(default=50, ge=1, le=200, description="How many at most.")
    cursor: int | None = Field(default=None, ge=1, le=2**53, description="`next_cursor` of the page before.")


@router.get("/admin/audit", response_model=AuditPage)
async def list_audit_rows(
    query: Annotated[AuditQuery, Query()], request: Request, services: Served, principal: Admin
) -> Response:
    """Who did what, newest first."""
    which = AuditFilter(query.action, query.actor, query.since)
    found = await services.outbox.audits(principal.tenant, which, query.limit + 1, query.cursor)
    shown, more = answers.cut(found, query.limit)
    next_cursor = str(shown[-1].number) if more else None
    body = AuditPage(data=[AuditView.of(row) for row in shown], next_cursor=next_cursor)
    return answers.json(body, headers=answers.next_link(request, cursor=next_cursor))
