"""The body of an operation: which media types it may have, and its schema as the argument `body`."""

from dataclasses import dataclass, field
from typing import Any

from ripieno.domain.jsons import Json, JsonObject
from ripieno.tools.openapi.nodes import members
from ripieno.tools.openapi.operations import Body, Encoding
from ripieno.tools.openapi.references import followed
from ripieno.tools.openapi.schemas import Schemas

FORM, MULTIPART = "application/x-www-form-urlencoded", "multipart/form-data"
BYTES: JsonObject = {"type": "string", "contentEncoding": "base64", "description": "Base64 of the bytes."}


@dataclass
class ReadBody:
    """What was found. `names` are the definitions that the properties refer to."""

    body: Body
    properties: JsonObject = field(default_factory=dict[str, Json])
    names: set[str] = field(default_factory=set[str])


def read_body(document: JsonObject, schemas: Schemas, own: JsonObject) -> ReadBody | None:
    """The body; None where the operation takes none. Raises `BrokenReference`."""
    if "requestBody" not in own:
        return None
    whole = members(followed(document, own["requestBody"]))
    content = members(whole.get("content"))
    if not content:
        return None
    preferred, *others = sorted(content, key=_preference)
    media_types = (preferred, *others)
    names: set[str] = set()
    described = [_described(document, schemas, kind, members(content[kind]), names) for kind in media_types]
    properties: JsonObject = {"body": described[0]}
    if others:
        distinct = [schema for n, schema in enumerate(described) if schema not in described[:n]]
        properties["body"] = {"anyOf": distinct} if len(distinct) > 1 else distinct[0]
        note = f"How the body is written; {preferred} unless said otherwise."
        properties["content_type"] = {"enum": list(media_types), "description": note}
    if text := str(whole.get("description") or "").strip():
        properties["body"] = {**properties["body"], "description": text}
    first = members(content[preferred])
    body = Body(
        media_types,
        required=whole.get("required") is True,
        encodings={name: _encoding(one) for name, one in members(first.get("encoding")).items()},
        binary=_binary(document, preferred, first.get("schema")),
    )
    return ReadBody(body, properties, names)


def is_json(media_type: str) -> bool:
    """Whether a body of this type is written as JSON."""
    kind = media_type.partition(";")[0].strip().lower()
    return kind in {"application/json", "*/*", "application/*"} or kind.endswith("+json")


def is_text(media_type: str) -> bool:
    """Whether a body of this type is written as the text it is."""
    kind = media_type.partition(";")[0].strip().lower()
    return kind.startswith("text/") or kind in {"application/xml", "application/yaml"} or kind.endswith("+xml")


def _preference(media_type: str) -> int:
    kind = media_type.partition(";")[0].strip().lower()
    order = (kind == "application/json", is_json(kind), kind == FORM, kind == MULTIPART, is_text(kind), True)
    return order.index(True)


def _described(
    document: JsonObject, schemas: Schemas, media_type: str, media: JsonObject, names: set[str]
) -> JsonObject:
    kind = media_type.partition(";")[0].strip().lower()
    if is_json(kind) or kind in {FORM, MULTIPART}:
        schema, reached = schemas.convert(media.get("schema"))
        names |= reached
        return _with_bytes(document, schema, media.get("schema")) if kind == MULTIPART else schema
    return {"type": "string"} if is_text(kind) else BYTES


def _with_bytes(document: JsonObject, schema: JsonObject, given: Any) -> JsonObject:
    """Fields that hold files take base64; the schema says so, in place of its reference where it is one."""
    fields = _binary(document, MULTIPART, given)
    if not fields or "properties" not in schema:
        return schema
    changed = {name: BYTES for name in fields if name in schema["properties"]}
    return {**schema, "properties": {**schema["properties"], **changed}}


def _binary(document: JsonObject, media_type: str, schema: Any) -> frozenset[str]:
    kind = media_type.partition(";")[0].strip().lower()
    if kind not in {FORM, MULTIPART}:
        return frozenset() if is_json(kind) or is_text(kind) else frozenset({""})
    properties = members(members(followed(document, schema)).get("properties"))
    return frozenset(name for name, one in properties.items() if _holds_bytes(followed(document, one)))


def _holds_bytes(schema: Any) -> bool:
    one = members(schema)
    if one.get("type") == "array":
        return _holds_bytes(one.get("items"))
    return one.get("format") == "binary" or "contentMediaType" in one


def _encoding(given: Any) -> Encoding:
    told = members(given)
    style = str(told.get("style") or "form")
    return Encoding(told.get("contentType"), style, bool(told.get("explode", style == "form")))
