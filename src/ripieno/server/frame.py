"""The rings around every request: names it, finds its canonical address, bounds its body, catches what falls out.

Plain ASGI, because streams pass through and each request pays for each ring.
"""

import re

from starlette.datastructures import Headers, MutableHeaders
from starlette.exceptions import HTTPException
from starlette.types import ASGIApp, Message, Receive, Scope, Send
from structlog.contextvars import bound_contextvars

from ripieno.ports import Clock
from ripieno.server import errors
from ripieno.tools.openapi.documents import MOST_BYTES

REQUEST_ID = re.compile(r"[A-Za-z0-9._:-]{1,128}")
TRACEPARENT = re.compile(r"[0-9a-f]{2}-(?!0{32})([0-9a-f]{32})-(?!0{16})[0-9a-f]{16}-[0-9a-f]{2}")
SECURITY = (
    ("x-content-type-options", "nosniff"),
    ("x-frame-options", "DENY"),
    ("referrer-policy", "no-referrer"),
    ("content-security-policy", "default-src 'none'; style-src 'unsafe-inline'; frame-ancestors 'none'"),
    ("cache-control", "no-store"),
)

OUTSIDE = frozenset({"/", "/docs", "/openapi.json", "/console", "/metrics"})
"""Addresses that exist once, not under every prefix. `/problems/…` is the other one."""


class FramedApp:
    """Gives each request an id and a trace, each answer its headers, and each unexpected error an answer."""

    def __init__(self, app: ASGIApp, clock: Clock) -> None:
        self._app = app
        self._clock = clock

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] not in {"http", "websocket"}:
            await self._app(scope, receive, send)
            return
        headers = Headers(scope=scope)
        new_id = self._clock.new_id("req")
        given = headers.get("x-request-id", "")
        request_id = given if REQUEST_ID.fullmatch(given) else new_id
        trace = TRACEPARENT.fullmatch(headers.get("traceparent", ""))
        own = new_id.rpartition("_")[2]
        trace_id = trace[1] if trace else own
        scope.setdefault("state", {}).update(request_id=request_id, trace_id=trace_id, path=scope["path"])
        started = False

        async def framed(message: Message) -> None:
            nonlocal started
            if message["type"] in {"http.response.start", "websocket.http.response.start"}:
                started = True
                out = MutableHeaders(scope=message)
                out["x-request-id"] = request_id
                out["traceparent"] = f"00-{trace_id}-{own[16:]}-01"
                for name, value in SECURITY:
                    out.setdefault(name, value)
            await send(message)

        with bound_contextvars(trace_id=trace_id, request_id=request_id):
            try:
                await self._app(scope, receive, framed)
            except Exception as error:  # noqa: BLE001 - the edge: what falls out here is logged and answered
                response = errors.defect(scope, error)
                if scope["type"] == "http" and not started:
                    await response(scope, receive, framed)


class AliasedApp:
    """Serves one set of addresses at `/v1`, `/api/v1` and `/`, with and without a slash at the end."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] in {"http", "websocket"} and (path := canonical(scope["path"])) != scope["path"]:
            scope = {**scope, "path": path, "raw_path": path.encode()}
        await self._app(scope, receive, send)


def canonical(path: str) -> str:
    """The documented address of a path."""
    path = path.rstrip("/") or "/"
    if path in OUTSIDE or path.startswith(("/v1/", "/problems/", "/console/")):
        return path
    return f"/v1{path.removeprefix('/api/v1')}"


UPLOADS = "/v1/artifacts"
"""Where bodies are files, of any kind."""

DESCRIPTIONS = ("/v1/tools", "/v1/tools/import/openapi")
"""Where bodies may hold descriptions of APIs."""

FORM = 64_000
"""What a form may have around a file."""


class BoundedApp:
    """Refuses bodies that are too large or not JSON, before they are read or while they arrive.

    Files may be larger, and so may descriptions of APIs, for which the limit is that of their import.
    """

    def __init__(self, app: ASGIApp, body_bytes: int, file_bytes: int) -> None:
        self._app = app
        self._limit = body_bytes
        descriptions = max(body_bytes, MOST_BYTES)
        self._larger = {UPLOADS: file_bytes + FORM, **dict.fromkeys(DESCRIPTIONS, descriptions)}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or scope["method"] in {"GET", "HEAD", "OPTIONS"}:
            await self._app(scope, receive, send)
            return
        is_file = scope["path"] == UPLOADS
        limit = self._larger.get(scope["path"], self._limit)
        if refusal := _refusal(Headers(scope=scope), limit, is_file=is_file):
            code, detail = refusal
            await errors.problem(scope, code, detail, headers={"connection": "close"})(scope, receive, send)
            return
        size = 0

        async def bounded() -> Message:
            nonlocal size
            message = await receive()
            size += len(message.get("body", b""))
            if size > limit:
                raise HTTPException(413, headers={"connection": "close"})
            return message

        await self._app(scope, bounded, send)


def _refusal(headers: Headers, limit: int, *, is_file: bool) -> tuple[str, str] | None:
    length = headers.get("content-length", "0")
    if not length.isdecimal():
        return "bad_request", "Content-Length is not a number"
    if int(length) > limit:
        return "too_large", f"the body may have {limit} bytes"
    media_type = headers.get("content-type", "").partition(";")[0].strip().lower()
    has_body = int(length) > 0 or "transfer-encoding" in headers
    if has_body and not is_file and not (media_type == "application/json" or media_type.endswith("+json")):
        return "unsupported_media_type", f"send application/json, not {media_type or 'nothing named'}"
    return None
