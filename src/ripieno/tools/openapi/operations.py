"""An operation of an HTTP API as a tool calls it: where each argument goes, and how it is written there."""

from dataclasses import dataclass, field
from typing import Literal

from ripieno.domain.effects import EffectClass
from ripieno.domain.jsons import JsonObject
from ripieno.domain.tools import Risk

Place = Literal["path", "query", "header", "cookie"]


@dataclass(frozen=True, slots=True)
class Parameter:
    """One parameter. `argument` is its name among the tool's arguments; one with a `media_type` is written as JSON."""

    name: str
    argument: str
    place: Place
    style: str
    explode: bool
    required: bool = False
    reserved: bool = False
    """Whether characters that mean something in a URL stay as they are."""
    media_type: str | None = None


@dataclass(frozen=True, slots=True)
class Encoding:
    """How one field of a form is written."""

    content_type: str | None = None
    style: str = "form"
    explode: bool = True


@dataclass(frozen=True, slots=True)
class Form:
    """How the fields of a form are written. `binary` names those whose text is base64 of bytes."""

    encodings: dict[str, Encoding] = field(default_factory=dict[str, Encoding])
    binary: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class Body:
    """The request's body, in the media types that it may have, the preferred one first; those of forms say more."""

    media_types: tuple[str, ...]
    required: bool = False
    forms: dict[str, Form] = field(default_factory=dict[str, Form])


@dataclass(frozen=True, slots=True)
class SecurityScheme:
    """How a caller shows who it is: `kind` is apiKey, basic, bearer or clientCredentials; others are not supported."""

    name: str
    kind: str
    place: str = ""
    parameter: str = ""
    token_url: str = ""
    scopes: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Operation:
    """One operation. `security` are alternatives, each a set of schemes with the scopes that it needs.

    `idempotency_header` is the header by which the API tells a repeated request from a new one; `pages` are the
    arguments by which it is asked for another page.
    """

    name: str
    method: str
    path: str
    summary: str
    input_schema: JsonObject
    response_schemas: dict[str, JsonObject]
    effect: EffectClass
    risk: Risk
    parameters: tuple[Parameter, ...] = ()
    body: Body | None = None
    servers: tuple[JsonObject, ...] = ()
    security: tuple[dict[str, tuple[str, ...]], ...] = ()
    operation_id: str = ""
    tags: tuple[str, ...] = ()
    idempotency_header: str | None = None
    pages: tuple[str, ...] = ()
    deprecated: bool = False


@dataclass(frozen=True, slots=True)
class ImportProblem:
    """Something in a document that could not be taken over: where, and why."""

    where: str
    reason: str


@dataclass(frozen=True, slots=True)
class Api:
    """What a document describes, as far as it could be read."""

    title: str
    version: str
    operations: tuple[Operation, ...]
    schemes: dict[str, SecurityScheme]
    servers: tuple[JsonObject, ...]
    problems: tuple[ImportProblem, ...] = ()
