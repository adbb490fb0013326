"""The HTTP side of a server: one guarded client, and a transport in which a request that fails concerns itself alone.

In the MCP library a request that breaks takes the whole connection with it, and with the connection every other call.
Here it is answered with an error of our own instead, which says whether the request reached the server.
"""

import asyncio
import json
from collections.abc import Mapping
from http import HTTPStatus
from typing import Any, cast

import httpx2

from ripieno.domain.errors import RipienoError
from ripieno.tools.egress.policy import AnswerDenied
from ripieno.tools.mcp.process import MAX_LINE

UNSENT, BROKEN = 1, 2
"""Codes of our own errors: the server did not take the request; nobody knows how far it came."""

SESSION = "mcp-session-id"

_REFUSED = {HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN}
_BUSY = {HTTPStatus.TOO_MANY_REQUESTS, HTTPStatus.SERVICE_UNAVAILABLE}
_GONE = {HTTPStatus.BAD_REQUEST, HTTPStatus.NOT_FOUND}
_NEVER_LEFT = (httpx2.ConnectError, httpx2.ConnectTimeout, httpx2.PoolTimeout, httpx2.UnsupportedProtocol)


class HttpEnding:
    """Whether a connection over HTTP has ended: it does so when somebody says so."""

    def __init__(self) -> None:
        self.closed = asyncio.Event()
        self.ending = "its connection ended"

    def hang_up(self, reason: str = "") -> None:
        """Treat the connection as ended."""
        if not self.closed.is_set():
            self.ending = reason or self.ending
        self.closed.set()


class CalmTransport(httpx2.AsyncBaseTransport):
    """Answers a failed message with an error, marked as ours."""

    def __init__(self, inner: httpx2.AsyncBaseTransport, mark: str) -> None:
        self._inner = inner
        self._mark = mark

    async def handle_async_request(self, request: httpx2.Request) -> httpx2.Response:
        if request.method != "POST":
            return await self._inner.handle_async_request(request)
        try:
            response = await self._inner.handle_async_request(request)
            if response.headers.get("content-type", "").lower().startswith("text/event-stream"):
                return response
            body = await _whole(response)
        except AnswerDenied as error:
            return self._error(BROKEN, f"the answer was not let in ({_why(error)})")
        except _NEVER_LEFT as error:
            return self._error(UNSENT, f"the server cannot be reached ({_why(error)})")
        except httpx2.TransportError as error:
            return self._error(BROKEN, f"the exchange broke off ({_why(error)})")
        return self._judged(request, response, body)

    async def aclose(self) -> None:
        await self._inner.aclose()

    def _judged(self, request: httpx2.Request, response: httpx2.Response, body: bytes) -> httpx2.Response:
        status = response.status_code
        if status in _REFUSED:
            return self._error(UNSENT, f"the server refused our credentials (HTTP {status})", status)
        if status in _GONE and SESSION in request.headers and _is_about_sessions(status, body):
            return self._error(UNSENT, "the server forgot the session")
        if status in _BUSY:
            return self._error(UNSENT, f"the server takes no requests now (HTTP {status})")
        if status >= HTTPStatus.INTERNAL_SERVER_ERROR and not _is_error(body):
            return self._error(BROKEN, f"the server broke (HTTP {status})")
        headers = {name: value for name, value in response.headers.items() if name not in _OF_THE_BODY}
        return httpx2.Response(status, headers=headers, content=body, request=request)

    def _error(self, code: int, message: str, status: int = HTTPStatus.SERVICE_UNAVAILABLE) -> httpx2.Response:
        error = {"code": code, "message": message, "data": self._mark}
        return httpx2.Response(status, json={"jsonrpc": "2.0", "id": 0, "error": error})


_OF_THE_BODY = {"content-length", "transfer-encoding", "content-encoding"}


async def _whole(response: httpx2.Response) -> bytes:
    parts: list[bytes] = []
    size = 0
    try:
        async for part in cast("httpx2.AsyncByteStream", response.stream):
            size += len(part)
            if size > MAX_LINE:
                raise httpx2.ReadError(f"the answer has more than {MAX_LINE} bytes")
            parts.append(part)
    finally:
        await response.aclose()
    return b"".join(parts)


def _why(error: Exception) -> str:
    return error.detail if isinstance(error, RipienoError) else str(error)[:200] or type(error).__name__


def _is_about_sessions(status: int, body: bytes) -> bool:
    """A session that the server does not know: 404 by the specification, and 400 with words in practice."""
    return status == HTTPStatus.NOT_FOUND or b"session" in body[:2000].lower()


def _is_error(body: bytes) -> bool:
    try:
        found: Any = json.loads(body)
    except (ValueError, RecursionError):
        return False
    return isinstance(found, Mapping) and "error" in found and "jsonrpc" in found
