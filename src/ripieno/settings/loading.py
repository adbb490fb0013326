"""Reading settings from flags, variables and a file."""

import difflib
import os
import tomllib
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ValidationError

from ripieno.domain.errors import Invalid, Problem
from ripieno.settings.tree import Settings

PREFIX = "RIPIENO_"

NO_SETTINGS = frozenset({"RIPIENO_TOML", "RIPIENO_URL", "RIPIENO_KEY"})
"""Variables that say where to look, not how to be."""

FAMILIAR = {
    "ANTHROPIC_API_KEY": "anthropic.api_key",
    "ANTHROPIC_BASE_URL": "anthropic.base_url",
    "ANTHROPIC_MODEL": "anthropic.model",
    "OPENAI_API_KEY": "openai.api_key",
    "OPENAI_BASE_URL": "openai.base_url",
    "OPENAI_MODEL": "openai.model",
    "AWS_ACCESS_KEY_ID": "bedrock.access_key_id",
    "AWS_SECRET_ACCESS_KEY": "bedrock.secret_access_key",
    "AWS_SESSION_TOKEN": "bedrock.session_token",
    "AWS_BEARER_TOKEN_BEDROCK": "bedrock.api_key",
    "AWS_PROFILE": "bedrock.profile",
    "AWS_DEFAULT_REGION": "bedrock.region",
    "AWS_REGION": "bedrock.region",
    "AWS_ENDPOINT_URL_BEDROCK_RUNTIME": "bedrock.base_url",
    "BEDROCK_MODEL": "bedrock.model",
    "OLLAMA_BASE_URL": "ollama.base_url",
    "OLLAMA_MODEL": "ollama.model",
    "OTEL_EXPORTER_OTLP_ENDPOINT": "telemetry.endpoint",
    "OTEL_ENABLED": "telemetry.enabled",
}
"""Variables of other programs that are understood, and what they set; a later one goes before an earlier one."""


def load(flags: Mapping[str, Any] | None = None, environ: Mapping[str, str] | None = None) -> Settings:
    """Read the settings; `flags` are dotted names with values (`{"worker.slots": 8}`), None means not given.

    Raises:
        Invalid: A name is unknown or a value does not fit; `problems` has one line for each.
    """
    environ = os.environ if environ is None else environ
    environ = {variable: value for variable, value in environ.items() if value.strip()}
    tree = _toml(environ.get("RIPIENO_TOML"))
    for variable, name in FAMILIAR.items():
        if variable in environ:
            _put(tree, name, environ[variable])
    for variable, value in environ.items():
        if variable.startswith(PREFIX) and variable not in NO_SETTINGS:
            _put(tree, variable.removeprefix(PREFIX).lower().replace("__", "."), _parsed(value))
    for name, value in (flags or {}).items():
        if value is not None:
            _put(tree, name, value)
    try:
        return Settings.model_validate(tree)
    except ValidationError as error:
        raise Invalid("the settings are wrong", [_problem(item) for item in error.errors()]) from None


def names(kind: type[BaseModel] = Settings, prefix: str = "") -> Iterator[str]:
    """Every setting's dotted name."""
    for name, info in kind.model_fields.items():
        annotation = info.annotation
        if isinstance(annotation, type) and issubclass(annotation, BaseModel):
            yield from names(annotation, f"{prefix}{name}.")
        else:
            yield f"{prefix}{name}"


def _toml(named: str | None) -> dict[str, Any]:
    """The file that was named, which must be there, or the usual one, which need not."""
    path = Path(named or "ripieno.toml")
    try:
        return tomllib.loads(path.read_text())
    except FileNotFoundError:
        if named is None:
            return {}
        raise Invalid(f"there is no file {path}, which RIPIENO_TOML names") from None
    except OSError as error:
        raise Invalid(f"{path} cannot be read: {error.strerror}") from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise Invalid(f"{path} is not valid TOML: {error}") from None


def _put(tree: dict[str, Any], name: str, value: Any) -> None:
    *parents, last = name.split(".")
    for parent in parents:
        if not isinstance(tree.setdefault(parent, {}), dict):
            raise Invalid(f"setting {parent} is a single value; {name} cannot be set below it")
        tree = tree[parent]
    tree[last] = value


def _parsed(value: str) -> Any:
    """A variable holds one value, or a TOML array."""
    if value.startswith("["):
        try:
            return tomllib.loads(f"value = {value}")["value"]
        except tomllib.TOMLDecodeError:
            return value
    return value


def _problem(item: Mapping[str, Any]) -> Problem:
    name = ".".join(str(part) for part in item["loc"])
    if item["type"] != "extra_forbidden":
        said = item["msg"].removeprefix("Value error, ")
        return Problem("/" + name.replace(".", "/"), f"{name}: {said}" if name else said)
    near = difflib.get_close_matches(name, list(names()), n=1, cutoff=0.5)
    hint = f"; did you mean {near[0]}?" if near else ""
    return Problem("/" + name.replace(".", "/"), f"unknown setting {name}{hint}")
