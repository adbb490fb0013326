"""Which schemas keep their meaning when all of their objects are closed."""

import pytest

from ripieno.domain.jsons import JsonObject
from ripieno.domain.teams import Plan
from ripieno.models.wire.strictness import is_closed

NUMBER: JsonObject = {"type": "integer"}
NAMED: JsonObject = {"type": "object", "properties": {"a": NUMBER}}
OPEN: JsonObject = {"type": "object"}


@pytest.mark.parametrize(
    "schema",
    [
        NAMED,
        {**NAMED, "additionalProperties": False},
        {"type": "array", "items": NAMED},
        {"anyOf": [NAMED, {"type": "null"}]},
        {"$ref": "#/$defs/a", "$defs": {"a": NAMED}},
        {"enum": ["a", "b"]},
        {"const": 3},
    ],
)
def test_named_members_are_closed(schema: JsonObject):
    assert is_closed(schema)


@pytest.mark.parametrize(
    "schema",
    [
        {},
        OPEN,
        {**NAMED, "additionalProperties": True},
        {**NAMED, "additionalProperties": NUMBER},
        {"type": ["object", "null"]},
        {"type": "array", "items": OPEN},
        {"type": "array", "items": {}},
        {"anyOf": [{"type": "null"}, OPEN]},
        {"type": "object", "properties": {"a": OPEN}},
        {"type": "object", "properties": {"a": {"title": "Anything"}}},
        {"$ref": "#/$defs/a", "$defs": {"a": OPEN}},
    ],
)
def test_members_of_free_choice_are_not(schema: JsonObject):
    assert not is_closed(schema)


def test_plans_are():
    assert is_closed(Plan.model_json_schema())
