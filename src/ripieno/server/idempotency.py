"""`Idempotency-Key`: the first answer again, for every route that writes.

The key is reserved under (tenant, principal, method, path) with a hash of the body and an id. Routes that start runs
give that id to their run, so a request that was cut off can be tried again and still starts one run.
"""

import hashlib
import re
from collections.abc import Callable, Coroutine
from dataclasses import replace
from typing import Any, ClassVar

from fastapi import Request, Response
from fastapi.exceptions import RequestValidationError
from fastapi.routing import APIRoute
from starlette.exceptions import HTTPException

from ripieno.domain import ids
from ripieno.domain.errors import IdempotencyConflict, IdempotencyInFlight, Problem, RipienoError
from ripieno.domain.replies import StoredReply
from ripieno.server import errors
from ripieno.server.bodies import StrictRequest
from ripieno.server.errors import ServerProblem
from ripieno.server.services import Services

KEY = re.compile(r"[\x21-\x7e]{1,255}")
REFUSED = frozenset({400, 401, 403, 404, 405, 413, 415, 422, 429})
"""Answers to requests that were not even begun: their key is free again."""

KEPT_HEADERS = frozenset({"content-type", "location", "etag", "link"})

WRITES = frozenset({"POST", "PUT", "PATCH", "DELETE"})

Handler = Callable[[Request], Coroutine[Any, Any, Response]]


class IdempotentRoute(APIRoute):
    """A route that, where it writes, honours `Idempotency-Key` and reads JSON strictly."""

    starts_run: ClassVar[bool] = False

    def get_route_handler(self) -> Handler:
        """Wrap the route's handler."""
        handler = super().get_route_handler()
        if not WRITES & (self.methods or set()):
            return handler

        async def handle(plain: Request) -> Response:
            request = StrictRequest(plain.scope, plain.receive)
            key = request.headers.get("idempotency-key")
            if key is None:
                return await handler(request)
            return await _Kept(request, key, starts_run=self.starts_run).answer(handler)

        return handle


class StartingRoute(IdempotentRoute):
    """A route that starts a run, under the id that is reserved with the key."""

    starts_run: ClassVar[bool] = True


def reserved_id(request: Request) -> str | None:
    """The id that a run-starting request must give to its run; None without an idempotency key."""
    return getattr(request.state, "resource_id", None)


class _Kept:
    """One request under a key."""

    def __init__(self, request: Request, key: str, *, starts_run: bool) -> None:
        if not KEY.fullmatch(key):
            problems = [Problem("/Idempotency-Key", "1 to 255 visible ASCII characters")]
            raise ServerProblem("invalid", "the idempotency key is not valid", problems)
        self._request = request
        self._key = key
        self._starts_run = starts_run
        self._services: Services = request.app.state.services
        self._serving: set[tuple[str, str]] = request.app.state.serving
        principal = request.state.principal
        self._scope = f"{principal.tenant}\n{principal.id}\n{request.method} {request.url.path}"

    async def answer(self, handler: Handler) -> Response:
        """The first answer again, or the first answer."""
        body_hash = hashlib.sha256(await self._request.body()).hexdigest()
        place = (self._scope, self._key)
        resource_id = self._services.clock.new_id(ids.RUN)
        before = await self._services.replies.begin(self._scope, self._key, body_hash, resource_id)
        if before is not None:
            if before.body_hash != body_hash:
                raise IdempotencyConflict("this idempotency key was used with another request body")
            if 0 < before.status < 500:  # noqa: PLR2004 - answers from 500 on are tried again
                return _again(before)
            if place in self._serving:
                raise IdempotencyInFlight("the first request under this key is still being served; ask again soon")
            self._may_try_again(before)
            resource_id = before.resource_id
        self._serving.add(place)
        try:
            return await self._first(
                handler, StoredReply(body_hash, resource_id, status=500), retried=before is not None
            )
        finally:
            self._serving.discard(place)

    def _may_try_again(self, before: StoredReply) -> None:
        """What an earlier process left unanswered may be tried again only where that cannot do anything twice."""
        if before.status == 0 and not self._starts_run:
            raise ServerProblem(
                "idempotency_unknown",
                "the server stopped during the first request; look whether it took effect, then use a new key",
            )

    async def _first(self, handler: Handler, failed: StoredReply, *, retried: bool) -> Response:
        """Serve the request; what stays under the key is its answer, or `failed`, after which it may be tried again.

        An earlier try may have begun something under the reserved id, so a refusal of a later one does not free it.
        """
        self._request.state.resource_id = failed.resource_id
        replies = self._services.replies
        try:
            response = await self._answered(handler)
        except Exception:
            await replies.complete(self._scope, self._key, failed)
            raise
        if response.status_code not in REFUSED:
            headers = {name: value for name, value in response.headers.items() if name in KEPT_HEADERS}
            body = bytes(response.body).decode()
            answered = replace(failed, status=response.status_code, headers=headers, body=body)
            await replies.complete(self._scope, self._key, answered)
        elif retried:
            await replies.complete(self._scope, self._key, failed)
        else:
            await replies.forget(self._scope, self._key)
        return response

    async def _answered(self, handler: Handler) -> Response:
        """Refusals are answers too, and are kept like any other."""
        try:
            return await handler(self._request)
        except (RipienoError, RequestValidationError, HTTPException) as error:
            return errors.answer(self._request.scope, error)


def _again(reply: StoredReply) -> Response:
    headers = {**reply.headers, "idempotent-replayed": "true"}
    return Response(reply.body, reply.status, headers)
