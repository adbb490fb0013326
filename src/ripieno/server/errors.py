"""Errors as answers: one table from code to status, one shape (RFC 9457 problem+json)."""

import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

from fastapi import FastAPI
from fastapi.exceptions import RequestValidationError
from pydantic_core import to_json
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.types import Scope

from ripieno.domain import errors
from ripieno.domain.errors import Problem, RipienoError
from ripieno.domain.jsons import Json, JsonObject

log = logging.getLogger("ripieno.server")

MEDIA_TYPE = "application/problem+json"


@dataclass(frozen=True, slots=True)
class Kind:
    """What a code means: HTTP status and title."""

    status: int
    title: str


KINDS: dict[str, Kind] = {
    "malformed": Kind(400, "The body is not valid JSON"),
    "bad_request": Kind(400, "The request cannot be understood"),
    "unauthenticated": Kind(401, "A valid key is needed"),
    "denied": Kind(403, "Not allowed"),
    "forbidden": Kind(403, "Not allowed"),
    "host_refused": Kind(403, "The Host header does not name this server"),
    "origin_refused": Kind(403, "Requests from pages of other sites are refused"),
    "own_request": Kind(403, "Somebody else must approve this"),
    "not_assignee": Kind(403, "The question was put to others"),
    "tool_denied": Kind(403, "Policy does not allow this call here"),
    "not_found": Kind(404, "There is no such thing"),
    "route_not_found": Kind(404, "There is no such address"),
    "method_not_allowed": Kind(405, "The address does not have this method"),
    "conflict": Kind(409, "The state of the thing does not allow it"),
    "run_ended": Kind(409, "The run has ended"),
    "mailbox_full": Kind(409, "The mailbox is full"),
    "not_paused": Kind(409, "The run is not paused"),
    "session_busy": Kind(409, "Another run of the session has not ended"),
    "intent_refused": Kind(409, "The run is being cancelled or paused"),
    "run_active": Kind(409, "The run has not ended"),
    "works_for_another": Kind(409, "The run worked for another run"),
    "nothing_to_retry": Kind(409, "The run did not fail, and no point was named"),
    "nothing_to_undo": Kind(409, "The run changed nothing that is not undone already"),
    "effects_unknown": Kind(409, "Nobody knows whether some effects happened"),
    "effects_done": Kind(409, "Effects have happened that may be done again"),
    "effects_undone": Kind(409, "Effects were undone that would be built on"),
    "cannot_be_undone": Kind(409, "Some effects cannot be undone"),
    "already_decided": Kind(409, "Somebody has decided already"),
    "already_voted": Kind(409, "This principal has approved already"),
    "already_escalated": Kind(409, "The question was escalated already"),
    "interrupt_expired": Kind(409, "The time to decide has passed"),
    "which_interrupt": Kind(409, "The run has no open interrupt, or several"),
    "dead_letter_settled": Kind(409, "The dead letter was dealt with in another way"),
    "replay_refused": Kind(409, "The dead letter cannot be replayed"),
    "name_taken": Kind(409, "Something else has this name"),
    "managed_by_file": Kind(409, "A file defines it, so it is changed there"),
    "already_received": Kind(409, "Somebody has received the message"),
    "stale": Kind(412, "Somebody changed it since it was read"),
    "idempotency_conflict": Kind(409, "The idempotency key was used with another body"),
    "idempotency_in_flight": Kind(409, "The first request under this idempotency key is still being served"),
    "idempotency_unknown": Kind(409, "Nobody knows whether the first request under this idempotency key took effect"),
    "too_large": Kind(413, "The body is too large"),
    "unsupported_media_type": Kind(415, "The body must be JSON"),
    "rejected": Kind(422, "The request cannot be carried out"),
    "invalid": Kind(422, "The request is not valid"),
    "invalid_arguments": Kind(422, "The arguments do not fit the tool"),
    "unsupported_input": Kind(422, "The model does not take this kind of file"),
    "context_exceeded": Kind(422, "The conversation is longer than the model takes"),
    "workflows_unavailable": Kind(422, "Workflows are not part of this version"),
    "error": Kind(500, "Something went wrong"),
    "internal": Kind(500, "Something went wrong here"),
    "defect": Kind(500, "Something broke a promise"),
    "journal_mismatch": Kind(500, "A run and its journal do not agree"),
    "secret_unreadable": Kind(500, "A secret cannot be opened"),
    "leg_lost": Kind(500, "The run moved to another worker"),
    "no_route": Kind(502, "No rule has a model for the request"),
    "model_error": Kind(502, "A model provider refused the request"),
    "halted": Kind(503, "An operator has stopped it"),
    "unavailable": Kind(503, "Something that is needed does not answer now"),
    "model_unavailable": Kind(503, "A model provider does not answer now"),
    "rate_limited": Kind(429, "A limit leaves no room now"),
    "tool_unavailable": Kind(503, "A tool is not there now"),
    "secrets_locked": Kind(503, "The master keys of secrets are missing"),
    "call_unfinished": Kind(503, "The tool call has not ended"),
    "admission_closed": Kind(503, "Too many runs are queued"),
    "store_busy": Kind(503, "The database cannot be used now"),
}
"""Every code that the API can answer. Stable: clients and the documentation rely on them."""

BY_STATUS = {
    400: "bad_request",
    404: "route_not_found",
    405: "method_not_allowed",
    413: "too_large",
    415: "unsupported_media_type",
}


class ServerProblem(RipienoError):
    """A refusal that only the HTTP door knows; `code` is one of `KINDS`."""

    code: ClassVar[str] = "bad_request"

    def __init__(self, code: str, detail: str, problems: Sequence[Problem] = ()) -> None:
        super().__init__(detail)
        self.kind_code = code
        self.problems = tuple(problems)


def codes() -> dict[str, Kind]:
    """Every code with its status and title."""
    return dict(KINDS)


def answer(scope: Scope, error: Exception) -> Response:
    """The answer to any error. What is not ours to show is logged, and the caller gets the trace id to ask about."""
    if isinstance(error, RipienoError):
        return _ripieno(scope, error)
    if isinstance(error, RequestValidationError):
        return _validation(scope, error)
    if isinstance(error, HTTPException):
        code = BY_STATUS.get(error.status_code, "bad_request" if error.status_code < 500 else "internal")  # noqa: PLR2004
        return problem(scope, code, KINDS[code].title, headers=error.headers)
    return defect(scope, error)


def defect(scope: Scope, error: BaseException, code: str = "internal") -> Response:
    """500 without a word of the error."""
    trace_id = scope.get("state", {}).get("trace_id", "")
    log.error("unexpected error, trace_id %s", trace_id, exc_info=error)
    return problem(scope, code, "the server's log has the details under this trace_id")


def problem(
    scope: Scope,
    code: str,
    detail: str,
    *,
    problems: Sequence[Problem] = (),
    extra: Mapping[str, Json] | None = None,
    headers: Mapping[str, str] | None = None,
) -> Response:
    """A problem+json answer; `extra` are members beside the standard ones."""
    kind = KINDS[code]
    state = scope.get("state", {})
    body: JsonObject = {
        "type": f"/problems/{code}",
        "title": kind.title,
        "status": kind.status,
        "detail": detail,
        "instance": state.get("path", scope.get("path", "")),
        "code": code,
        "errors": [{"pointer": item.pointer, "detail": item.detail} for item in problems],
        **(extra or {}),
        "trace_id": state.get("trace_id", ""),
    }
    return Response(to_json(body), kind.status, headers, MEDIA_TYPE)


def install(app: FastAPI) -> None:
    """Let the app answer errors of every family this way."""

    async def handle(request: Request, error: Exception) -> Response:
        return answer(request.scope, error)

    for kind in (RipienoError, RequestValidationError, HTTPException):
        app.add_exception_handler(kind, handle)


def code_of(error: RipienoError) -> str:
    """The code of an error: its own, or that of its nearest ancestor which the table knows."""
    if isinstance(error, ServerProblem):
        return error.kind_code
    kinds = (kind for kind in type(error).__mro__ if issubclass(kind, RipienoError))
    return next(kind.code for kind in kinds if kind.code in KINDS)


def _ripieno(scope: Scope, error: RipienoError) -> Response:
    code = code_of(error)
    if isinstance(error, errors.Defect):
        return defect(scope, error, code)
    problems: Sequence[Problem] = error.problems if isinstance(error, errors.Invalid | ServerProblem) else ()
    return problem(scope, code, error.detail, problems=problems, extra=_extra(error), headers=_headers(error))


def _extra(error: RipienoError) -> JsonObject:
    """The typed fields of an error that help a program."""
    extra: JsonObject = {}
    if isinstance(error, errors.EffectsInTheWay):
        extra["effects"] = list(error.effects)
    if isinstance(error, errors.RunActive):
        extra["active"] = list(error.active_ids)
    if isinstance(error, errors.RunEnded | errors.SessionBusy | errors.WhichInterrupt | errors.RunActive):
        extra["run_id"] = error.run_id
    if isinstance(error, errors.NotFound):
        extra["near"] = list(error.near)
    if isinstance(error, errors.WhichInterrupt):
        extra["open"] = list(error.open_ids)
    if isinstance(error, errors.AlreadyDecided):
        at = error.decided_at.isoformat() if error.decided_at else None
        extra |= {"interrupt_id": error.interrupt_id, "decided_by": error.decided_by, "decided_at": at}
    return extra


def _headers(error: RipienoError) -> dict[str, str]:
    if isinstance(error, errors.Unauthenticated):
        return {"www-authenticate": "Bearer"}
    if isinstance(error, errors.Unavailable):
        return {"retry-after": str(max(1, round(error.retry_after or 1)))}
    return {}


def _validation(scope: Scope, error: RequestValidationError) -> Response:
    found: Sequence[Mapping[str, Any]] = error.errors()
    for item in found:
        if item["type"] == "json_invalid":
            return problem(scope, "malformed", item["ctx"]["error"])
    problems = [_problem(item) for item in found]
    return problem(scope, "invalid", f"{len(problems)} value(s) are not valid", problems=problems)


def _problem(item: Mapping[str, Any]) -> Problem:
    place, *path = item["loc"]
    if len(path) > 1 and str(path[0]).startswith("@"):  # the form of a body that has several
        path = path[1:]
    pointer = "".join(f"/{str(part).replace('~', '~0').replace('/', '~1')}" for part in path)
    detail = str(item["msg"]).removeprefix("Value error, ")
    return Problem(pointer, detail if place == "body" else f"{place} parameter: {detail}")
