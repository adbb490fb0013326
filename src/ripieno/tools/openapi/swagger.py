"""Swagger 2.0 told as OpenAPI 3.0, so that one reader is enough."""

from collections.abc import Mapping
from typing import Any, cast

from ripieno.domain.jsons import JsonObject
from ripieno.tools.openapi.nodes import items, members
from ripieno.tools.openapi.references import BrokenReference, followed

METHODS = ("get", "put", "post", "delete", "options", "head", "patch")

PLACES = {
    "#/definitions/": "#/components/schemas/",
    "#/parameters/": "#/components/parameters/",
    "#/responses/": "#/components/responses/",
}

STYLES: dict[str, JsonObject] = {
    "csv": {"explode": False},
    "multi": {"style": "form", "explode": True},
    "ssv": {"style": "spaceDelimited", "explode": False},
    "pipes": {"style": "pipeDelimited", "explode": False},
    "tsv": {"explode": False},
}

TOLD_ANEW = frozenset({"parameters", "consumes", "produces", "schemes", "responses"})

NO_SCHEMA = frozenset({"name", "in", "description", "required", "collectionFormat", "allowEmptyValue"})
"""Members of a parameter that are not its type."""

UNREADABLE: JsonObject = {"parameters": [{}]}
"""An operation of which the reader says that it is not described as it should be."""

FLOWS = {"application": "clientCredentials", "accessCode": "authorizationCode"}


def as_openapi(document: JsonObject) -> JsonObject:
    """The document as OpenAPI 3.0. What this server does not use (examples, external docs) may be lost."""
    return cast("JsonObject", _pointed_anew(_Converter(document).document()))


class _Converter:
    def __init__(self, document: JsonObject) -> None:
        self._old = document

    def document(self) -> JsonObject:
        old = self._old
        produces = old.get("produces")
        return {
            "openapi": "3.0.3",
            "info": old.get("info") or {},
            "servers": self._servers(),
            "paths": {path: self._path(members(item)) for path, item in members(old.get("paths")).items()},
            "security": old.get("security") or [],
            "components": {
                "schemas": old.get("definitions") or {},
                "parameters": {
                    name: self._parameter(members(one))
                    for name, one in members(old.get("parameters")).items()
                    if members(one).get("in") not in {"body", "formData"}
                },
                "responses": {
                    name: self._response(one, produces) for name, one in members(old.get("responses")).items()
                },
                "securitySchemes": {
                    name: _security(members(one)) for name, one in members(old.get("securityDefinitions")).items()
                },
            },
        }

    def _servers(self) -> list[JsonObject]:
        host, base = self._old.get("host"), str(self._old.get("basePath") or "")
        if not host:
            return [{"url": base or "/"}]
        return [{"url": f"{scheme}://{host}{base}"} for scheme in items(self._old.get("schemes")) or ["https"]]

    def _path(self, item: JsonObject) -> JsonObject:
        shared = self._split(item.get("parameters"))
        new: JsonObject = {"parameters": shared.plain}
        for method in METHODS:
            if method in item:
                new[method] = self._told(members(item[method]), shared)
        return new

    def _told(self, old: JsonObject, shared: "_Split") -> JsonObject:
        try:
            return self._operation(old, shared)
        except (AttributeError, KeyError, TypeError, ValueError):
            return UNREADABLE

    def _operation(self, old: JsonObject, shared: "_Split") -> JsonObject:
        own = self._split(old.get("parameters"))
        kept = {key: value for key, value in old.items() if key not in TOLD_ANEW}
        consumes = items(old.get("consumes")) or items(self._old.get("consumes"))
        produces = old.get("produces") or self._old.get("produces")
        responses = {code: self._response(one, produces) for code, one in members(old.get("responses")).items()}
        new: JsonObject = {**kept, "parameters": own.plain, "responses": responses}
        body, form = own.body or shared.body, own.form or shared.form
        if body is not None:
            kinds = consumes or ["application/json"]
            schema = members(body.get("schema"))
            content: JsonObject = {kind: {"schema": schema} for kind in kinds}
            new["requestBody"] = {"required": bool(body.get("required")), "content": content}
        elif form:
            new["requestBody"] = _form(form, consumes)
        return new

    def _split(self, parameters: Any) -> "_Split":
        split = _Split()
        for one in items(parameters):
            try:
                whole = members(followed(self._old, one))
            except BrokenReference:
                split.plain.append(one)
                continue
            if whole.get("in") == "body":
                split.body = whole
            elif whole.get("in") == "formData":
                split.form.append(whole)
            else:
                split.plain.append(self._parameter(whole))
        return split

    def _parameter(self, old: JsonObject) -> JsonObject:
        kept = {key: old[key] for key in ("name", "in", "description", "required") if key in old}
        return {**kept, "schema": _schema(old), **STYLES.get(str(old.get("collectionFormat", "")), _plain_list(old))}

    def _response(self, old: Any, produces: Any) -> JsonObject:
        whole = members(old)
        if "schema" not in whole:
            return whole
        content = {kind: {"schema": whole["schema"]} for kind in items(produces) or ["application/json"]}
        return {"description": whole.get("description", ""), "content": content}


class _Split:
    """The parameters of an operation, by what becomes of them."""

    def __init__(self) -> None:
        self.plain: list[JsonObject] = []
        self.form: list[JsonObject] = []
        self.body: JsonObject | None = None


def _plain_list(old: JsonObject) -> JsonObject:
    return {"explode": False} if old.get("type") == "array" else {}


def _schema(old: JsonObject) -> JsonObject:
    schema = {key: value for key, value in old.items() if key not in NO_SCHEMA and not key.startswith("x-")}
    return {**schema, "type": "string", "format": "binary"} if schema.get("type") == "file" else schema


def _form(fields: list[JsonObject], consumes: list[Any]) -> JsonObject:
    has_file = any(field.get("type") == "file" for field in fields)
    usual = "multipart/form-data" if has_file else "application/x-www-form-urlencoded"
    kind = usual if has_file or usual in consumes or not consumes else consumes[0]
    schema: JsonObject = {
        "type": "object",
        "properties": {
            field["name"]: {**_schema(field), "description": field.get("description", "")} for field in fields
        },
        "required": [field["name"] for field in fields if field.get("required")],
    }
    encoding = {
        field["name"]: {"explode": field["collectionFormat"] == "multi"}
        for field in fields
        if "collectionFormat" in field
    }
    return {"required": bool(schema["required"]), "content": {kind: {"schema": schema, "encoding": encoding}}}


def _security(old: JsonObject) -> JsonObject:
    match old.get("type"):
        case "basic":
            return {"type": "http", "scheme": "basic"}
        case "oauth2":
            flow = str(old.get("flow", ""))
            urls = {"tokenUrl": old.get("tokenUrl", ""), "authorizationUrl": old.get("authorizationUrl", "")}
            return {"type": "oauth2", "flows": {FLOWS.get(flow, flow): {**urls, "scopes": members(old.get("scopes"))}}}
        case _:
            return old


def _pointed_anew(node: Any) -> Any:
    """The same with its references pointing to where things are now."""
    if isinstance(node, Mapping):
        found = cast("Mapping[str, Any]", node)
        return {key: _pointer(value) if key == "$ref" else _pointed_anew(value) for key, value in found.items()}
    if isinstance(node, list):
        return [_pointed_anew(item) for item in cast("list[Any]", node)]
    return node


def _pointer(value: Any) -> Any:
    if isinstance(value, str):
        for old, new in PLACES.items():
            if value.startswith(old):
                return new + value.removeprefix(old)
    return value
