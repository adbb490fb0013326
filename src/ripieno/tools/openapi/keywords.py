"""Words of JSON Schema with values that they cannot have: authors write them, and each would break a whole tool."""

from collections.abc import Callable, Mapping
from typing import Any, cast

from ripieno.tools.schemas import is_pattern

TYPES = frozenset({"array", "boolean", "integer", "null", "number", "object", "string"})


def usable(word: str, value: Any) -> bool:
    """Whether a schema may say this. Words that are not known here mean nothing to validators, and may."""
    test = TESTS.get(word)
    return test is None or test(value)


def _schema(value: Any) -> bool:
    return isinstance(value, dict | bool)


def _schemas(value: Any) -> bool:
    return isinstance(value, list) and len(cast("list[Any]", value)) > 0


def _text(value: Any) -> bool:
    return isinstance(value, str)


def _names(value: Any) -> bool:
    if not isinstance(value, list):
        return False
    names = cast("list[Any]", value)
    return all(isinstance(name, str) for name in names) and len(set(names)) == len(names)


def _type(value: Any) -> bool:
    return value in TYPES if isinstance(value, str) else _names(value) and bool(value) and TYPES.issuperset(value)


def _number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _count(value: Any) -> bool:
    return _number(value) and value >= 0 and value == int(value)


def _pattern(value: Any) -> bool:
    return isinstance(value, str) and is_pattern(value)


def _patterns(value: Any) -> bool:
    return isinstance(value, dict) and all(_pattern(name) for name in cast("dict[str, Any]", value))


def _by_name(value: Any) -> bool:
    return isinstance(value, dict)


def _enum(value: Any) -> bool:
    return isinstance(value, list)


def _flag(value: Any) -> bool:
    return isinstance(value, bool)


def _limit(value: Any) -> bool:
    """OpenAPI 3.0 has a boolean here, which is told anew later."""
    return isinstance(value, int | float)


def _factor(value: Any) -> bool:
    return _number(value) and value > 0


TESTS: Mapping[str, Callable[[Any], bool]] = {
    "$ref": _text,
    "type": _type,
    "enum": _enum,
    "required": _names,
    "pattern": _pattern,
    "patternProperties": _patterns,
    "format": _text,
    "title": _text,
    "description": _text,
    "contentEncoding": _text,
    "contentMediaType": _text,
    "multipleOf": _factor,
    "uniqueItems": _flag,
    "exclusiveMinimum": _limit,
    "exclusiveMaximum": _limit,
    **dict.fromkeys(("minimum", "maximum"), _number),
    **dict.fromkeys(("minLength", "maxLength", "minItems", "maxItems", "minProperties", "maxProperties"), _count),
    **dict.fromkeys(("minContains", "maxContains"), _count),
    **dict.fromkeys(("properties", "$defs", "dependentSchemas", "dependentRequired"), _by_name),
    **dict.fromkeys(("allOf", "anyOf", "oneOf", "prefixItems"), _schemas),
    **dict.fromkeys(("items", "additionalProperties", "not", "contains", "propertyNames"), _schema),
    **dict.fromkeys(("if", "then", "else", "unevaluatedProperties", "unevaluatedItems"), _schema),
}
