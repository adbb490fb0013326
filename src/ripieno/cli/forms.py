"""Filled forms: what a typed answer means where a tool asked for a JSON object."""

import json
from collections.abc import Sequence
from typing import cast

from ripieno.domain.interrupts import InterruptKind
from ripieno.domain.jsons import Json, JsonObject


def fitting(kind: str, request: JsonObject, body: JsonObject) -> JsonObject:
    """A decision as it is sent: the typed answer to a form as a JSON object."""
    if kind != InterruptKind.QUESTION or body.get("decision") != "answer":
        return body
    return {**body, "answer": filled(request, str(body["answer"]))}


def filled(request: JsonObject, text: str) -> Json:
    """The answer to a question that came with a form: JSON, or the value of its only field."""
    schema: JsonObject | None = request.get("schema")
    if schema is None:
        return text
    value: Json = _parsed(text)
    fields: JsonObject = schema.get("properties") or {}
    if value is None or isinstance(value, dict) or len(fields) != 1:
        return cast("Json", value)
    ((name, field),) = fields.items()
    return {name: text if field.get("type") == "string" else value}


def asked(request: JsonObject) -> list[tuple[str, str]]:
    """What a form asks for, field by field, and the page that a person is to visit."""
    found = [("open", str(request["url"]))] if request.get("url") else []
    schema: JsonObject = request.get("schema") or {}
    fields: JsonObject = schema.get("properties") or {}
    needed: Sequence[Json] = schema.get("required") or []
    return found + [(f"· {name}", _told(field, needed=name in needed)) for name, field in fields.items()]


def _told(field: JsonObject, *, needed: bool) -> str:
    words = " ".join(str(field[key]) for key in ("type", "title", "description") if field.get(key))
    choices: Sequence[Json] = field.get("enum") or []
    among = f", one of {', '.join(map(str, choices))}" if choices else ""
    return f"{words}{among}{'' if needed else ' (optional)'}"


def _parsed(text: str) -> Json:
    try:
        return json.loads(text)
    except ValueError:
        return text
