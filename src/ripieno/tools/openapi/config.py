"""What an administrator says about an imported API: what to take over, where it is, who we are to it."""

import re
from collections.abc import Mapping
from dataclasses import replace
from fnmatch import fnmatchcase
from typing import Annotated, Any, Literal, TypeVar

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationError, field_validator, model_validator

from ripieno.domain.effects import EffectClass
from ripieno.domain.errors import Invalid, Problem
from ripieno.domain.secrets import NAME, REFERENCE
from ripieno.domain.tools import Risk
from ripieno.tools.openapi.operations import Operation, SecurityScheme

T = TypeVar("T")

Pattern = Annotated[str, Field(min_length=1, max_length=200)]

_ADDRESS = re.compile(r"https?://[^/?#@\s]+(/[^?#\s]*)?")


def _an_address(url: str) -> str:
    if url and not _ADDRESS.fullmatch(url):
        msg = "must be http:// or https://, a host and perhaps a path"
        raise ValueError(msg)
    return url


Address = Annotated[str, Field(max_length=2000), AfterValidator(_an_address)]


class Selection(BaseModel):
    """Which operations become tools: those that any of the lists means, or all where there is none.

    `operations` are names or ids with wild cards, `paths` regular expressions that the path must hold. What is
    deprecated is left out unless `deprecated` says otherwise.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    tags: tuple[Pattern, ...] = ()
    operations: tuple[Pattern, ...] = ()
    paths: tuple[Pattern, ...] = ()
    deprecated: bool = False

    @field_validator("paths")
    @classmethod
    def _compile(cls, paths: tuple[str, ...]) -> tuple[str, ...]:
        for path in paths:
            try:
                re.compile(path)
            except re.error as error:
                msg = f"{path!r} is no regular expression: {error}"
                raise ValueError(msg) from None
        return paths

    def means(self, operation: Operation) -> bool:
        """Whether an operation becomes a tool."""
        if operation.deprecated and not self.deprecated:
            return False
        if not (self.tags or self.operations or self.paths):
            return True
        return (
            any(tag in self.tags for tag in operation.tags)
            or any(_names(pattern, operation) for pattern in self.operations)
            or any(re.search(path, operation.path) for path in self.paths)
        )


class Credential(BaseModel):
    """Who we are in one security scheme of the document. What must stay secret is given as `secret://NAME`.

    `secret` is the API key, the bearer token, or the password beside `username`; OAuth2 client credentials take
    `client_id`, `secret` and, where the document's are not right, `token_url` and `scopes`. With a `type` this is a
    scheme of which the document does not know, and every request bears it: a key goes `in` the place called `name`.
    """

    model_config = ConfigDict(extra="forbid", frozen=True, populate_by_name=True)

    secret: str = Field(pattern=f"^{REFERENCE}{NAME.pattern}$")
    type: Literal["apiKey", "basic", "bearer", "clientCredentials"] | None = None
    place: Literal["header", "query", "cookie"] = Field(default="header", alias="in")
    name: str = Field(default="", pattern=r"^[A-Za-z0-9!#$%&'*+.^_`|~-]*$")
    username: str = ""
    client_id: str = ""
    token_url: Address = ""
    scopes: tuple[str, ...] | None = None

    @model_validator(mode="after")
    def _is_whole(self) -> "Credential":
        if self.type == "apiKey" and not self.name:
            msg = "an apiKey needs the name of its header, query parameter or cookie"
            raise ValueError(msg)
        if self.type == "clientCredentials" and not self.token_url:
            msg = "clientCredentials need a token_url"
            raise ValueError(msg)
        return self

    def scheme(self, name: str) -> SecurityScheme:
        """The security scheme that this one brings along."""
        return SecurityScheme(name, self.type or "", self.place, self.name, self.token_url)


class ApiConfig(BaseModel):
    """One API. `auth` is by the name of the security scheme; `variables` fill the server's address.

    `base_url` stands for all addresses of the document. `origins` are further ones that may be called, with
    credentials. `effects` and `risks`, by patterns of names, say what the document does not; `idempotency_header` is
    the header by which the API knows a repeated request, where it has one. `scopes` are asked for where a credential
    names none. `timeout` is in seconds.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    include: Selection = Selection()
    base_url: Address = ""
    origins: tuple[Address, ...] = ()
    variables: dict[str, str] = Field(default_factory=dict)
    auth: dict[str, Credential] = Field(default_factory=dict)
    scopes: tuple[str, ...] | None = None
    effects: dict[Pattern, EffectClass] = Field(default_factory=dict)
    risks: dict[Pattern, Risk] = Field(default_factory=dict)
    idempotency_header: str = Field(default="", pattern=r"^[A-Za-z0-9-]*$")
    timeout: float = Field(default=30.0, gt=0, le=600)

    def declared(self, operation: Operation) -> Operation:
        """The operation as the administrator knows it."""
        effect, header = operation.effect, operation.idempotency_header
        if self.idempotency_header and effect is not EffectClass.READ:
            header = header or self.idempotency_header
            effect = EffectClass.IDEMPOTENT if effect is EffectClass.IRREVERSIBLE else effect
        return replace(
            operation,
            effect=_meant(self.effects, operation, effect),
            risk=_meant(self.risks, operation, operation.risk),
            idempotency_header=header,
        )


def parsed(document: Any) -> ApiConfig:
    """The configuration in a JSON object. Raises `Invalid` with a problem for each member that is wrong."""
    try:
        return ApiConfig.model_validate(document)
    except ValidationError as error:
        problems = [
            Problem("/" + "/".join(map(str, item["loc"])), item["msg"].removeprefix("Value error, "))
            for item in error.errors(include_url=False)
        ]
        raise Invalid("the description of the API is wrong", problems) from None


def _meant(by_pattern: Mapping[str, T], operation: Operation, otherwise: T) -> T:
    return next((value for pattern, value in by_pattern.items() if _names(pattern, operation)), otherwise)


def _names(pattern: str, operation: Operation) -> bool:
    return fnmatchcase(operation.name, pattern) or fnmatchcase(operation.operation_id, pattern)
