"""Values of a document as what they should be; what is something else counts as empty."""

from typing import Any, cast

from ripieno.domain.jsons import JsonObject


def members(node: Any) -> JsonObject:
    """The members of an object."""
    return cast("JsonObject", node) if isinstance(node, dict) else {}


def items(node: Any) -> list[Any]:
    """The items of a list."""
    return cast("list[Any]", node) if isinstance(node, list) else []
