"""Questions to people: list, get, decide, delegate, escalate. Approvals are the interrupts of that kind."""

from collections.abc import Sequence
from typing import Annotated

from fastapi import APIRouter, Query, Request, Response
from pydantic import Field

from ripieno.domain.errors import NotFound
from ripieno.domain.filters import InterruptFilter
from ripieno.domain.interrupts import Interrupt, InterruptKind, InterruptStatus
from ripieno.domain.principals import Principal
from ripieno.server import answers
from ripieno.server.answers import PageQuery
from ripieno.server.idempotency import IdempotentRoute
from ripieno.server.services import Caller, Served, Services
from ripieno.server.shapes.requests import DecideRequest, DelegateRequest
from ripieno.server.shapes.things import InterruptPage, InterruptView

router = APIRouter(tags=["interrupts"], route_class=IdempotentRoute)


ASSIGNEE = "Put to this principal, or to this role: `role:NAME`."


class InterruptQuery(PageQuery):
    """Which questions."""

    kind: InterruptKind | None = None
    status: InterruptStatus | None = None
    run_id: str | None = None
    assignee: str | None = Field(default=None, description=ASSIGNEE)


class ApprovalQuery(PageQuery):
    """Which approvals."""

    status: InterruptStatus | None = None
    run_id: str | None = None
    assignee: str | None = Field(default=None, description=ASSIGNEE)


@router.get("/interrupts", response_model=InterruptPage)
async def list_interrupts(
    query: Annotated[InterruptQuery, Query()], request: Request, services: Served, principal: Caller
) -> Response:
    """Questions to people, newest first."""
    which = InterruptFilter(query.kind, query.status, query.run_id, query.assignee)
    found = await services.records.interrupts(principal.tenant, which, query.limit + 1, query.cursor)
    return _page(request, query, found)


@router.get("/approvals", response_model=InterruptPage)
async def list_approvals(
    query: Annotated[ApprovalQuery, Query()], request: Request, services: Served, principal: Caller
) -> Response:
    """Approvals, newest first."""
    which = InterruptFilter(InterruptKind.APPROVAL, query.status, query.run_id, query.assignee)
    found = await services.records.interrupts(principal.tenant, which, query.limit + 1, query.cursor)
    return _page(request, query, found)


@router.get("/interrupts/{interrupt_id}", response_model=InterruptView)
async def get_interrupt(interrupt_id: str, services: Served, principal: Caller) -> Response:
    """One question."""
    return answers.json(InterruptView.of(await services.records.interrupt(principal.tenant, interrupt_id)))


@router.get("/approvals/{interrupt_id}", response_model=InterruptView)
async def get_approval(interrupt_id: str, services: Served, principal: Caller) -> Response:
    """One approval."""
    await _must_be_approval(services, principal, interrupt_id)
    return await get_interrupt(interrupt_id, services, principal)


@router.post("/interrupts/{interrupt_id}/decide", response_model=InterruptView)
async def decide_interrupt(interrupt_id: str, body: DecideRequest, services: Served, principal: Caller) -> Response:
    """Decide. The first decision counts and the run goes on; where several people must approve, when they have."""
    decided = await services.engine.decide(principal, interrupt_id, body.to_decision(principal.id))
    return answers.json(InterruptView.of(decided))


@router.post("/approvals/{interrupt_id}/decide", response_model=InterruptView)
async def decide_approval(interrupt_id: str, body: DecideRequest, services: Served, principal: Caller) -> Response:
    """Approve or deny."""
    await _must_be_approval(services, principal, interrupt_id)
    return await decide_interrupt(interrupt_id, body, services, principal)


@router.post("/interrupts/{interrupt_id}/delegate", response_model=InterruptView)
async def delegate_interrupt(interrupt_id: str, body: DelegateRequest, services: Served, principal: Caller) -> Response:
    """Put the question to others: in one's own place or, by an admin, in place of all."""
    services.access.must_know(body.to, principal.tenant)
    return answers.json(InterruptView.of(await services.engine.delegate(principal, interrupt_id, body.to)))


@router.post("/approvals/{interrupt_id}/delegate", response_model=InterruptView)
async def delegate_approval(interrupt_id: str, body: DelegateRequest, services: Served, principal: Caller) -> Response:
    """Put the approval to others."""
    await _must_be_approval(services, principal, interrupt_id)
    return await delegate_interrupt(interrupt_id, body, services, principal)


@router.post("/interrupts/{interrupt_id}/escalate", response_model=InterruptView)
async def escalate_interrupt(interrupt_id: str, services: Served, principal: Caller) -> Response:
    """Put the question to those above, once, with new time to decide."""
    return answers.json(InterruptView.of(await services.engine.escalate(principal, interrupt_id)))


@router.post("/approvals/{interrupt_id}/escalate", response_model=InterruptView)
async def escalate_approval(interrupt_id: str, services: Served, principal: Caller) -> Response:
    """Put the approval to those above."""
    await _must_be_approval(services, principal, interrupt_id)
    return await escalate_interrupt(interrupt_id, services, principal)


def _page(request: Request, query: PageQuery, found: Sequence[Interrupt]) -> Response:
    shown, more = answers.cut(found, query.limit)
    next_cursor = shown[-1].id if more else None
    data = [InterruptView.of(interrupt) for interrupt in shown]
    body = InterruptPage.model_construct(data=data, next_cursor=next_cursor)
    return answers.json(body, headers=answers.next_link(request, cursor=next_cursor))


async def _must_be_approval(services: Services, principal: Principal, interrupt_id: str) -> None:
    interrupt = await services.records.interrupt(principal.tenant, interrupt_id)
    if interrupt.kind is not InterruptKind.APPROVAL:
        raise NotFound("approval", interrupt_id)
