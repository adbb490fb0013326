"""Answers: what a model and the ledger are told of each."""

from typing import Any

import httpx2
import pytest

from ripieno.domain.jsons import JsonObject
from ripieno.domain.tools import ToolResult
from ripieno.tools.openapi.answers import result_of
from ripieno.tools.openapi.operations import Operation
from ripieno.tools.schemas import check
from tests.unit.tools.openapi.described import operation_of, parameter

CONTENT: JsonObject = {"content": {"application/json": {"schema": {"type": "object", "required": ["id"]}}}}
JSON_ANSWER: JsonObject = {"responses": {"200": CONTENT}}


def came(operation: Operation, status: int = 200, **given: Any) -> ToolResult:
    answer = httpx2.Response(status, request=httpx2.Request("GET", "https://api.test/"), **given)
    return result_of(operation, answer, answer.content, check)


READ, POST, PUT = (operation_of({}, method=method) for method in ("get", "post", "put"))


def test_json_comes_as_data():
    result = came(READ, json={"a": ["é"]})
    assert (result.status, result.data) == ("ok", {"a": ["é"]})
    assert "é" in result.text


@pytest.mark.parametrize(
    ("kind", "content", "text"),
    [
        ("text/plain", b"hello", "hello"),
        ("text/html; charset=latin-1", "é".encode("latin-1"), "é"),
        ("text/html; charset=nonsense", "é".encode(), "é"),
        ("application/octet-stream", b"abc", "<3 bytes of application/octet-stream, not shown>"),
        ("image/png", b"\x89PNG", "<4 bytes of image/png, not shown>"),
        ("text/plain", b"a\0b", "<3 bytes of text/plain, not shown>"),
        ("application/json", b"{broken", "{broken"),
        ("application/json", b"[" * 5000, "[" * 5000),
        ("application/json", b"", "200 OK"),
    ],
)
def test_everything_else_comes_as_text(kind: str, content: bytes, text: str):
    result = came(READ, content=content, headers={"content-type": kind})
    assert (result.status, result.text, result.data) == ("ok", text, None)


@pytest.mark.parametrize(
    ("operation", "status", "told"),
    [
        (READ, 400, "error"),
        (READ, 404, "error"),
        (READ, 429, "unavailable"),
        (POST, 429, "unavailable"),
        (POST, 503, "unavailable"),
        (READ, 500, "unavailable"),
        (READ, 502, "unavailable"),
        (POST, 500, "lost"),
        (POST, 504, "lost"),
        (PUT, 502, "lost"),
        (POST, 422, "error"),
    ],
)
def test_an_error_says_whether_anything_happened(operation: Operation, status: int, told: str):
    result = came(operation, status, json={"message": "no"})
    assert result.status == told
    assert result.text.startswith(str(status))
    assert "no" in result.text
    assert result.data == {"message": "no"}


def test_errors_have_hints():
    assert came(READ, 503, headers={"retry-after": "7"}).hint == "try again after 7 s"
    assert came(READ, 429, headers={"retry-after": "Fri, 27 Nov 2026"}).hint == "try again after Fri, 27 Nov 2026"
    assert came(READ, 403).hint == "the credentials do not allow this"
    assert came(READ, 404).hint is None


def test_a_redirect_is_told_and_not_followed():
    result = came(READ, 302, headers={"location": "http://169.254.169.254/"})
    assert result.status == "error"
    assert "which is not followed" in result.text


def test_an_answer_that_breaks_its_schema_is_taken_with_a_warning(caplog: pytest.LogCaptureFixture):
    result = came(operation_of(JSON_ANSWER), json={"x": 1})
    assert (result.status, result.data) == ("ok", {"x": 1})
    assert result.hint is not None
    assert "not quite as the API describes it" in result.hint
    assert "breaks its schema" in caplog.text
    assert came(operation_of(JSON_ANSWER), json={"id": 1}).hint is None


@pytest.mark.parametrize("status", ["2XX", "default"])
def test_schemas_of_families_of_answers_count(status: str):
    own = {"responses": {status: CONTENT}}
    assert came(operation_of(own), json={}).hint is not None
    assert came(operation_of(own), json={"id": 1}).hint is None


@pytest.mark.parametrize(
    ("link", "data", "hint"),
    [
        ('<https://api.test/x?page=2&per_page=5>; rel="next"', [], 'there is more: call again with {"page": "2"}'),
        ('<https://api.test/x?p=2>; rel="next"', [], "there is more on a next page"),
        ("", {"next_cursor": "abc"}, 'there is more: call again with {"page": "abc"}'),
        ("", {"next_cursor": None}, None),
        ('<https://api.test/x?page=1>; rel="prev"', [], None),
    ],
)
def test_a_next_page_is_hinted_at(link: str, data: Any, hint: str | None):
    paged = operation_of({"parameters": [parameter("page"), parameter("per_page")]})
    assert came(paged, json=data, headers={"link": link} if link else {}).hint == hint
