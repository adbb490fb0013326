"""`mcp_servers.yaml`: which MCP servers there are and what they may do.

    mcp_servers:
      counter:
        transport: stdio
        command: counter-mcp
        args: [--verbose]
        env: {COUNTER_FILE: /var/lib/counter}
        effects: {increment: idempotent, get: read}
        allow: [increment, "get*"]

A server gets the variables named here and a few harmless ones (`PATH`, `HOME` …), nothing else of our environment;
`${NAME}` stays as it is.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any, Literal, cast

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from ripieno.domain.effects import EffectClass
from ripieno.domain.errors import Invalid, Problem
from ripieno.domain.jsons import Json, JsonObject
from ripieno.domain.tools import Compensation, Reconciliation, Risk
from ripieno.tools import functions
from ripieno.tools.names import check_name

Seconds = Annotated[float, Field(gt=0, le=3600)]


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


class ServerConfig(BaseModel):
    """One server.

    `effects`, `risks`, `compensate` and `reconcile` are by the tool's own name. `trust` believes what the server
    says about the effects of its tools; otherwise what is not declared here is irreversible. `allow` are patterns
    of tools that are taken over, None means all. Seconds: `timeout` for each call, `connect_timeout` for the start
    of the server, `probe_timeout` for the answer to the question whether it still works, after a call that took too
    long.
    """

    model_config = ConfigDict(extra="forbid", frozen=True, coerce_numbers_to_str=True)

    name: str = ""
    transport: Literal["stdio", "sse", "http"] = "stdio"
    command: str = ""
    args: tuple[str, ...] = ()
    env: dict[str, str] = Field(default_factory=dict)
    cwd: Path | None = None
    url: str = ""
    headers: dict[str, str] = Field(default_factory=dict)
    effects: dict[str, EffectClass] = Field(default_factory=dict)
    risks: dict[str, Risk] = Field(default_factory=dict)
    compensate: dict[str, CompensateConfig] = Field(default_factory=dict)
    reconcile: dict[str, ReconcileConfig] = Field(default_factory=dict)
    trust: bool = False
    allow: tuple[str, ...] | None = None
    timeout: Seconds = 60.0
    connect_timeout: Seconds = 30.0
    probe_timeout: Seconds = 10.0

    @model_validator(mode="after")
    def _can_be_started(self) -> "ServerConfig":
        if self.transport != "stdio":
            msg = f"transport {self.transport} is not supported yet; use stdio"
            raise ValueError(msg)
        if not self.command:
            msg = "a stdio server needs a command"
            raise ValueError(msg)
        return self


def load(path: Path) -> dict[str, ServerConfig]:
    """The servers of a file by name; none if there is no such file.

    Raises:
        Invalid: The file cannot be used; `problems` has a line for each key that is wrong.
    """
    try:
        document = yaml.safe_load(path.read_text())
    except FileNotFoundError:
        return {}
    except (OSError, UnicodeDecodeError) as error:
        raise Invalid(f"{path} cannot be read: {error}") from None
    except yaml.YAMLError as error:
        raise Invalid(f"{path} is not valid YAML: {' '.join(str(error).split())}") from None
    servers: dict[str, ServerConfig] = {}
    problems: list[Problem] = []
    for name, body in _entries(path, document).items():
        try:
            servers[name] = _server(name, body)
        except Invalid as error:
            problems += error.problems
    if problems:
        raise Invalid(f"{path}: " + "; ".join(problem.detail for problem in problems), problems)
    return servers


def _entries(path: Path, document: Json) -> Mapping[str, Json]:
    if document is None:
        return {}
    top = cast("dict[Any, Json]", document) if isinstance(document, dict) else {}
    servers = top.get("mcp_servers", document)
    if set(top) != {"mcp_servers"} or not isinstance(servers, dict | None):
        raise Invalid(f"{path} must hold one key, mcp_servers, with servers by name")
    return {str(name): body for name, body in cast("dict[Any, Json]", servers or {}).items()}


def _server(name: str, body: Json) -> ServerConfig:
    try:
        fields = cast("dict[str, Json]", body) if isinstance(body, dict) else {}
        return ServerConfig.model_validate({**fields, "name": check_name(name)})
    except ValidationError as error:
        problems = [_problem(name, item["loc"], item["msg"]) for item in error.errors(include_url=False)]
        raise Invalid(f"server {name} is wrong", problems) from None
    except Invalid as error:
        raise Invalid(f"server {name} is wrong", [_problem(name, (), error.detail)]) from None


def _problem(server: str, path: Sequence[str | int], detail: str) -> Problem:
    keys = ["mcp_servers", server, *(str(key) for key in path)]
    return Problem("/" + "/".join(keys), f"{'.'.join(keys)}: {detail.removeprefix('Value error, ')}")
