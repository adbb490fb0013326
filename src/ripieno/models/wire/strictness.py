"""Which schemas survive a strict response format, where every object is closed, as it is for Claude."""

from collections.abc import Iterator
from typing import cast

from ripieno.domain.jsons import Json, JsonObject

_MANY = ("anyOf", "oneOf", "allOf", "prefixItems")
_NAMED = ("properties", "$defs", "definitions")
_ONE = ("items", "additionalProperties", "not")


def is_closed(schema: JsonObject) -> bool:
    """Whether no object in the schema has members of free choice; the strict format would make all of them empty."""
    return all(_names_its_members(each) for each in _schemas(schema))


def _names_its_members(schema: JsonObject) -> bool:
    if schema.keys() <= {"title", "description", "default"}:
        return False  # anything at all
    kind = schema.get("type")
    if kind != "object" and not (isinstance(kind, list) and "object" in kind):
        return True
    return bool(schema.get("properties")) and not schema.get("additionalProperties")


def _schemas(schema: JsonObject) -> Iterator[JsonObject]:
    yield schema
    below: list[Json] = [schema.get(word) for word in _ONE]
    for word in _NAMED:
        below += cast("dict[str, Json]", schema.get(word) or {}).values()
    for word in _MANY:
        below += cast("list[Json]", schema.get(word) or [])
    for each in below:
        if isinstance(each, dict):
            yield from _schemas(cast("JsonObject", each))
