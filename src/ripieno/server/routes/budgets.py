"""Budgets: what may be spent, set and shown; and what was used."""

from datetime import datetime, timedelta
from typing import Annotated

from fastapi import APIRouter, Query, Response
from pydantic import AwareDatetime, BaseModel, ConfigDict

from ripieno.domain.budgets import UsageGroup, Window
from ripieno.domain.errors import Invalid, Problem
from ripieno.server import answers
from ripieno.server.idempotency import IdempotentRoute
from ripieno.server.services import Admin, Caller, Served
from ripieno.server.shapes.budgets import BudgetList, BudgetRequest, BudgetView, CostList, UsageGroupView, UsageList

router = APIRouter(tags=["budgets"], route_class=IdempotentRoute)

USUAL = timedelta(days=30)
LONGEST = timedelta(days=366)


class UsageQuery(BaseModel):
    """Whose usage, and of what time; without `since` that of the last 30 days."""

    model_config = ConfigDict(extra="forbid")

    group_by: UsageGroup = UsageGroup.AGENT
    since: AwareDatetime | None = None
    until: AwareDatetime | None = None


@router.get("/budgets", response_model=BudgetList)
async def list_budgets(services: Served, principal: Caller) -> Response:
    """The budgets there are and how they stand."""
    states = await services.budgets.states(principal.tenant)
    return answers.json(BudgetList(data=[BudgetView.of(state) for state in states]))


@router.put("/budgets", response_model=BudgetView)
async def put_budget(body: BudgetRequest, services: Served, principal: Admin) -> Response:
    """Set the budget of a scope and window, in place of the one before; what was spent in the window stays spent."""
    return answers.json(BudgetView.of(await services.budgets.put(body.budget(principal))))


@router.delete("/budgets", status_code=204, response_class=Response)
async def delete_budget(scope: str, services: Served, principal: Admin, window: Window = Window.TOTAL) -> Response:
    """Remove the budget of a scope and window."""
    await services.budgets.remove(principal.tenant, scope, window, principal.id)
    return Response(status_code=204)


@router.get("/usage", response_model=UsageList)
async def get_usage(query: Annotated[UsageQuery, Query()], services: Served, principal: Caller) -> Response:
    """What runs used, counted from their journals, by agent, model, session, user, tenant or day."""
    since, until = _span(query, services.clock.now())
    rows = await services.budgets.usage(principal.tenant, query.group_by, since, until)
    shown = [UsageGroupView.of(row) for row in rows]
    return answers.json(UsageList(data=shown, since=since, until=until))


@router.get("/metrics/costs", response_model=CostList)
async def get_costs(query: Annotated[UsageQuery, Query()], services: Served, principal: Caller) -> Response:
    """What runs cost, the dearest first, and in all; counted as usage is."""
    since, until = _span(query, services.clock.now())
    rows = await services.budgets.usage(principal.tenant, query.group_by, since, until)
    return answers.json(CostList.of(rows, query.group_by, since, until))


def _span(query: UsageQuery, now: datetime) -> tuple[datetime, datetime]:
    until = query.until or now
    since = query.since or until - USUAL
    if not timedelta() <= until - since <= LONGEST:
        problem = Problem("/since", "query parameter: give a span of at most 366 days that ends after it begins")
        raise Invalid("that is no span of time to count", [problem])
    return since, until
