"""The body of an operation: which media types it may have, and its schema as the argument `body`."""

from dataclasses import dataclass, field
from typing import Any

from ripieno.domain.jsons import Json, JsonObject
from ripieno.tools.openapi.nodes import members
from ripieno.tools.openapi.operations import Body, Encoding, Form
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
    forms = {kind: _form(document, members(content[kind])) for kind in media_types if is_form(kind)}
    return ReadBody(Body(media_types, whole.get("required") is True, forms), properties, names)


def is_json(media_type: str) -> bool:
    """Whether a body of this type is written as JSON."""
    kind = media_type.partition(";")[0].strip().lower()
    return kind in {"application/json", "*/*", "application/*"} or kind.endswith("+json")


def is_form(media_type: str) -> bool:
    """Whether a body of this type is written field by field."""
    return media_type.partition(";")[0].strip().lower() in {FORM, MULTIPART}


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
    given = media.get("schema")
    if not is_json(media_type) and not is_form(media_type):
        return {"type": "string"} if is_text(media_type) else BYTES
    fields = _binary(document, given) if is_form(media_type) else frozenset[str]()
    schema, reached = schemas.convert(followed(document, given) if fields else given)
    names |= reached
    if not fields:
        return schema
    given_fields = members(members(followed(document, given)).get("properties"))
    told = {name: _as_bytes(members(followed(document, given_fields[name]))) for name in fields}
    return {**schema, "properties": {**schema["properties"], **told}}


def _as_bytes(given: JsonObject) -> JsonObject:
    """Fields that hold files take base64, and the schema says so."""
    about = str(given.get("description") or "").strip()
    schema = {**BYTES, "description": f"{about} {BYTES['description']}".strip()}
    return {"type": "array", "items": schema} if given.get("type") == "array" else schema


def _form(document: JsonObject, media: JsonObject) -> Form:
    encodings = {name: _encoding(one) for name, one in members(media.get("encoding")).items()}
    return Form(encodings, _binary(document, media.get("schema")))


def _binary(document: JsonObject, schema: Any) -> frozenset[str]:
    properties = members(members(followed(document, schema)).get("properties"))
    return frozenset(name for name, one in properties.items() if _holds_bytes(document, one))


def _holds_bytes(document: JsonObject, schema: Any) -> bool:
    one = members(followed(document, schema))
    if one.get("type") == "array":
        one = members(followed(document, one.get("items")))
    return one.get("format") == "binary" or ("contentMediaType" in one and "contentEncoding" not in one)


def _encoding(given: Any) -> Encoding:
    told = members(given)
    style = str(told.get("style") or "form")
    return Encoding(told.get("contentType"), style, bool(told.get("explode", style == "form")))
