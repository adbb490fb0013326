"""Shaping an answer by a JSON Schema: what the text holds goes in, and the rest is the smallest value that is valid."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import cast

from ripieno.domain.jsons import Json, JsonObject
from ripieno.models.providers.offline import finding, words
from ripieno.models.providers.offline.filling import fits
from ripieno.models.providers.offline.kinds import kind_of, properties, required, resolved, schema_of, type_of
from ripieno.models.providers.offline.statements import cited
from ripieno.models.providers.offline.values import Values, find

DEEPEST = 12
_ANSWER = {"answer", "summary", "text", "result", "report", "conclusion", "message", "description", "explanation"}
_IDS = {"evidence", "sources", "citations", "cites", "references", "ids"}


@dataclass(frozen=True, slots=True)
class Material:
    """What an answer is shaped from."""

    text: str
    values: Values
    root: JsonObject


def shape(schema: JsonObject, text: str) -> Json:
    """Make a value for the schema from the text. It is valid for schemas without exotic patterns and conditions."""
    return _value("", schema, Material(text, find(text), schema), DEEPEST)


def _value(name: str, schema: JsonObject, material: Material, depth: int) -> Json:
    schema = resolved(schema, material.root)
    if "const" in schema:
        return schema["const"]
    if "enum" in schema:
        found = finding.candidates(name, schema, kind_of(name, schema), material.values)
        return found[0] if found else schema["enum"][0]
    kind = type_of(schema) or ("object" if "properties" in schema else "string")
    if kind in {"object", "array"}:
        return _object(schema, material, depth) if kind == "object" else _array(name, schema, material, depth)
    return _scalar(name, schema, kind, material)


def _scalar(name: str, schema: JsonObject, kind: str, material: Material) -> Json:
    if kind == "string":
        return _string(name, schema, material)
    if kind == "boolean":
        return next(iter(finding.candidates(name, schema, kind_of(name, schema), material.values)), False)
    return None if kind == "null" else _number(name, schema, material)


def _object(schema: JsonObject, material: Material, depth: int) -> JsonObject:
    musts = required(schema)
    names = properties(schema) if depth > DEEPEST // 2 else [name for name in properties(schema) if name in musts]
    names += [name for name in musts if name not in names]
    return {name: _value(name, schema_of(schema, name), material, depth - 1) for name in names} if depth else {}


def _array(name: str, schema: JsonObject, material: Material, depth: int) -> list[Json]:
    items = resolved(cast("JsonObject", schema.get("items") or {}), material.root)
    most, least = int(schema.get("maxItems", 20)), int(schema.get("minItems", 0))
    found: list[Json] = [item for item in _listed(name, items, material) if fits(items, item)][:most]
    while len(found) < least and depth:
        filler = _value(name.removesuffix("s"), items, material, depth - 1)
        found.append(_another(filler, items, found) if schema.get("uniqueItems") else filler)
    return found


def _listed(name: str, items: JsonObject, material: Material) -> Sequence[Json]:
    if type_of(items) not in {"string", ""} or "properties" in items:
        return []
    if set(re.split(r"[^a-z]+", name.lower())) & _IDS:
        return cited(material.text)
    lines = [line.strip().lstrip("-* ") for line in material.text.splitlines() if line.strip()]
    return list(dict.fromkeys(lines)) if "enum" not in items else []


def _another(filler: Json, items: JsonObject, found: Sequence[Json]) -> Json:
    """A value that is not there yet."""
    options = [filler, *items.get("enum", ()), *range(int(items.get("minimum", 0)), int(items.get("minimum", 0)) + 100)]
    options += [f"{filler}{number}" for number in range(100)]
    return next((option for option in options if option not in found and fits(items, option)), filler)


def _string(name: str, schema: JsonObject, material: Material) -> str:
    options: list[Json] = []
    if set(re.split(r"[^a-z]+", name.lower())) & _ANSWER or not name:
        options.append(material.text)
    options += finding.named(name, material.text) if name else []
    options += finding.candidates(name, schema, kind_of(name, schema), material.values)
    options += [
        schema.get("default"),
        *schema.get("examples", ()),
        *_lines_about(name, material),
        material.text,
        "unknown",
        "",
    ]
    options += _SAMPLES
    texts = [_sized(option, schema) for option in options if isinstance(option, str)]
    return next((text for text in texts if fits(schema, text)), texts[0])


_SAMPLES = (
    "a",
    "A",
    "0",
    "1970-01-01",
    "1970-01-01T00:00:00Z",
    "00:00:00",
    "https://example.invalid/",
    "a@example.invalid",
)
"""Tried for patterns that nothing in the text fits."""


def _sized(text: str, schema: JsonObject) -> str:
    most = schema.get("maxLength")
    text = text[: int(most)] if most is not None else text
    return text.ljust(int(schema.get("minLength", 0)), ".")


def _lines_about(name: str, material: Material) -> list[str]:
    sought = set(words.telling(name))
    return [line.strip("-* ") for line in material.text.splitlines() if sought & set(words.stems(line))]


def _number(name: str, schema: JsonObject, material: Material) -> Json:
    options: list[Json] = finding.candidates(name, schema, kind_of(name, schema), material.values)
    options += [number for line in _lines_about(name, material) for number in finding.bare_numbers(schema, find(line))]
    options += [schema["default"]] if "default" in schema else []
    step = schema.get("multipleOf")
    return next((option for option in options if fits(schema, option) and _is_multiple(option, step)), _least(schema))


def _is_multiple(value: Json, step: Json) -> bool:
    return not step or value % step == 0


def _least(schema: JsonObject) -> Json:
    """The number nearest to zero that is within bounds."""
    whole = type_of(schema) == "integer"
    step = schema.get("multipleOf") or (1 if whole else 0.5)
    low, high = schema.get("minimum"), schema.get("maximum")
    if "exclusiveMinimum" in schema:
        low = max(schema["exclusiveMinimum"] + step, low if low is not None else schema["exclusiveMinimum"] + step)
    if "exclusiveMaximum" in schema:
        high = min(schema["exclusiveMaximum"] - step, high if high is not None else schema["exclusiveMaximum"] - step)
    value = 0
    if low is not None and low > 0:
        value = -(-low // step) * step
    elif high is not None and high < 0:
        value = high // step * step
    return int(value) if whole else value
