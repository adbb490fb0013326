"""Plausible values are valid ones."""

from typing import Any

import pytest

from ripieno.domain.teams import Plan, Review
from ripieno.testing.crashtest.examples import example
from ripieno.tools import schemas

SCHEMAS: list[Any] = [
    {"type": "string", "minLength": 12, "maxLength": 20},
    {"type": "string", "format": "date-time"},
    {"type": "integer", "minimum": 7},
    {"type": "number", "exclusiveMinimum": 3, "maximum": 9},
    {"type": "integer", "maximum": -4},
    {"type": ["null", "boolean"]},
    {"type": "null"},
    {"type": "array", "items": {"type": "integer"}, "minItems": 3},
    {"const": 5},
    {"enum": ["a", "b"]},
    {"type": "integer", "default": 9},
    {"type": "string", "examples": ["left"]},
    {"anyOf": [{"type": "null"}, {"type": "string"}]},
    {"anyOf": [{"type": "null"}]},
    {"properties": {"deep": {"type": "object", "properties": {"n": {"type": "integer"}}}}},
    {},
    Plan.model_json_schema(),
    Review.model_json_schema(),
]


@pytest.mark.parametrize("schema", SCHEMAS)
def test_an_example_is_valid(schema: Any):
    assert schemas.check(schema, example(schema)) == []


def test_a_schema_that_refers_to_itself_ends():
    tree = {"type": "object", "properties": {"left": {"$ref": "#"}}}
    found = example(tree)
    depth = 0
    while found and found["left"]:
        found, depth = found["left"], depth + 1
    assert 1 < depth < 20


def test_what_is_no_schema_has_no_example():
    assert example(True) is None
    assert example({"$ref": "#/$defs/missing"}) is None
