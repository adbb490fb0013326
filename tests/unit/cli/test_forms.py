"""Typed answers to the forms of tools."""

import pytest

from ripieno.cli import forms
from ripieno.domain.jsons import Json, JsonObject

SIZE: JsonObject = {"schema": {"properties": {"size": {"type": "integer"}}, "required": ["size"]}}
NAME: JsonObject = {"schema": {"properties": {"name": {"type": "string"}}}}
BOTH: JsonObject = {"schema": {"properties": {"name": {"type": "string"}, "size": {"type": "integer"}}}}


@pytest.mark.parametrize(
    ("request_", "text", "answer"),
    [
        ({}, "42", "42"),
        (SIZE, "42", {"size": 42}),
        (SIZE, '{"size": 42}', {"size": 42}),
        (SIZE, "null", None),
        (NAME, "42", {"name": "42"}),
        (NAME, "Ada", {"name": "Ada"}),
        (BOTH, '{"name": "Ada"}', {"name": "Ada"}),
        (BOTH, "Ada", "Ada"),
    ],
)
def test_what_a_typed_answer_means(request_: JsonObject, text: str, answer: Json):
    assert forms.fitting("question", request_, {"decision": "answer", "answer": text})["answer"] == answer


def test_other_decisions_stay_as_they_are():
    body: JsonObject = {"decision": "approve"}
    assert forms.fitting("approval", SIZE, body) is body
    assert forms.fitting("question", SIZE, body) is body


def test_what_is_asked_is_shown_field_by_field():
    fields = {"size": {"type": "string", "description": "of the shirt", "enum": ["s", "m"]}, "note": {"type": "string"}}
    request: JsonObject = {"url": "https://x.test", "schema": {"properties": fields, "required": ["size"]}}
    assert forms.asked(request) == [
        ("open", "https://x.test"),
        ("· size", "string of the shirt, one of s, m"),
        ("· note", "string (optional)"),
    ]
