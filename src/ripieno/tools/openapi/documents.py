"""Reads an OpenAPI document from bytes that a stranger may have written."""

import json
from collections.abc import Iterable
from typing import Any, ClassVar, cast

import yaml

from ripieno.domain.errors import Invalid, Problem
from ripieno.domain.jsons import Json, JsonObject

MOST_BYTES = 32_000_000
MOST_NODES = 3_000_000
"""Values in a document, those that YAML aliases stand for counted each time."""

DEEPEST = 200


def load(content: bytes) -> JsonObject:
    """The document in JSON or YAML.

    Raises:
        Invalid: It is too large, too deep, or no object in either.
    """
    if len(content) > MOST_BYTES:
        raise Invalid(f"the document has {len(content):,} bytes; at most {MOST_BYTES:,} are read")
    document = _parsed(content)
    if not isinstance(document, dict):
        raise Invalid("the document must be an object", [Problem("", "is no object")])
    _bound(document)
    return cast("JsonObject", document)


def _parsed(content: bytes) -> Json:
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise Invalid(f"the document is no UTF-8 text: byte {error.start} is wrong") from None
    try:
        return json.loads(text)
    except RecursionError:
        raise Invalid("the document is nested too deeply") from None
    except ValueError as error:
        if text.lstrip().startswith(("{", "[")):
            raise Invalid(f"the document is not valid JSON: {error}") from None
    try:
        return yaml.load(text, _Loader)  # noqa: S506 - a safe loader
    except RecursionError:
        raise Invalid("the document is nested too deeply") from None
    except yaml.YAMLError as error:
        raise Invalid(f"the document is neither JSON nor YAML: {' '.join(str(error).split())}") from None


class _Loader(yaml.CSafeLoader):
    """JSON's types alone: a date stays the text it is."""

    yaml_implicit_resolvers: ClassVar[Any] = {
        first: [(tag, pattern) for tag, pattern in resolvers if tag != "tag:yaml.org,2002:timestamp"]
        for first, resolvers in yaml.SafeLoader.yaml_implicit_resolvers.items()
    }


def _bound(document: Json) -> None:
    """Refuse what aliases blow up: the walk visits what they stand for again each time, and gives up early."""
    seen = 0
    level: list[Any] = [document]
    for _ in range(DEEPEST):
        seen += len(level)
        if seen > MOST_NODES:
            raise Invalid(f"the document stands for more than {MOST_NODES:,} values")
        level = [child for node in level for child in _children(node)]
        if not level:
            return
    raise Invalid(f"the document is nested more than {DEEPEST} levels deep")


def _children(node: Any) -> Iterable[Any]:
    if isinstance(node, dict):
        found = cast("dict[Any, Any]", node)
        if not all(isinstance(key, str) for key in found):
            _name_keys(found)
        return found.values()
    return cast("list[Any]", node) if isinstance(node, list) else ()


def _name_keys(node: dict[Any, Any]) -> None:
    """YAML reads the status 200 as a number and the property `on` as a boolean."""
    for key in [key for key in node if not isinstance(key, str)]:
        node[json.dumps(key) if isinstance(key, bool | int | float) or key is None else str(key)] = node.pop(key)
