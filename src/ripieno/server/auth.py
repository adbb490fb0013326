"""Who asks, and whether the question comes from where it may: the ring in front of every route."""

from starlette.datastructures import Headers
from starlette.requests import HTTPConnection
from starlette.responses import Response
from starlette.types import ASGIApp, Receive, Scope, Send

from ripieno.domain.errors import RipienoError
from ripieno.governance.access import StaticAccess, is_loopback
from ripieno.server import errors
from ripieno.server.errors import ServerProblem

SAFE_METHODS = frozenset({"GET", "HEAD", "OPTIONS"})
PUBLIC = frozenset({"/", "/docs", "/openapi.json", "/console", "/v1/health", "/v1/health/live", "/v1/health/ready"})
PORTS = {"http": "80", "https": "443", "ws": "80", "wss": "443"}


class GuardedApp:
    """Checks Host, Origin and credential; puts the principal into the request's state."""

    def __init__(self, app: ASGIApp, access: StaticAccess, allowed_hosts: tuple[str, ...]) -> None:
        self._app = app
        self._access = access
        self._allowed = frozenset(host.lower() for host in allowed_hosts)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] not in {"http", "websocket"}:
            await self._app(scope, receive, send)
            return
        try:
            self._check(HTTPConnection(scope))
        except RipienoError as error:
            await _refuse(scope, receive, send, errors.answer(scope, error))
            return
        await self._app(scope, receive, send)

    def _check(self, connection: HTTPConnection) -> None:
        headers = connection.headers
        scope = connection.scope
        for host in headers.getlist("host") or [""]:
            self._check_host(host)
        if scope["type"] == "websocket" or scope["method"] not in SAFE_METHODS:
            self._check_origin(headers)
        path: str = scope["path"]
        if path not in PUBLIC and not path.startswith("/problems/"):
            connection.state.principal = self._access.principal(credential(headers))

    def _check_host(self, host: str) -> None:
        """A page of another site that has pointed its name at this machine sends that name as Host."""
        name = host_name(host)
        if (self._access.local and is_loopback(name)) or self._is_allowed(host):
            return
        if self._access.local or self._allowed:
            raise ServerProblem("host_refused", "add the name to allowed_hosts if this server is reached by it")

    def _check_origin(self, headers: Headers) -> None:
        origin = headers.get("origin")
        if origin is None:
            return
        scheme, _, place = origin.lower().partition("://")
        same = _with_port(scheme, place) == _with_port(scheme, headers.get("host", "").lower())
        if not place or not (same or self._is_allowed(place)):
            raise ServerProblem("origin_refused", "add the page's host to allowed_hosts if it may write here")

    def _is_allowed(self, host: str) -> bool:
        return host.lower() in self._allowed or host_name(host) in self._allowed


def credential(headers: Headers) -> str | None:
    """The key that came with a request, in whichever header."""
    scheme, _, token = headers.get("authorization", "").partition(" ")
    if scheme.lower() == "bearer" and token.strip():
        return token.strip()
    return headers.get("x-api-key") or headers.get("x-admin-token")


def host_name(host: str) -> str:
    """A Host header without its port and without brackets."""
    if host.startswith("["):
        return host[1:].partition("]")[0].lower()
    return host.partition(":")[0].rstrip(".").lower()


def _with_port(scheme: str, host: str) -> str:
    has_port = ":" in host.rpartition("]")[2]
    return host if has_port else f"{host}:{PORTS.get(scheme, '')}"


async def _refuse(scope: Scope, receive: Receive, send: Send, response: Response) -> None:
    """Answer a refusal; a WebSocket gets it as the answer to its handshake where the server can send one."""
    if scope["type"] == "http" or "websocket.http.response" in scope.get("extensions", {}):
        await response(scope, receive, send)
    else:
        await send({"type": "websocket.close", "code": 1008})
