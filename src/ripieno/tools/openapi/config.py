"""What an administrator says about an imported API: what to take over, where it is, who we are to it."""

import re
from fnmatch import fnmatchcase
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator

from ripieno.domain.errors import Invalid, Problem
from ripieno.domain.secrets import REFERENCE
from ripieno.tools.openapi.operations import Operation

Pattern = Annotated[str, Field(min_length=1, max_length=200)]


class Selection(BaseModel):
    """Which operations become tools: those that any of the lists means, or all where there is none.

    `operations` are names or ids with wild cards, `paths` regular expressions that the path must hold.
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
        names = (operation.name, operation.operation_id)
        return (
            any(tag in self.tags for tag in operation.tags)
            or any(fnmatchcase(name, pattern) for name in names for pattern in self.operations)
            or any(re.search(path, operation.path) for path in self.paths)
        )


class Credential(BaseModel):
    """Who we are in one security scheme of the document. What must stay secret is given as `secret://NAME`.

    `secret` is the API key, the bearer token, or the password beside `username`; OAuth2 client credentials take
    `client_id`, `secret` and, where the document's are not right, `token_url` and `scopes`.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    secret: str = Field(pattern=f"^{REFERENCE}[A-Za-z0-9][A-Za-z0-9_.-]{{0,127}}$")
    username: str = ""
    client_id: str = ""
    token_url: str = ""
    scopes: tuple[str, ...] | None = None


class ApiConfig(BaseModel):
    """One API. `auth` is by the name of the security scheme; `variables` fill the server's address."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    include: Selection = Selection()
    base_url: str = ""
    variables: dict[str, str] = Field(default_factory=dict)
    auth: dict[str, Credential] = Field(default_factory=dict)
    timeout: float = Field(default=30.0, gt=0, le=600)

    @field_validator("base_url")
    @classmethod
    def _an_address(cls, url: str) -> str:
        if url and not re.match(r"https?://[^/\s]", url):
            msg = "must begin with http:// or https:// and a host"
            raise ValueError(msg)
        return url


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
