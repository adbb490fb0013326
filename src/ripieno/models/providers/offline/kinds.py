"""What a parameter of a tool wants, told from its name and schema."""

import re
from enum import StrEnum
from typing import cast

from ripieno.domain.jsons import Json, JsonObject


class Kind(StrEnum):
    """Kinds of values that can be found in a text."""

    EXPRESSION = "expression"
    URL = "url"
    HOST = "host"
    PATH = "path"
    GLOB = "glob"
    PATTERN = "pattern"
    CONTENT = "content"
    TIMEZONE = "timezone"
    SINCE = "since"
    QUESTION = "question"
    CHOICE = "choice"
    NUMBER = "number"
    BOOLEAN = "boolean"
    LIST = "list"
    OBJECT = "object"
    TEXT = "text"


_BY_NAME = (
    (Kind.EXPRESSION, {"expression", "formula", "calculation"}),
    (Kind.URL, {"url", "uri", "link", "endpoint"}),
    (Kind.HOST, {"host", "hostname", "domain", "ip", "server", "fqdn"}),
    (Kind.GLOB, {"glob", "globs"}),
    (Kind.PATH, {"path", "file", "filename", "folder", "directory", "dir", "repository", "repo", "paths", "files"}),
    (Kind.PATTERN, {"pattern", "regex", "regexp", "needle", "substring", "grep"}),
    (Kind.CONTENT, {"content", "contents", "body"}),
    (Kind.TIMEZONE, {"timezone", "tz", "zone"}),
    (Kind.SINCE, {"since", "until", "after", "before", "duration", "period", "window"}),
    (
        Kind.QUESTION,
        {"query", "question", "prompt", "goal", "task", "message", "text", "input", "search", "q", "topic"},
    ),
)
_BY_TYPE = {
    "integer": Kind.NUMBER,
    "number": Kind.NUMBER,
    "boolean": Kind.BOOLEAN,
    "array": Kind.LIST,
    "object": Kind.OBJECT,
}
_BY_FORMAT = {
    "uri": Kind.URL,
    "url": Kind.URL,
    "iri": Kind.URL,
    "hostname": Kind.HOST,
    "ipv4": Kind.HOST,
    "ipv6": Kind.HOST,
}
_VAGUE = {"name", "target", "address"}


def kind_of(name: str, schema: JsonObject, tool: str = "") -> Kind:
    """Tell the kind of a parameter; `tool` is the tool's name, which helps where the parameter's says little."""
    if "enum" in schema or "const" in schema:
        return Kind.CHOICE
    known = _BY_TYPE.get(type_of(schema)) or _BY_FORMAT.get(str(schema.get("format", "")))
    if known:
        return known
    said = set(re.split(r"[^a-z]+", name.lower()))
    described = str(schema.get("description", "")).lower()
    if name in _VAGUE and ("host" in described or "domain" in described or tool.startswith("net.")):
        return Kind.HOST
    return next((kind for kind, names in _BY_NAME if said & names), Kind.TEXT)


def type_of(schema: JsonObject) -> str:
    """The schema's type; of several, the first that is not null; empty when it names none."""
    named = schema.get("type", "")
    if isinstance(named, list):
        return next((str(item) for item in cast("list[Json]", named) if item != "null"), "")
    return str(named)


def schema_of(schema: JsonObject, name: str) -> JsonObject:
    """The schema of a property, with local references and `X or null` resolved."""
    properties = schema.get("properties")
    own: Json = cast("JsonObject", properties).get(name, {}) if isinstance(properties, dict) else {}
    return resolved(cast("JsonObject", own) if isinstance(own, dict) else {}, schema)


def resolved(schema: JsonObject, root: JsonObject, depth: int = 8) -> JsonObject:
    """Follow a local `$ref` and take the first alternative that is not null."""
    reference = schema.get("$ref")
    if isinstance(reference, str) and reference.startswith("#/") and depth:
        found: Json = root
        for part in reference[2:].split("/"):
            found = (
                cast("JsonObject", found).get(part.replace("~1", "/").replace("~0", "~"))
                if isinstance(found, dict)
                else None
            )
        if isinstance(found, dict):
            rest = {key: value for key, value in schema.items() if key != "$ref"}
            return resolved({**cast("JsonObject", found), **rest}, root, depth - 1)
    for word in ("anyOf", "oneOf", "allOf"):
        options = schema.get(word)
        if isinstance(options, list) and depth:
            real = [cast("JsonObject", item) for item in cast("list[Json]", options) if isinstance(item, dict)]
            kept = [item for item in real if item.get("type") != "null"] or real
            if kept:
                rest = {key: value for key, value in schema.items() if key != word}
                chosen = kept[0] if word != "allOf" else {key: value for item in kept for key, value in item.items()}
                return resolved({**chosen, **rest}, root, depth - 1)
    return schema


def properties(schema: JsonObject) -> list[str]:
    """The names of an object schema's properties."""
    own = schema.get("properties")
    return [str(name) for name in cast("JsonObject", own)] if isinstance(own, dict) else []


def required(schema: JsonObject) -> tuple[str, ...]:
    """The names that an object schema requires."""
    own = schema.get("required")
    return tuple(str(name) for name in cast("list[Json]", own)) if isinstance(own, list) else ()
