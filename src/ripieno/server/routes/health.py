"""How the server is. Open to everybody, so it says no more than that."""

from collections.abc import Sequence

from fastapi import APIRouter, Response

from ripieno.domain.errors import RipienoError
from ripieno.domain.filters import Counts
from ripieno.domain.workers import WorkerLoad
from ripieno.server import answers
from ripieno.server.services import Served, Services
from ripieno.server.shapes.things import AgentsPart, AliveView, HealthView, Part, QueuePart, WorkerView

router = APIRouter(tags=["health"])


@router.get("/health", response_model=HealthView)
async def get_health(services: Served) -> Response:
    """Every part and the whole; 503 when the whole is unhealthy."""
    return await _look(services)


@router.get("/health/live", response_model=AliveView)
async def get_liveness(services: Served) -> Response:
    """The process answers."""
    return answers.json(AliveView(version=services.config.version))


@router.get("/health/ready", response_model=HealthView)
async def get_readiness(services: Served) -> Response:
    """Whether to send requests here: 503 when the database is away or the server is stopping."""
    return await _look(services)


async def _look(services: Services) -> Response:
    counts, workers, database = await _database(services)
    count = len(await services.definitions.agents())
    wrong = len(await services.definitions.problems())
    agents = AgentsPart(
        status="degraded" if wrong else "healthy",
        detail=f"{wrong} definition file(s) cannot be used" if wrong else "",
        count=count,
    )
    healthy = database.status == "healthy" and not services.stopping.is_set()
    left = "runs are queued and no worker is alive" if counts.queued and not workers else ""
    queue = QueuePart(
        status="degraded" if left else "healthy",
        detail=left,
        queued=counts.queued,
        running=counts.running,
        parked=counts.parked,
    )
    so_so = "degraded" in {agents.status, queue.status}
    body = HealthView(
        status=("degraded" if so_so else "healthy") if healthy else "unhealthy",
        version=services.config.version,
        agents=agents,
        database=database,
        llm=Part(status="healthy", detail=services.config.default_model),
        queue=queue,
        workers=[WorkerView.of(worker) for worker in workers],
    )
    return answers.json(body, 200 if healthy else 503)


async def _database(services: Services) -> tuple[Counts, Sequence[WorkerLoad], Part]:
    try:
        return await services.records.counts(), await services.workers.alive(), Part(status="healthy")
    except RipienoError as error:
        return Counts(), (), Part(status="unhealthy", detail=error.code)
