"""Schemas of a document as JSON Schema: what is valid there is valid here."""

from typing import Any

import pytest

from ripieno.domain.jsons import Json, JsonObject
from ripieno.tools.openapi.references import BrokenReference
from ripieno.tools.openapi.schemas import Schemas
from ripieno.tools.schemas import check

NODE = {
    "type": "object",
    "required": ["value"],
    "properties": {"value": {"type": "integer"}, "next": {"$ref": "#/components/schemas/Node"}},
}


def converted(schema: Any, *, old: bool = False, absent: str = "readOnly", **components: Json) -> JsonObject:
    schemas = Schemas({"components": {"schemas": components}}, old=old, absent=absent)
    return schemas.closed(*schemas.convert(schema))


def accepts(schema: JsonObject, value: Json) -> bool:
    return not check(schema, value)


@pytest.mark.parametrize(
    ("schema", "good", "bad"),
    [
        ({"type": "string", "nullable": True}, None, 1),
        ({"type": "string", "enum": ["a"], "nullable": True}, None, "b"),
        ({"enum": ["a"], "nullable": True}, None, "b"),
        ({"allOf": [{"$ref": "#/components/schemas/Node"}], "nullable": True}, None, {}),
        ({"type": "object", "nullable": True, "allOf": [{"$ref": "#/components/schemas/Node"}]}, None, {}),
        ({"oneOf": [{"type": "string"}, {"type": "integer"}], "nullable": True}, None, 1.5),
        ({"type": "integer", "minimum": 1, "exclusiveMinimum": True}, 2, 1),
        ({"type": "integer", "maximum": 9, "exclusiveMaximum": True}, 8, 9),
        ({"type": "integer", "minimum": 1, "exclusiveMinimum": False}, 1, 0),
        ({"anyOf": [{"type": "string"}, {"$ref": "#/components/schemas/Node"}]}, {"value": 1}, 7),
        ({"not": {"type": "string"}}, 1, "a"),
        ({"type": "array", "items": {"type": "string", "nullable": True}}, [None, "a"], [1]),
        ({"type": "object", "additionalProperties": {"type": "integer"}}, {"a": 1}, {"a": "b"}),
    ],
)
def test_openapi_3_0_means_the_same(schema: JsonObject, good: Json, bad: Json):
    new = converted(schema, old=True, Node=NODE)
    assert accepts(new, good)
    assert not accepts(new, bad)


def test_openapi_3_1_is_json_schema_already():
    new = converted(
        {"type": ["string", "null"], "const": None, "$ref": "#/components/schemas/Any", "description": "d"}, Any={}
    )
    assert new == {"$ref": "#/$defs/Any", "description": "d", "$defs": {"Any": {}}}
    assert accepts(converted({"type": "integer", "exclusiveMinimum": 1}), 2)


def test_a_circle_stays_one():
    new = converted({"$ref": "#/components/schemas/Node"}, Node=NODE)
    assert list(new["$defs"]) == ["Node"]
    assert accepts(new, {"value": 1, "next": {"value": 2, "next": {"value": 3}}})
    assert not accepts(new, {"value": 1, "next": {"value": "2"}})


def test_only_what_is_reached_comes_along():
    more: dict[str, Any] = {"A": {"items": {"$ref": "#/components/schemas/B~1b"}}, "B/b": {}, "C": {}}
    new = converted({"$ref": "#/components/schemas/A"}, **more)
    assert set(new["$defs"]) == {"A", "B/b"}
    assert accepts(new, [1])


def test_references_to_other_places_of_the_document_work():
    schemas = Schemas({"paths": {"/a b": {"x": {"type": "integer"}}}}, old=False, absent="readOnly")
    new = schemas.closed(*schemas.convert({"$ref": "#/paths/~1a%20b/x"}))
    assert accepts(new, 1)
    assert not accepts(new, "a")


@pytest.mark.parametrize(
    "reference",
    ["#/components/schemas/None", "http://169.254.169.254/", "file:///etc/passwd", "#/components/schemas/Left"],
)
def test_what_cannot_be_followed_is_broken(reference: str):
    left, right = ({"$ref": f"#/components/schemas/{name}"} for name in ("Right", "Left"))
    with pytest.raises(BrokenReference):
        converted({"properties": {"a": {"$ref": reference}}}, Left=left, Right=right)


def test_what_the_server_fills_in_need_not_be_sent():
    pet = {
        "type": "object",
        "required": ["id", "name", "key"],
        "properties": {"id": {"readOnly": True}, "name": {}, "key": {"$ref": "#/components/schemas/Key"}},
    }
    more: dict[str, Any] = {"Pet": pet, "Key": {"writeOnly": True}}
    sent = converted({"$ref": "#/components/schemas/Pet"}, **more)
    answered = converted({"$ref": "#/components/schemas/Pet"}, absent="writeOnly", **more)
    assert sent["$defs"]["Pet"]["required"] == ["name", "key"]
    assert answered["$defs"]["Pet"]["required"] == ["id", "name"]


@pytest.mark.parametrize(
    ("wrong", "kept"),
    [
        ({"required": True}, {}),
        ({"type": "strin"}, {}),
        ({"type": "file"}, {}),
        ({"type": ["string", "any"]}, {}),
        ({"pattern": "(", "type": "string"}, {"type": "string"}),
        ({"patternProperties": {"(": {}}}, {}),
        ({"minimum": "3", "maxLength": -1, "minItems": 1.5}, {}),
        ({"enum": "a", "properties": [], "items": [], "allOf": []}, {}),
        ({"multipleOf": 0, "uniqueItems": "yes", "format": 3, "exclusiveMinimum": "a"}, {}),
        ({"required": ["a", "a"]}, {}),
        ({"$schema": "http://x.test/", "$id": "http://x.test/a", "example": 1, "x-own": 2, "discriminator": {}}, {}),
    ],
)
def test_words_that_mean_nothing_do_not_break_the_rest(wrong: JsonObject, kept: JsonObject):
    new = converted(wrong)
    assert new == kept
    assert accepts(new, "a")


def test_schemas_may_be_booleans():
    assert converted(True) == {}
    assert converted(None) == {}
    assert not accepts(converted(False), 1)
