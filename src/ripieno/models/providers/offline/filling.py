"""Filling a tool's arguments from a goal, by the tool's JSON Schema."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import islice, product
from typing import cast

from ripieno.domain.jsons import Json, JsonObject
from ripieno.domain.tools import ToolSpec
from ripieno.models.providers.offline import finding
from ripieno.models.providers.offline.kinds import Kind, kind_of, properties, required, resolved, schema_of, type_of
from ripieno.models.providers.offline.values import Values

MOST_CALLS = 4
"""How many calls of one tool a goal may mean ("ping a, b and c")."""

_MANY = {Kind.URL, Kind.HOST, Kind.PATH, Kind.EXPRESSION, Kind.NUMBER, Kind.CHOICE}
_OPTIONAL_BY_NAME_ONLY = {Kind.TEXT, Kind.QUESTION, Kind.CONTENT}


@dataclass(frozen=True, slots=True)
class Sources:
    """Where values come from: the part of the goal that means the tool, the whole goal, the data beside it."""

    near: Values
    far: Values
    data: JsonObject


@dataclass(frozen=True, slots=True)
class Filled:
    """The argument objects, one a call; or `missing`, the first required parameter for which there is no value."""

    arguments: tuple[JsonObject, ...] = ()
    missing: str = ""
    missing_kind: Kind | None = None


def fill(tool: ToolSpec, sources: Sources) -> Filled:
    """Fill a tool's arguments: every required one, and the optional ones of which the goal speaks."""
    schema = tool.input_schema
    musts = required(schema)
    choices: dict[str, Sequence[Json]] = {}
    for name in sorted(properties(schema), key=lambda each: each not in musts):
        own = schema_of(schema, name)
        kind = kind_of(name, own, tool.name)
        found = _must(name, own, kind, sources) if name in musts else _may(name, own, kind, sources)
        found = [value for value in dict.fromkeys(found) if fits(own, value)] if kind in _MANY else _first(own, found)
        if not found and name in musts:
            return Filled(missing=name, missing_kind=kind)
        if found:
            choices[name] = found if kind in _MANY and name in musts else found[:1]
    combinations = islice(product(*choices.values()), MOST_CALLS)
    return Filled(tuple(dict(zip(choices, values, strict=True)) for values in combinations))


def fits(schema: JsonObject, value: Json) -> bool:
    """Whether a value satisfies the parts of a schema that matter here: type, choice, bounds, lengths, pattern."""
    options = [schema["const"]] if "const" in schema else schema.get("enum", (value,))
    if value not in options:
        return False
    kind = type_of(schema)
    if kind in {"integer", "number"}:
        return _number_fits(schema, value, whole=kind == "integer")
    if kind == "string":
        return isinstance(value, str) and _text_fits(schema, value)
    expected: dict[str, type] = {"boolean": bool, "array": list, "object": dict}
    return kind not in expected or isinstance(value, expected[kind])


def _first(schema: JsonObject, found: Sequence[Json]) -> list[Json]:
    return [value for value in found if fits(schema, value)][:1]


def _must(name: str, schema: JsonObject, kind: Kind, sources: Sources) -> list[Json]:
    """Values for a required parameter: from nearby, from the data, from afar, from what the place implies."""
    given = _from_data(name, schema, sources.data)
    if given:
        return given
    for values in (sources.near, sources.far):
        found = _candidates(name, schema, kind, values) or _implied(schema, kind, values)
        if found:
            return found
    if "default" in schema:
        return [schema["default"]]
    return [False] if kind is Kind.BOOLEAN else []


def _may(name: str, schema: JsonObject, kind: Kind, sources: Sources) -> list[Json]:
    given = _from_data(name, schema, sources.data)
    if given:
        return given
    if kind in _OPTIONAL_BY_NAME_ONLY:
        return finding.named(name, sources.near.text)
    return _candidates(name, schema, kind, sources.near)


def _from_data(name: str, schema: JsonObject, data: JsonObject) -> list[Json]:
    return [data[name]] if name in data and fits(schema, data[name]) else []


def _candidates(name: str, schema: JsonObject, kind: Kind, values: Values) -> list[Json]:
    if kind is Kind.LIST:
        items = cast("JsonObject", schema.get("items") or {})
        singular = name.removesuffix("s") or name
        found = finding.candidates(singular, items, kind_of(singular, items), values)
        kept = [value for value in dict.fromkeys(found) if fits(items, value)] if found else []
        return [kept] if kept else []
    if kind is Kind.OBJECT:
        return _object(schema, values)
    return finding.candidates(name, schema, kind, values)


def _object(schema: JsonObject, values: Values) -> list[Json]:
    filled: JsonObject = {}
    for name in properties(schema):
        own = resolved(schema_of(schema, name), schema)
        found = _first(own, _candidates(name, own, kind_of(name, own), values))
        if found:
            filled[name] = found[0]
        elif name in required(schema):
            return []
    return [filled] if filled or not required(schema) else []


def _implied(schema: JsonObject, kind: Kind, values: Values) -> list[Json]:
    if kind is Kind.PATH:
        return finding.here(values)
    if kind is Kind.HOST:
        return finding.this_machine(values)
    return finding.bare_numbers(schema, values) if kind is Kind.NUMBER else []


def _number_fits(schema: JsonObject, value: Json, *, whole: bool) -> bool:
    if isinstance(value, bool) or not isinstance(value, int if whole else int | float):
        return False
    least, most = schema.get("minimum", value), schema.get("maximum", value)
    over, under = schema.get("exclusiveMinimum"), schema.get("exclusiveMaximum")
    return bool(least <= value <= most and (over is None or value > over) and (under is None or value < under))


def _text_fits(schema: JsonObject, value: str) -> bool:
    if not schema.get("minLength", 0) <= len(value) <= schema.get("maxLength", len(value)):
        return False
    pattern = schema.get("pattern")
    try:
        return not isinstance(pattern, str) or re.search(pattern, value) is not None
    except re.error:
        return True
