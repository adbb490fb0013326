"""From a document to operations. What cannot be read is a problem of that operation; the others are taken over."""

import re
from collections import Counter
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

from ripieno.domain.errors import Invalid
from ripieno.domain.jsons import JsonObject
from ripieno.tools.openapi import effects, naming, swagger
from ripieno.tools.openapi.bodies import read_body
from ripieno.tools.openapi.nodes import items, members
from ripieno.tools.openapi.operations import Api, ImportProblem, Operation, Parameter, SecurityScheme
from ripieno.tools.openapi.parameters import read_parameters
from ripieno.tools.openapi.references import BrokenReference, followed
from ripieno.tools.openapi.schemas import Schemas

METHODS = swagger.METHODS
LONGEST_SUMMARY = 1000


def read(document: JsonObject, toolset: str) -> Api:
    """All operations of an OpenAPI 3.0 or 3.1 or a Swagger 2.0 document, as tools of `toolset`.

    Raises:
        Invalid: It is no such document.
    """
    new = _opened(document)
    reader = _Reader(new, toolset)
    found = _told_apart(list(reader.operations()), naming.room_beside(toolset))
    info = members(new.get("info"))
    return Api(
        title=str(info.get("title", "")),
        version=str(info.get("version", "")),
        operations=tuple(found),
        schemes=reader.schemes(),
        servers=_servers(new.get("servers")),
        problems=tuple(reader.problems),
    )


def _opened(document: JsonObject) -> JsonObject:
    if str(document.get("swagger", "")).startswith("2."):
        document = _told_anew(document)
    version = str(document.get("openapi", ""))
    if not version.startswith(("3.0", "3.1")):
        said = f"its version is {version[:20]!r}" if version else "it names no version"
        raise Invalid(f"the document is no OpenAPI 3.0, 3.1 or Swagger 2.0: {said}")
    if not isinstance(document.get("paths"), dict) or not document["paths"]:
        raise Invalid("the document has no paths, so there is nothing to call")
    return document


def _told_anew(document: JsonObject) -> JsonObject:
    try:
        return swagger.as_openapi(document)
    except (AttributeError, KeyError, TypeError, ValueError, RecursionError) as error:
        raise Invalid(f"the document is not described as Swagger 2.0 says ({type(error).__name__})") from None


class _Reader:
    def __init__(self, document: JsonObject, toolset: str) -> None:
        self._document = document
        self._room = naming.room_beside(toolset)
        old = str(document["openapi"]).startswith("3.0")
        self._sent = Schemas(document, old=old, absent="readOnly")
        self._answered = Schemas(document, old=old, absent="writeOnly")
        self.problems: list[ImportProblem] = []

    def operations(self) -> Iterator[Operation]:
        for path, item in members(self._document["paths"]).items():
            try:
                whole = members(followed(self._document, item))
            except BrokenReference as broken:
                self._problem(path, str(broken))
                continue
            for method in METHODS:
                if method in whole:
                    yield from self._one(path, method, whole)

    def _one(self, path: str, method: str, item: JsonObject) -> Iterator[Operation]:
        try:
            yield self._operation(path, method, item)
        except BrokenReference as broken:
            self._problem(f"{method.upper()} {path}", str(broken))
        except (AttributeError, KeyError, TypeError, ValueError, RecursionError) as error:
            self._problem(f"{method.upper()} {path}", f"is not described as OpenAPI says ({type(error).__name__})")

    def _operation(self, path: str, method: str, item: JsonObject) -> Operation:
        own = members(item[method])
        read = read_parameters(self._document, self._sent, path, item, own)
        body = read_body(self._document, self._sent, own)
        names = read.names | body.names if body else read.names
        properties = {**read.properties, **(body.properties if body else {})}
        required = [*read.required, *(["body"] if body and body.body.required else [])]
        schema: JsonObject = {"type": "object", "properties": properties, "additionalProperties": False}
        if required:
            schema["required"] = required
        operation_id = str(own.get("operationId", ""))
        effect, risk = effects.declared(method, own, repeatable=read.idempotency_header is not None)
        return Operation(
            name=naming.named(operation_id, method, path, self._room),
            method=method.upper(),
            path=path,
            summary=_summary(own, method, path),
            input_schema=self._sent.closed(schema, names),
            response_schemas=self._responses(own),
            effect=effect,
            risk=risk,
            parameters=read.parameters,
            body=body.body if body else None,
            servers=_servers(own.get("servers") or item.get("servers")),
            security=_security(own.get("security", self._document.get("security"))),
            operation_id=operation_id,
            tags=tuple(str(tag) for tag in items(own.get("tags"))),
            idempotency_header=read.idempotency_header,
            pages=_pages(read.parameters),
            deprecated=own.get("deprecated") is True,
        )

    def _responses(self, own: JsonObject) -> dict[str, JsonObject]:
        """The schema of each status that answers JSON."""
        found: dict[str, JsonObject] = {}
        for status, response in members(own.get("responses")).items():
            whole = members(followed(self._document, response))
            for kind, media in members(whole.get("content")).items():
                if "json" in kind and "schema" in members(media):
                    schema, names = self._answered.convert(media["schema"])
                    found[str(status).upper()] = self._answered.closed(schema, names)
                    break
        return found

    def schemes(self) -> dict[str, SecurityScheme]:
        components = members(self._document.get("components"))
        found: dict[str, SecurityScheme] = {}
        for name, scheme in members(components.get("securitySchemes")).items():
            try:
                found[name] = _scheme(name, members(followed(self._document, scheme)))
            except BrokenReference as broken:
                self._problem(f"security scheme {name}", str(broken))
        return found

    def _problem(self, where: str, reason: str) -> None:
        self.problems.append(ImportProblem(where, reason))


def _told_apart(operations: list[Operation], room: int) -> list[Operation]:
    """All that share a name get a mark, so that it does not matter in which order they stand."""
    often = Counter(operation.name for operation in operations)
    return [
        replace(one, name=naming.told_apart(one.name, one.method.lower(), one.path, room))
        if often[one.name] > 1
        else one
        for one in operations
    ]


def _summary(own: JsonObject, method: str, path: str) -> str:
    told = [str(own.get(key) or "").strip() for key in ("summary", "description")]
    text = "\n\n".join(dict.fromkeys(part for part in told if part)) or f"{method.upper()} {path}"
    return text if len(text) <= LONGEST_SUMMARY else text[: LONGEST_SUMMARY - 1] + "…"


def _servers(servers: Any) -> tuple[JsonObject, ...]:
    return tuple(members(one) for one in items(servers) if isinstance(members(one).get("url"), str))


def _security(security: Any) -> tuple[dict[str, tuple[str, ...]], ...]:
    return tuple(
        {name: tuple(map(str, items(scopes))) for name, scopes in members(one).items()} for one in items(security)
    )


def _scheme(name: str, scheme: JsonObject) -> SecurityScheme:
    kind = str(scheme.get("type", ""))
    if kind == "apiKey":
        return SecurityScheme(name, "apiKey", str(scheme.get("in", "")), str(scheme.get("name", "")))
    if kind == "http":
        return SecurityScheme(name, str(scheme.get("scheme", "")).lower())
    flow = members(members(scheme.get("flows")).get("clientCredentials"))
    if kind == "oauth2" and flow:
        scopes = tuple(members(flow.get("scopes")))
        return SecurityScheme(name, "clientCredentials", token_url=str(flow.get("tokenUrl", "")), scopes=scopes)
    return SecurityScheme(name, "bearer" if kind in {"oauth2", "openIdConnect"} else kind)


_PAGE = re.compile(r"(?i)^(page|cursor|offset|start|after|page_?token|next_?token|starting_after|continuation_?token)$")


def _pages(parameters: tuple[Parameter, ...]) -> tuple[str, ...]:
    return tuple(one.argument for one in parameters if one.place == "query" and _PAGE.match(one.name))
