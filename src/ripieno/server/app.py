"""Puts the HTTP door together: rings outside, routes inside, one OpenAPI document about it."""

from typing import Any

from fastapi import APIRouter, FastAPI
from fastapi.openapi.utils import get_openapi
from fastapi.routing import APIRoute

from ripieno.domain.jsons import JsonObject
from ripieno.server import errors, pages
from ripieno.server.answers import PROBLEMS, ProblemView
from ripieno.server.auth import PUBLIC, GuardedApp
from ripieno.server.frame import AliasedApp, BoundedApp, FramedApp
from ripieno.server.routes import (
    agents,
    apis,
    artifacts,
    budgets,
    dead_letters,
    egress,
    events,
    health,
    history,
    interrupts,
    journal,
    mcp_servers,
    messages,
    operating,
    providers,
    routing,
    runs,
    schedules,
    schemas,
    secrets,
    sessions,
    streams,
    tenants,
    tools,
)
from ripieno.server.services import Services

DESCRIPTION = """Run many LLM agents together: durable, governed, visible.

Every address is also served without `/v1` and below `/api/v1`, and with a slash at its end. Errors are
`application/problem+json`. Every writing request takes an `Idempotency-Key`."""

SECURITY: dict[str, JsonObject] = {
    "bearer": {"type": "http", "scheme": "bearer"},
    "api_key": {"type": "apiKey", "in": "header", "name": "X-API-Key"},
    "admin_token": {"type": "apiKey", "in": "header", "name": "x-admin-token"},
}


def create_app(services: Services) -> FastAPI:
    """The ASGI application. Set `services.stopping` before stopping the server, so that streams end."""
    app = _Documented(
        title="Ripieno",
        version=services.config.version,
        description=DESCRIPTION,
        docs_url=None,
        redoc_url=None,
        redirect_slashes=False,
        generate_unique_id_function=_operation_id,
        telemetry={"tracing": False},
    )
    app.state.services = services
    app.state.serving = set[tuple[str, str]]()
    app.include_router(pages.router)
    app.include_router(_v1(), prefix="/v1", responses=PROBLEMS)
    errors.install(app)
    # The last one added is the outermost.
    app.add_middleware(BoundedApp, body_bytes=services.config.body_bytes, file_bytes=services.config.file_bytes)
    app.add_middleware(GuardedApp, access=services.access, allowed_hosts=services.config.allowed_hosts)
    app.add_middleware(AliasedApp)
    app.add_middleware(FramedApp, clock=services.clock)
    return app


MODULES = (
    runs,
    history,
    journal,
    streams,
    schedules,
    messages,
    interrupts,
    agents,
    tools,
    apis,
    artifacts,
    mcp_servers,
    secrets,
    tenants,
    budgets,
    sessions,
    dead_letters,
    egress,
    events,
    operating,
    providers,
    routing,
    schemas,
    health,
)
"""In the order of the documentation."""


def _v1() -> APIRouter:
    v1 = APIRouter(redirect_slashes=False)
    v1.include_router(runs.starters)
    v1.include_router(history.starters)
    v1.include_router(tools.callers)
    v1.include_router(schedules.starters)
    v1.include_router(messages.senders)
    v1.include_router(events.publishers)
    for module in MODULES:
        v1.include_router(module.router)
    return v1


def _operation_id(route: APIRoute) -> str:
    return route.name


class _Documented(FastAPI):
    """Adds to the document what is true of all operations: how to authenticate, what problems look like."""

    def openapi(self) -> dict[str, Any]:
        """The OpenAPI document, made once."""
        if self.openapi_schema is None:
            document = get_openapi(
                title=self.title,
                version=self.version,
                description=self.description,
                routes=self.routes,
            )
            components = document.setdefault("components", {})
            components["securitySchemes"] = SECURITY
            components.setdefault("schemas", {})["ProblemView"] = ProblemView.model_json_schema()
            for path, methods in document["paths"].items():
                if path not in PUBLIC:
                    for operation in methods.values():
                        operation["security"] = [{name: []} for name in SECURITY]
            self.openapi_schema = document
        return self.openapi_schema
