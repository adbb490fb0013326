"""Agents: list, get, give one a task, find the one that fits."""

from typing import Annotated

from fastapi import APIRouter, Query, Request, Response

from ripieno.domain.jsons import JsonObject
from ripieno.domain.runs import RunStatus
from ripieno.server import answers, starting
from ripieno.server.answers import NameQuery, Wait
from ripieno.server.idempotency import StartingRoute
from ripieno.server.services import Caller, Served
from ripieno.server.shapes.requests import InvokeRequest, OrchestrateRequest
from ripieno.server.shapes.runs import RunAnswer
from ripieno.server.shapes.things import AgentDetail, AgentList, AgentView, Orchestrated

router = APIRouter(tags=["agents"], route_class=StartingRoute)

STARTED = frozenset({RunStatus.QUEUED, RunStatus.RUNNING, RunStatus.WAITING})


@router.get("/agent-profiles", response_model=AgentList, operation_id="list_agent_profiles")
@router.get("/agents", response_model=AgentList)
async def list_agents(
    query: Annotated[NameQuery, Query()], request: Request, services: Served, principal: Caller
) -> Response:
    """The agents and teams, by name, and the definition files that could not be used."""
    del principal
    agents = sorted(await services.definitions.agents(), key=lambda agent: agent.name)
    problems = await services.definitions.problems()
    page, next_cursor = query.page(agents, [agent.name for agent in agents])
    body = AgentList(data=[AgentView.of(agent) for agent in page], next_cursor=next_cursor, problems=problems)
    return answers.json(body, headers=answers.next_link(request, cursor=next_cursor))


@router.get("/agents/{name}", response_model=AgentDetail)
async def get_agent(name: str, services: Served, principal: Caller) -> Response:
    """An agent with everything its definition says."""
    del principal
    agent = await services.definitions.agent(name)
    return answers.json(AgentDetail.of(agent), headers={"etag": f'"{agent.version}"'})


@router.post(
    "/agents/{name}/invoke",
    status_code=201,
    response_model=RunAnswer,
    responses={200: {"model": RunAnswer, "description": "Ended"}, 202: {"model": RunAnswer, "description": "Goes on"}},
)
async def invoke_agent(
    name: str, body: InvokeRequest, request: Request, services: Served, principal: Caller, wait: Wait = None
) -> Response:
    """Give an agent a task."""
    return await starting.start(request, services, principal, body.to_start(name), wait)


@router.post(
    "/orchestrate",
    status_code=201,
    response_model=Orchestrated,
    responses={
        200: {"model": Orchestrated, "description": "Ended"},
        202: {"model": Orchestrated, "description": "Goes on"},
    },
)
async def orchestrate(
    body: OrchestrateRequest, request: Request, services: Served, principal: Caller, wait: Wait = None
) -> Response:
    """Find the agent that fits a goal best, all of them or those named considered, and start it."""
    goal = body.wanted()
    agent = await services.engine.match(principal.tenant, goal, body.agent_ids or None)
    return await starting.start(request, services, principal, body.start(goal, agent.name), wait, _orchestrated)


def _orchestrated(shown: RunAnswer) -> Orchestrated:
    status = "started" if shown.status in STARTED else shown.status.value
    shape: JsonObject = {**dict(shown), "status": status, "sessionId": shown.session_id}
    return Orchestrated.model_construct(**shape)
