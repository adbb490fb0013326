"""From an HTTP answer to a tool's result: JSON as data, a next page as a hint, an error as what it says."""

import json
import logging
from collections.abc import Sequence
from urllib.parse import parse_qsl, urlsplit

import httpx2

from ripieno.domain.effects import EffectClass
from ripieno.domain.errors import Invalid, Problem
from ripieno.domain.jsons import Json
from ripieno.domain.tools import ToolResult, ToolStatus
from ripieno.ports import SchemaCheck
from ripieno.tools.openapi.nodes import members
from ripieno.tools.openapi.operations import Operation

_log = logging.getLogger(__name__)

LONGEST_ERROR = 2000
TURNED_AWAY = frozenset({429, 503})
SERVER_FAILED = 500
REFUSED = frozenset({401, 403})
CURSORS = ("next_cursor", "nextCursor", "next_page_token", "nextPageToken", "next")


def result_of(operation: Operation, answer: httpx2.Response, content: bytes, check: SchemaCheck) -> ToolResult:
    """What came of a call. An answer that breaks its schema is taken, with a warning."""
    data = _json(answer, content)
    text = _text(answer, content) if data is None else json.dumps(data, ensure_ascii=False, indent=1)
    if answer.is_error:
        return _failed(operation, answer, text, data)
    if answer.is_redirect:
        where = answer.headers.get("location", "nowhere")[:300]
        return ToolResult(ToolStatus.ERROR, f"the API sends to {where}, which is not followed", data)
    problems = _objections(operation, answer.status_code, data, check)
    if problems:
        _log.warning("an answer breaks its schema", extra={"tool": operation.name, "problem": problems[0].detail})
    told = text or f"{answer.status_code} {answer.reason_phrase}".strip()
    return ToolResult(ToolStatus.OK, told, data, hint=_hint(operation, answer, data, problems))


def _failed(operation: Operation, answer: httpx2.Response, text: str, data: Json) -> ToolResult:
    said = f"{answer.status_code} {answer.reason_phrase}".strip()
    detail = f"{said}: {text[:LONGEST_ERROR]}" if text else said
    later = answer.headers.get("retry-after", "")[:100]
    hint = f"try again after {later}{' s' if later.isdecimal() else ''}" if later else None
    if answer.status_code in TURNED_AWAY:
        return ToolResult(ToolStatus.UNAVAILABLE, detail, data, hint=hint)
    if answer.status_code >= SERVER_FAILED:
        if operation.effect is EffectClass.READ:
            return ToolResult(ToolStatus.UNAVAILABLE, detail, data, hint=hint)
        return ToolResult(ToolStatus.LOST, f"{detail}\nIt is not known whether it took effect.", data)
    hint = "the credentials do not allow this" if answer.status_code in REFUSED else None
    return ToolResult(ToolStatus.ERROR, detail, data, hint=hint)


def _json(answer: httpx2.Response, content: bytes) -> Json:
    kind = answer.headers.get("content-type", "").partition(";")[0].strip().lower()
    if not content or not (kind.endswith("json") or not kind):
        return None
    try:
        return json.loads(content)
    except (ValueError, RecursionError):
        return None


def _text(answer: httpx2.Response, content: bytes) -> str:
    kind = answer.headers.get("content-type", "").partition(";")[0].strip().lower()
    if b"\0" in content[:4096] or kind.startswith(("image/", "audio/", "video/")) or kind == "application/octet-stream":
        return f"<{len(content)} bytes of {kind or 'data'}, not shown>"
    try:
        return content.decode(answer.charset_encoding or "utf-8", "replace")
    except (LookupError, UnicodeError):
        return content.decode("utf-8", "replace")


def _objections(operation: Operation, status: int, data: Json, check: SchemaCheck) -> Sequence[Problem]:
    schemas = operation.response_schemas
    schema = schemas.get(str(status)) or schemas.get(f"{status // 100}XX") or schemas.get("DEFAULT")
    if schema is None or data is None:
        return ()
    try:
        return check(schema, data)
    except Invalid as error:
        return [Problem("", error.detail)]


def _hint(operation: Operation, answer: httpx2.Response, data: Json, problems: Sequence[Problem]) -> str | None:
    hints: list[str] = []
    if more := _next_page(operation, answer, data):
        hints.append(more)
    if problems:
        where, why = problems[0].pointer or "as a whole", problems[0].detail
        hints.append(f"the answer is not quite as the API describes it ({where}: {why})")
    return "; ".join(hints) or None


def _next_page(operation: Operation, answer: httpx2.Response, data: Json) -> str | None:
    """By RFC 8288 `Link: rel=next`, or by a cursor in the answer."""
    link = answer.links.get("next", {}).get("url")
    if link:
        query = dict(parse_qsl(urlsplit(str(link)).query))
        told = {name: query[name] for name in operation.pages if name in query}
        return f"there is more: call again with {json.dumps(told)}" if told else "there is more on a next page"
    for name in CURSORS:
        cursor = members(data).get(name)
        if isinstance(cursor, str) and cursor and operation.pages:
            return f"there is more: call again with {json.dumps({operation.pages[0]: cursor})}"
    return None
