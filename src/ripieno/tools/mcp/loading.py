"""`mcp_servers.yaml`: the MCP servers of everybody.

mcp_servers:
counter:
transport: stdio
command: counter-mcp
args: [--verbose]
env: {COUNTER_FILE: /var/lib/counter, TOKEN: "secret://counter"}
effects: {increment: idempotent, get: read}
allow: [increment, "get*"]
tickets:
transport: http
url: https://tickets.example.com/mcp
auth: {type: bearer, token: "secret://tickets"}
"""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, cast

import yaml

from ripieno.domain.errors import Invalid, Problem
from ripieno.domain.jsons import Json, JsonObject
from ripieno.tools.mcp.config import ServerConfig, parsed

KEY = "mcp_servers"


def load(path: Path) -> dict[str, ServerConfig]:
    """The servers of a file by name; none if there is no such file.

    Raises:
        Invalid: The file cannot be used; `problems` has a line for each key that is wrong.
    """
    try:
        text = path.read_text()
        document = yaml.safe_load(text)
    except FileNotFoundError:
        return {}
    except (OSError, UnicodeDecodeError) as error:
        raise Invalid(f"{path} cannot be read: {error}") from None
    except (yaml.YAMLError, RecursionError) as error:
        raise Invalid(f"{path} is not valid YAML: {' '.join(str(error).split())}") from None
    servers: dict[str, ServerConfig] = {}
    problems: list[Problem] = []
    for name, body in _entries(path, document).items():
        try:
            fields = cast("JsonObject", body) if isinstance(body, dict) else {}
            servers[name] = parsed(name, fields, (KEY, name))
        except Invalid as error:
            problems += [_placed(problem, text) for problem in error.problems]
    if problems:
        raise Invalid(f"{path}: " + "; ".join(problem.detail for problem in problems), problems)
    return servers


def _entries(path: Path, document: Json) -> Mapping[str, Json]:
    if document is None:
        return {}
    top = cast("dict[Any, Json]", document) if isinstance(document, dict) else {}
    servers = top.get(KEY, document)
    if set(top) != {KEY} or not isinstance(servers, dict | None):
        raise Invalid(f"{path} must hold one key, {KEY}, with servers by name")
    return {str(name): body for name, body in cast("dict[Any, Json]", servers or {}).items()}


def _placed(problem: Problem, text: str) -> Problem:
    """The same with the line of the innermost key that is there."""
    line = _line(yaml.compose(text), problem.pointer.split("/")[1:])
    return replace(problem, detail=f"{problem.detail} (line {line})")


def _line(node: yaml.Node | None, keys: Sequence[str]) -> int:
    line = node.start_mark.line + 1 if node else 1
    for key in keys:
        pairs: list[tuple[yaml.Node, yaml.Node]] = node.value if isinstance(node, yaml.MappingNode) else []
        found = next(((name, value) for name, value in pairs if str(name.value) == key), None)
        if found is None:
            break
        line, node = found[0].start_mark.line + 1, found[1]
    return line
