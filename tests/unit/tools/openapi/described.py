"""Small descriptions of APIs for tests."""

from typing import Any

from ripieno.domain.jsons import JsonObject
from ripieno.tools.openapi.operations import Api, Operation
from ripieno.tools.openapi.reading import read


def document(paths: JsonObject, **more: Any) -> JsonObject:
    """An OpenAPI document with these paths."""
    start = {"openapi": "3.1.0", "info": {"title": "Test", "version": "1"}, "servers": [{"url": "https://api.test/v1"}]}
    return {**start, "paths": paths, **more}


def api_of(paths: JsonObject, **more: Any) -> Api:
    """What is read of it, as the toolset `t`."""
    return read(document(paths, **more), "t")


def operation_of(own: JsonObject, path: str = "/x", method: str = "get", **more: Any) -> Operation:
    """The only operation of a document, which can be read."""
    api = api_of({path: {method: own}}, **more)
    assert not api.problems, api.problems
    (operation,) = api.operations
    return operation


def parameter(name: str, place: str = "query", schema: JsonObject | None = None, **more: Any) -> JsonObject:
    """A parameter of an operation."""
    required = {"required": True} if place == "path" else {}
    return {"name": name, "in": place, "schema": schema or {"type": "string"}, **required, **more}


def body_of(media: JsonObject, **more: Any) -> JsonObject:
    """A request body by media types, each with its schema."""
    return {"requestBody": {"content": {kind: {"schema": one} for kind, one in media.items()}, **more}}
