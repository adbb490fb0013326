"""Schemas of a document as JSON Schema 2020-12, each with the definitions that it reaches and no others.

A definition is converted once and shared by every tool that reaches it, so a document of a thousand operations stays as
small as it was. A circle of references stays one: the definitions refer to each other by name.
"""

from collections.abc import Mapping
from typing import Any, cast
from urllib.parse import quote

from ripieno.domain.jsons import JsonObject
from ripieno.tools.openapi import keywords
from ripieno.tools.openapi.nodes import members
from ripieno.tools.openapi.references import BrokenReference, followed, parts, target

COMPONENTS = "#/components/schemas/"

DROPPED = frozenset(
    {"example", "examples", "externalDocs", "xml", "discriminator", "deprecated", "definitions"}
    | {"$schema", "$id", "id", "$anchor", "$dynamicAnchor", "$dynamicRef", "$recursiveRef", "$vocabulary", "$comment"}
)
"""Members that say nothing about which values are valid, or (ids) would change what references mean."""

OF_SCHEMAS = frozenset({"properties", "patternProperties", "$defs", "dependentSchemas"})
OF_LISTS = frozenset({"allOf", "anyOf", "oneOf", "prefixItems"})
OF_ONE = frozenset({"items", "additionalProperties", "not", "if", "then", "else", "contains", "propertyNames"})


class Schemas:
    """The schemas of one document. `old` says that it is written for OpenAPI 3.0, whose dialect is its own.

    `absent` is `readOnly` for what is sent and `writeOnly` for what is answered: properties that say so need not be
    there.
    """

    def __init__(self, document: JsonObject, *, old: bool, absent: str) -> None:
        self._document = document
        self._old = old
        self._absent = absent
        self._converted: dict[str, JsonObject] = {}
        self._reached: dict[str, set[str]] = {}

    def convert(self, schema: Any) -> tuple[JsonObject, set[str]]:
        """A schema in the new dialect, and the names of the definitions that it refers to.

        Raises:
            BrokenReference: It, or something that it reaches, refers to nothing.
        """
        names: set[str] = set()
        return self._convert(schema, names), names

    def definitions(self, names: set[str]) -> JsonObject:
        """These definitions and all that they reach, by name. Raises `BrokenReference`."""
        found: dict[str, JsonObject] = {}
        open_names = sorted(names, reverse=True)
        while open_names:
            name = open_names.pop()
            if name not in found:
                found[name] = self._definition(name)
                open_names += sorted(self._reached[name] - found.keys(), reverse=True)
        return cast("JsonObject", found)

    def closed(self, schema: JsonObject, names: set[str]) -> JsonObject:
        """A schema with the definitions that it needs. Raises `BrokenReference`."""
        return {**schema, "$defs": self.definitions(names)} if names else schema

    def _definition(self, name: str) -> JsonObject:
        if name not in self._converted:
            node = target(self._document, _reference(name))
            followed(self._document, node)  # a chain of references must end somewhere
            reached: set[str] = set()
            self._converted[name] = self._convert(node, reached)
            self._reached[name] = reached
        return self._converted[name]

    def _convert(self, schema: Any, names: set[str]) -> JsonObject:
        if not isinstance(schema, Mapping):
            return {} if schema is not False else {"not": {}}
        given = cast("Mapping[str, Any]", schema)
        reference = given.get("$ref")
        if isinstance(reference, str):
            name = _name(reference)
            target(self._document, reference)
            names.add(name)
            beside = {key: value for key, value in given.items() if key in {"description", "default"}}
            return {"$ref": f"#/$defs/{_escaped(name)}", **(beside if not self._old else {})}
        new: JsonObject = {}
        for key, value in given.items():
            if key not in DROPPED and not key.startswith("x-") and keywords.usable(key, value):
                new[key] = self._member(key, value, names)
        if "required" in new:
            new["required"] = [name for name in new["required"] if not self._is_absent(given, name)]
        return _modern(new) if self._old else new

    def _is_absent(self, given: Mapping[str, Any], name: str) -> bool:
        one = members(followed(self._document, members(given.get("properties")).get(name)))
        return one.get(self._absent) is True

    def _member(self, key: str, value: Any, names: set[str]) -> Any:
        if key in OF_SCHEMAS and isinstance(value, Mapping):
            found = cast("Mapping[str, Any]", value)
            return {name: self._convert(one, names) for name, one in found.items()}
        if key in OF_LISTS and isinstance(value, list):
            return [self._convert(one, names) for one in cast("list[Any]", value)]
        if key in OF_ONE and isinstance(value, Mapping):
            return self._convert(value, names)
        return value


def _modern(schema: JsonObject) -> JsonObject:
    """OpenAPI 3.0's own words in those of JSON Schema 2020-12."""
    new = dict(schema)
    for exclusive, limit in (("exclusiveMinimum", "minimum"), ("exclusiveMaximum", "maximum")):
        if isinstance(new.get(exclusive), bool) and new.pop(exclusive) and limit in new:
            new[exclusive] = new.pop(limit)
    nullable = new.pop("nullable", False)
    return _with_null(new) if nullable is True else new


def _with_null(schema: JsonObject) -> JsonObject:
    if any(key in schema for key in ("allOf", "anyOf", "oneOf", "not", "$ref")):
        return {"anyOf": [schema, {"type": "null"}]}
    if isinstance(schema.get("type"), str):
        schema = {**schema, "type": [schema["type"], "null"]}
    if isinstance(schema.get("enum"), list) and None not in schema["enum"]:
        schema = {**schema, "enum": [*schema["enum"], None]}
    return schema


def _name(reference: str) -> str:
    """What a definition is called here: its component's name, or where it stands."""
    if reference.startswith(COMPONENTS):
        inner = parts(reference)[2:]
        if len(inner) == 1:
            return inner[0]
    if not reference.startswith("#"):
        raise BrokenReference(f"{reference[:200]!r} is outside the document; references to elsewhere are not followed")
    return reference


def _reference(name: str) -> str:
    return name if name.startswith("#") else COMPONENTS + name.replace("~", "~0").replace("/", "~1")


def _escaped(name: str) -> str:
    """A name as a reference spells it: a pointer in a URI fragment."""
    return quote(name.replace("~", "~0").replace("/", "~1"), safe="~")
