"""Arguments of every kind, filled from a goal."""

import pytest

from ripieno.domain.jsons import Json, JsonObject
from ripieno.models.providers.offline.filling import Sources, fill, fits
from ripieno.models.providers.offline.values import find
from tests.unit.models.providers.offline.toolbox import tool


def filled(goal: str, schema: JsonObject, name: str = "x", data: JsonObject | None = None) -> Json:
    """The value that a required parameter gets; the name of what is missing when there is none."""
    values = find(goal)
    made = fill(tool("a.b", "C.", "", {name: schema}), Sources(values, values, data or {}))
    return made.arguments[0][name] if made.arguments else f"missing {made.missing}"


STRING: JsonObject = {"type": "string"}
LIST: JsonObject = {"type": "array", "items": STRING}
PERSON: JsonObject = {
    "type": "object",
    "properties": {"city": STRING, "age": {"type": "integer"}},
    "required": ["city"],
}


@pytest.mark.parametrize(
    ("name", "schema", "goal", "value"),
    [
        ("hosts", LIST, "compare a.example and b.example", ["a.example", "b.example"]),
        ("urls", LIST, "compare https://a.example and https://b.example", ["https://a.example", "https://b.example"]),
        ("person", PERSON, "someone in Rome with age 30", {"city": "Rome", "age": 30}),
        ("person", PERSON, "someone", "missing person"),
        ("person", {"type": "object"}, "someone", {}),
        ("count", {"type": "integer"}, "7 of them", 7),
        ("ratio", {"type": "number"}, "make it 0.5 please", 0.5),
        ("count", {"type": "integer", "maximum": 5}, "7 of them", "missing count"),
        ("count", {"type": "integer", "default": 3}, "some of them", 3),
        ("recursive", {"type": "boolean"}, "go recursive", True),
        ("recursive", {"type": "boolean"}, "do not go recursive", False),
        ("pattern", STRING, "look for disk failure in the text", "disk failure"),
        ("query", STRING, "whatever it is", "whatever it is"),
        ("glob", STRING, "all src/**/*.py files", "src/**/*.py"),
        ("code", {"type": "string", "pattern": "^[A-Z]{2}$"}, "in IT or so", "IT"),
        ("code", {"type": "string", "pattern": "("}, "in Rome", "Rome"),
        ("since", STRING, "since yesterday", "2d"),
        ("since", STRING, "after 2026-01-05 10:00", "2026-01-05 10:00"),
        ("kind", {"enum": ["A", "NS"]}, "the A record of a thing", "A"),
        ("kind", {"enum": ["A", "NS", 5]}, "a thing", "missing kind"),
        ("kind", {"const": "only"}, "the only thing", "only"),
        ("address", {"type": "string", "format": "ipv4"}, "reach 10.0.0.1", "10.0.0.1"),
        ("target", {"type": "string", "description": "Host to reach."}, "reach db.internal", "db.internal"),
        ("path", STRING, "read the README", "README"),
        ("path", STRING, "what fills /", "/"),
        ("path", STRING, "what about this repository", "."),
        ("path", STRING, "what now", "missing path"),
        ("city", {"type": ["null", "string"]}, "it is in Oslo", "Oslo"),
    ],
)
def test_a_parameter_gets_its_value(name: str, schema: JsonObject, goal: str, value: Json):
    assert filled(goal, schema, name) == value


def test_data_comes_before_text_where_it_fits():
    assert filled("it is in Oslo", STRING, "city", {"city": "Rome"}) == "Rome"
    assert filled("it is in Oslo", STRING, "city", {"city": 5}) == "Oslo"


@pytest.mark.parametrize(
    ("schema", "value", "valid"),
    [
        ({"type": "integer"}, True, False),
        ({"type": "integer"}, 1.5, False),
        ({"type": "number", "exclusiveMaximum": 3}, 3, False),
        ({"type": "number", "exclusiveMinimum": 3}, 3.5, True),
        ({"type": "string", "minLength": 3}, "ab", False),
        ({"type": "boolean"}, "yes", False),
        ({"type": "array"}, [], True),
        ({}, None, True),
    ],
)
def test_what_does_not_fit_is_not_taken(schema: JsonObject, value: Json, valid: bool):
    assert fits(schema, value) is valid
