"""What the routes stand on, handed over once by the composition root."""

import asyncio
from dataclasses import dataclass, field
from typing import Annotated

from fastapi import Depends
from starlette.requests import HTTPConnection

from ripieno.domain.artifacts import LARGEST
from ripieno.domain.errors import Defect, Forbidden
from ripieno.domain.principals import Principal
from ripieno.engine.api import Engine
from ripieno.engine.direct import DirectCalls
from ripieno.engine.halting import Halting
from ripieno.engine.past.past import Past
from ripieno.engine.post import PostOffice
from ripieno.engine.publishing import Publishing
from ripieno.engine.receiving import Receiving
from ripieno.engine.replaying import Replaying
from ripieno.engine.schedules import Scheduler
from ripieno.governance.access import StaticAccess
from ripieno.governance.budgets import LeasedBudgets
from ripieno.governance.tenancy import Tenants
from ripieno.models.gateway import Gateway
from ripieno.ports import Artifacts, Clock, DeadLetters, Definitions, Outbox, Records, Secrets, Workers
from ripieno.server.replies import Replies
from ripieno.store.retention import Retention
from ripieno.tools.egress.explaining import Explainer
from ripieno.tools.egress.policy import EgressPolicy
from ripieno.tools.mcp.servers import McpServers
from ripieno.tools.openapi.imports import ImportedApis
from ripieno.tools.plane import ToolPlane

ADMIN = "admin"
"""The role of administrators."""


@dataclass(frozen=True, slots=True)
class HttpConfig:
    """How the HTTP door behaves. `allowed_hosts` are names (with or without port) under which it may be reached."""

    host: str = "127.0.0.1"
    port: int = 8000
    body_bytes: int = 2_000_000
    file_bytes: int = LARGEST
    allowed_hosts: tuple[str, ...] = ()
    version: str = ""
    default_model: str = "offline"
    keep_alive_seconds: float = 15.0


@dataclass(frozen=True, slots=True)
class Services:
    """Everything that a request may need. Set `stopping` when the server stops: streams then end by themselves."""

    engine: Engine
    past: Past
    scheduler: Scheduler
    direct: DirectCalls
    post: PostOffice
    receiving: Receiving
    publishing: Publishing
    records: Records
    workers: Workers
    replies: Replies
    dead_letters: DeadLetters
    replaying: Replaying
    halting: Halting
    outbox: Outbox
    definitions: Definitions
    secrets: Secrets
    tenants: Tenants
    apis: ImportedApis
    plane: ToolPlane
    artifacts: Artifacts
    mcp: McpServers
    budgets: LeasedBudgets
    clock: Clock
    access: StaticAccess
    config: HttpConfig
    egress: Explainer = field(default_factory=lambda: Explainer(EgressPolicy()))
    gateway: Gateway | None = None
    retention: Retention | None = None
    stopping: asyncio.Event = field(default_factory=asyncio.Event)

    @property
    def models(self) -> Gateway:
        """Providers, routes and what is known of models. Raises `Defect` where a program put a model in their place."""
        if self.gateway is None:
            raise Defect("this platform was put together without providers and routes")
        return self.gateway


async def _services(connection: HTTPConnection) -> Services:
    return connection.app.state.services


async def _principal(connection: HTTPConnection) -> Principal:
    return connection.state.principal


async def _admin(connection: HTTPConnection) -> Principal:
    principal: Principal = connection.state.principal
    if ADMIN not in principal.roles:
        raise Forbidden(f"{principal.id} is no administrator")
    return principal


Served = Annotated[Services, Depends(_services)]
"""The services, as a parameter of a route."""

Caller = Annotated[Principal, Depends(_principal)]
"""Who asks, as a parameter of a route."""

Admin = Annotated[Principal, Depends(_admin)]
"""Who asks, and is an administrator."""
