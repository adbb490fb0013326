"""Calls that follow from a call: the one that undoes it, the one that tells whether it happened."""

import re
from collections.abc import Mapping
from typing import cast

from ripieno.domain.jsons import Json, JsonObject, canonical
from ripieno.domain.tools import Compensation, Reconciliation, ToolResult

_WHOLE = re.compile(r"^\$\{\{\s*([^{}]+?)\s*\}\}$")
_PART = re.compile(r"\$\{\{\s*([^{}]+?)\s*\}\}")


class Unfillable(Exception):
    """A template names something that the call before did not have."""


def arguments(call: Compensation | Reconciliation, scope: Mapping[str, Json]) -> JsonObject:
    """The arguments of a call that follows from another. Raises `Unfillable`."""
    if call.arguments is None:
        return cast("JsonObject", scope["arguments"])
    return cast("JsonObject", _filled(call.arguments, scope))


def scope_of(given: JsonObject, key: str, result: ToolResult | None = None) -> dict[str, Json]:
    """What templates may name: the arguments of a call, its idempotency key and, where it is known, its result."""
    scope: dict[str, Json] = {"arguments": given, "key": key}
    if result is not None:
        scope["result"] = result.data if result.data is not None else result.text
        scope["text"] = result.text
    return scope


def _filled(template: Json, scope: Mapping[str, Json]) -> Json:
    if isinstance(template, dict):
        return {name: _filled(value, scope) for name, value in cast("JsonObject", template).items()}
    if isinstance(template, list):
        return [_filled(item, scope) for item in cast("list[Json]", template)]
    if not isinstance(template, str):
        return template
    if whole := _WHOLE.match(template):
        return looked_up(whole[1], scope)
    return _PART.sub(lambda part: _text(looked_up(part[1], scope)), template)


def looked_up(path: str, scope: Mapping[str, Json]) -> Json:
    """What a dotted path names; a number is a place in a list. Raises `Unfillable`."""
    value: Json = scope
    for name in path.split("."):
        if isinstance(value, Mapping) and name in value:
            value = cast("Mapping[str, Json]", value)[name]
        elif isinstance(value, list) and name.isdecimal() and int(name) < len(cast("list[Json]", value)):
            value = cast("list[Json]", value)[int(name)]
        else:
            raise Unfillable(f"there is no {path}")
    return value


def _text(value: Json) -> str:
    return value if isinstance(value, str) else canonical(value)
