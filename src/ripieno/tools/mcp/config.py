"""What an administrator says about one MCP server: how to reach it, who we are to it, and what its tools may do.

`secret://NAME` in `args`, `env`, `headers` and `auth` stands for a secret's value. It is put in when the server is
connected to, and shown to nobody. `${NAME}` stays as it is.
"""

import re
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any, Literal, TypeAlias

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationError, model_validator

from ripieno.domain.effects import EffectClass
from ripieno.domain.errors import Invalid, Problem
from ripieno.domain.jsons import JsonObject
from ripieno.domain.tools import Compensation, Reconciliation, Risk
from ripieno.tools import functions
from ripieno.tools.names import check_name

LONGEST_SECONDS = 3600.0
PATIENCE = 10
"""How many times its time-out a call may take in all while the server tells of progress."""

Seconds = Annotated[float, Field(gt=0, le=LONGEST_SECONDS)]

_ADDRESS = re.compile(r"https?://[^/?#@\s]+([/?][^#\s]*)?")


def _an_address(url: str) -> str:
    if url and not _ADDRESS.fullmatch(url):
        msg = "must be http:// or https:// with a host, without a user or a fragment"
        raise ValueError(msg)
    return url


Address = Annotated[str, Field(max_length=2000), AfterValidator(_an_address)]


class CompensateConfig(BaseModel):
    """What undoes a call: a tool of the same server (or `toolset.tool`), and its arguments; unset: the same ones."""

    model_config = ConfigDict(extra="forbid", frozen=True, populate_by_name=True)

    tool: str
    arguments: JsonObject | None = Field(default=None, alias="with")

    def call(self, server: str) -> Compensation:
        """The same in the words of the domain."""
        return functions.at_home(Compensation(self.tool, self.arguments), server)


class ReconcileConfig(CompensateConfig):
    """What tells whether a call happened: a tool that only reads, and where in its answer that stands."""

    happened: str = "happened"
    result: str = "result"

    def asks(self, server: str) -> Reconciliation:
        """The same in the words of the domain."""
        return functions.at_home(Reconciliation(self.tool, self.arguments, self.happened, self.result), server)


class Bearer(BaseModel):
    """A token that every request bears."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    type: Literal["bearer"]
    token: str = Field(min_length=1)


class ClientCredentials(BaseModel):
    """OAuth 2.1 client credentials: a token is asked for at `token_url`, and anew when the server refuses it."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    type: Literal["client_credentials"]
    token_url: Address = Field(min_length=1)
    client_id: str = Field(min_length=1)
    client_secret: str = Field(min_length=1)
    scopes: tuple[str, ...] = ()
    resource: str = ""


Auth: TypeAlias = Annotated[Bearer | ClientCredentials, Field(discriminator="type")]


class ServerConfig(BaseModel):
    """One server.

    `effects`, `risks`, `compensate` and `reconcile` are by the tool's own name. `trust` believes what the server
    says about the effects of its tools; otherwise what is not declared here is irreversible. `allow` are patterns
    of tools that are taken over, None means all. `concurrency` is how many calls may be under way at once, and
    `result_bytes` how much of a result a model sees, where that is less than for all tools. `protocol: handshake` holds
    a server to the revisions before 2026-07-28, which begin with a handshake.

    Seconds: a call ends after `timeout` without a word from the server; its reports of progress extend that, up to
    `longest` in all (unset: ten times the time-out). `connect_timeout` is for the start of the server, `probe_timeout`
    for the answer to the question whether it still works, after a call that took too long.
    """

    model_config = ConfigDict(extra="forbid", frozen=True, coerce_numbers_to_str=True)

    name: str = ""
    transport: Literal["stdio", "sse", "http"] = "stdio"
    command: str = ""
    args: tuple[str, ...] = ()
    env: dict[str, str] = Field(default_factory=dict)
    cwd: Path | None = None
    url: Address = ""
    headers: dict[str, str] = Field(default_factory=dict)
    auth: Auth | None = None
    effects: dict[str, EffectClass] = Field(default_factory=dict)
    risks: dict[str, Risk] = Field(default_factory=dict)
    compensate: dict[str, CompensateConfig] = Field(default_factory=dict)
    reconcile: dict[str, ReconcileConfig] = Field(default_factory=dict)
    protocol: Literal["auto", "handshake"] = "auto"
    trust: bool = False
    allow: tuple[str, ...] | None = None
    concurrency: int = Field(default=16, ge=1, le=1000)
    result_bytes: int | None = Field(default=None, ge=256)
    timeout: Seconds = 60.0
    longest: Seconds | None = None
    connect_timeout: Seconds = 30.0
    probe_timeout: Seconds = 10.0

    @property
    def most_seconds(self) -> float:
        """How long a call may take in all."""
        return max(self.timeout, self.longest or min(PATIENCE * self.timeout, LONGEST_SECONDS))

    @model_validator(mode="after")
    def _can_be_reached(self) -> "ServerConfig":
        local = self.transport == "stdio"
        if local and not self.command:
            msg = "a stdio server needs a command"
            raise ValueError(msg)
        if not local and not self.url:
            msg = f"a server over {self.transport} needs a url"
            raise ValueError(msg)
        others = ("url", "headers", "auth") if local else ("command", "args", "env", "cwd")
        if wrong := [name for name in others if getattr(self, name)]:
            msg = f"a server over {self.transport} has no {wrong[0]}"
            raise ValueError(msg)
        return self


def parsed(name: str, body: JsonObject, place: Sequence[str] = ()) -> ServerConfig:
    """A server by what is said about it. `place` is where that stands in a document.

    Raises:
        Invalid: `problems` has a line for each key that is wrong.
    """
    try:
        return ServerConfig.model_validate({**body, "name": check_name(name)})
    except ValidationError as error:
        found = error.errors(include_url=False, include_input=False)
        problems = [_problem([*place, *map(str, item["loc"])], item["msg"]) for item in found]
    except Invalid as error:
        problems = [_problem(place, error.detail)]
    raise Invalid(f"server {name} is wrong: " + "; ".join(problem.detail for problem in problems), problems)


def said(config: ServerConfig) -> dict[str, Any]:
    """A server as it is kept: what was said about it, and nothing else."""
    return config.model_dump(mode="json", by_alias=True, exclude_unset=True, exclude={"name"})


def _problem(keys: Sequence[str], detail: str) -> Problem:
    text = detail.removeprefix("Value error, ")
    return Problem("".join(f"/{key}" for key in keys), f"{'.'.join(keys)}: {text}" if keys else text)
