"""One plausible value for a JSON Schema, always the same one."""

from typing import cast

from ripieno.domain.jsons import Json, JsonObject

TEXTS = {
    "date-time": "2026-01-01T12:00:00Z",
    "date": "2026-01-01",
    "time": "12:00:00Z",
    "uri": "https://example.org/",
    "email": "somebody@example.org",
    "ipv4": "192.0.2.1",
    "hostname": "example.org",
    "uuid": "00000000-0000-4000-8000-000000000000",
}
DEPTH = 8
"""How deep a schema that refers to itself is followed."""


def example(schema: Json, root: Json = None, depth: int = 0) -> Json:
    """A value that the schema describes; patterns are not honoured, so check what must be valid."""
    if not isinstance(schema, dict) or depth > DEPTH:
        return None
    given = cast("JsonObject", schema)
    root = given if root is None else root
    known = _named(given)
    if known:
        return known[0]
    if "$ref" in given:
        return example(_referred(root, given["$ref"]), root, depth + 1)
    for name in ("anyOf", "oneOf", "allOf"):
        if given.get(name):
            return example(_richest(given[name]), root, depth + 1)
    return _of_type(given, root, depth)


def _named(schema: JsonObject) -> list[Json]:
    """The values that the schema names."""
    named = [schema[name] for name in ("const", "default") if name in schema]
    return [*named, *schema.get("enum", ()), *schema.get("examples", ())]


def _richest(schemas: list[Json]) -> Json:
    """The first alternative that is not null."""
    return next((item for item in schemas if item != {"type": "null"}), schemas[0])


def _referred(root: JsonObject, reference: str) -> Json:
    found: Json = root
    for part in reference.removeprefix("#").split("/")[1:]:
        found = cast("JsonObject", found).get(part) if isinstance(found, dict) else None
    return found


def _of_type(schema: JsonObject, root: JsonObject, depth: int) -> Json:
    kind: Json = schema.get("type", "object" if "properties" in schema else "string")
    if isinstance(kind, list):
        kind = next(item for item in cast("list[str]", kind) if item != "null")
    match kind:
        case "object":
            properties: JsonObject = schema.get("properties", {})
            return {name: example(item, root, depth + 1) for name, item in properties.items()}
        case "array":
            return [example(schema.get("items", {}), root, depth + 1)] * max(1, schema.get("minItems", 1))
        case "integer" | "number":
            return _number(schema)
        case "boolean":
            return True
        case "null":
            return None
        case _:
            return _text(schema)


def _number(schema: JsonObject) -> float:
    if "minimum" in schema:
        return schema["minimum"]
    if "exclusiveMinimum" in schema:
        return schema["exclusiveMinimum"] + 1
    return min(1, schema.get("maximum", 1))


def _text(schema: JsonObject) -> str:
    text = TEXTS.get(schema.get("format", ""), "example")
    return text.ljust(schema.get("minLength", 0), "x")[: schema.get("maxLength")]
