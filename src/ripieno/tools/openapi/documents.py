"""Reads an OpenAPI document from bytes that a stranger may have written."""

import json
import math
import re
from collections.abc import Collection
from typing import Any, ClassVar, cast

import yaml
from pydantic_core import from_json

from ripieno.domain.errors import Invalid, Problem
from ripieno.domain.jsons import Json, JsonObject

MOST_BYTES = 32_000_000
MOST_NODES = 3_000_000
"""Values in a document, those that YAML aliases stand for counted each time."""

MOST_MERGED = 20_000
"""Members of one mapping, those that `<<` brings counted each time."""

DEEPEST = 200
TOO_DEEP = f"the document is nested more than {DEEPEST} levels deep"

_TYPES = (
    ("null", r"~|null|", ["~", "n", ""]),
    ("bool", r"true|false", list("tf")),
    ("int", r"[-+]?(?:0|[1-9][0-9]*)", list("-+0123456789")),
    ("float", r"[-+]?(?:0|[1-9][0-9]*)?(?:\.[0-9]+|(?:\.[0-9]*)?[eE][-+]?[0-9]+)", list("-+.0123456789")),
    ("merge", r"<<", ["<"]),
)
"""How YAML 1.2 tells what a plain word is: its type, its form, the letters that it may begin with."""


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
        return from_json(text, allow_inf_nan=False)
    except ValueError as error:
        if text.lstrip().startswith(("{", "[")):
            wrong = str(error)
        else:
            return _from_yaml(text)
    try:
        return _from_yaml(text)  # its flow style looks like JSON
    except Invalid:
        raise Invalid(f"the document is not valid JSON: {wrong}") from None


def _from_yaml(text: str) -> Json:
    try:
        if _is_deep(text):
            raise Invalid(TOO_DEEP)
        return yaml.load(text, _Loader)  # noqa: S506 - a safe loader
    except RecursionError:
        raise Invalid(TOO_DEEP) from None
    except (yaml.YAMLError, ValueError) as error:
        raise Invalid(f"the document is neither JSON nor YAML: {' '.join(str(error).split())[:300]}") from None


def _is_deep(text: str) -> bool:
    """Asked before anything is built: libyaml builds by recursion, and ends the process some 30,000 levels deep."""
    depth = 0
    for event in yaml.parse(text, _Loader):
        if isinstance(event, yaml.CollectionStartEvent):
            depth += 1
        elif isinstance(event, yaml.CollectionEndEvent):
            depth -= 1
        if depth > DEEPEST:
            return True
    return False


class _Loader(yaml.CSafeLoader):
    """The types of JSON alone, by the rules of YAML 1.2: `on` and a date stay the texts they are."""

    yaml_implicit_resolvers: ClassVar[Any] = {
        letter: [
            (f"tag:yaml.org,2002:{tag}", re.compile(f"^(?:{form})$"))
            for tag, form, letters in _TYPES
            if letter in letters
        ]
        for letter in {letter for _, _, letters in _TYPES for letter in letters}
    }
    yaml_constructors: ClassVar[Any] = {
        tag: made
        for tag, made in yaml.CSafeLoader.yaml_constructors.items()
        if tag is None or tag.rpartition(":")[2] in {"null", "bool", "int", "float", "str", "seq", "map"}
    }

    def flatten_mapping(self, node: Any) -> None:
        """Take in what `<<` brings, but no bomb of it."""
        super().flatten_mapping(node)
        if len(node.value) > MOST_MERGED:
            raise yaml.YAMLError(f"a mapping has more than {MOST_MERGED:,} members")


def _bound(document: Json) -> None:
    """Refuse what is no JSON, and what aliases blow up: what they stand for is counted again each time."""
    seen = 1
    level: list[Any] = [document]
    for _ in range(DEEPEST):
        below: list[Any] = []
        for node in level:
            children = _children(node)
            seen += len(children)
            if seen > MOST_NODES:
                raise Invalid(f"the document stands for more than {MOST_NODES:,} values")
            for child in children:
                if isinstance(child, dict | list):
                    below.append(child)
                elif isinstance(child, float) and not math.isfinite(child):
                    raise Invalid("the document has a number that is too large")
        if not below:
            return
        level = below
    raise Invalid(TOO_DEEP)


def _children(node: dict[Any, Any] | list[Any]) -> Collection[Any]:
    if isinstance(node, list):
        return node
    if not all(isinstance(key, str) for key in node):
        _name_keys(node)
    return node.values()


def _name_keys(node: dict[Any, Any]) -> None:
    """YAML reads the status 200 as a number."""
    for key in [key for key in node if not isinstance(key, str)]:
        node[json.dumps(key) if isinstance(key, bool | int | float) or key is None else str(key)] = node.pop(key)
