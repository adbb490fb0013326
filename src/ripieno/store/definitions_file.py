"""One file with one agent: its definition, or what is wrong with it and on which line."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from jinja2 import TemplateSyntaxError
from jinja2.sandbox import ImmutableSandboxedEnvironment
from pydantic import ValidationError

from ripieno.domain import spelling
from ripieno.domain.agents import AgentDefinition, AgentLimits, AgentMemory, DefinitionProblem
from ripieno.domain.schedules import ScheduleSpec
from ripieno.domain.teams import Shortcoming
from ripieno.store import definitions_yaml
from ripieno.store.definitions_yaml import Document, Unreadable

_TEMPLATES = ImmutableSandboxedEnvironment()

_OLDER = {
    "instructions": ("system_prompt",),
    "approvals": ("approval_required_tools",),
    "mode": ("execution_mode",),
    "schedule": ("schedule_config",),
    "temperature": ("llm_config", "temperature"),
    "max_tokens": ("llm_config", "max_tokens"),
    "model": ("llm_config", "model"),
}
"""Where a field may stand instead (see `domain.agents`)."""

_SECTIONS: Mapping[str | int, Iterable[str]] = {
    "limits": AgentLimits.model_fields,
    "memory": AgentMemory.model_fields,
    "schedule": ScheduleSpec.model_fields,
}
"""The keys of those fields that have keys of their own."""


@dataclass(frozen=True, slots=True)
class Stamp:
    """What tells a changed file from an unchanged one, without reading it."""

    modified_ns: int
    size: int
    inode: int


@dataclass(frozen=True, slots=True)
class AgentFile:
    """What is known of a file: its last good definition, and what is wrong with it now.

    `member_lines` are the lines of a team's members, under "" that of their list.
    """

    path: Path
    stamp: Stamp
    definition: AgentDefinition | None = None
    problems: tuple[DefinitionProblem, ...] = ()
    member_lines: Mapping[str, int] | None = None

    def problem(self, reason: str) -> DefinitionProblem:
        """A problem of this file as a whole."""
        return DefinitionProblem(file=str(self.path), line=1, reason=reason)

    def shortcoming(self, found: Shortcoming) -> DefinitionProblem:
        """A problem of the team in this file, on the line of the member that it is about."""
        line = (self.member_lines or {}).get(found.member or "", 1)
        return DefinitionProblem(file=str(self.path), line=line, reason=found.reason)


def read(path: Path, stamp: Stamp, before: AgentFile | None = None) -> AgentFile:
    """Read a file. One that cannot be used keeps the definition that it had `before`."""
    try:
        definition, lines = _parsed(_content(path, stamp))
    except _Broken as broken:
        problems = tuple(
            DefinitionProblem(file=str(path), line=line, reason=reason) for line, reason in broken.problems
        )
        kept = before or AgentFile(path, stamp)
        return AgentFile(path, stamp, kept.definition, problems, kept.member_lines)
    return AgentFile(path, stamp, definition, (), lines)


class _Broken(Exception):
    def __init__(self, problems: Sequence[tuple[int | None, str]]) -> None:
        super().__init__(problems)
        self.problems = problems


def _content(path: Path, stamp: Stamp) -> bytes:
    if stamp.size > definitions_yaml.MOST_BYTES:
        raise _Broken([(None, f"the file is larger than {definitions_yaml.MOST_BYTES // 1024} KiB")])
    try:
        with path.open("rb") as file:
            return file.read(definitions_yaml.MOST_BYTES + 1)
    except OSError as error:
        raise _Broken([(None, f"the file cannot be read: {(error.strerror or 'input error').lower()}")]) from None


def _parsed(content: bytes) -> tuple[AgentDefinition, Mapping[str, int]]:
    try:
        document = definitions_yaml.read(content)
    except Unreadable as error:
        raise _Broken([(error.line, error.reason)]) from None
    if not document.is_mapping:
        raise _Broken([(document.line(()), "the file must hold the keys of one agent (name: …, instructions: …)")])
    try:
        definition = AgentDefinition.model_validate(document.value)
        _ = definition.version  # what is no JSON, such as !!binary, has no version
    except ValidationError as error:
        raise _Broken([_explained(document, item) for item in error.errors(include_url=False)]) from None
    except (TypeError, ValueError):
        raise _Broken([(document.line(()), "the file holds values that JSON does not have")]) from None
    _check_instructions(document, definition)
    lines = {name: document.line(("members", index)) for index, name in enumerate(definition.members)}
    lines[""] = document.line(("members",))
    return definition, lines


def _check_instructions(document: Document, definition: AgentDefinition) -> None:
    try:
        _TEMPLATES.from_string(definition.instructions)
    except TemplateSyntaxError as error:
        line = document.text_line(_place(document, ("instructions",)), error.lineno)
        raise _Broken([(line, f"instructions: the template is broken: {error.message}")]) from None
    except RecursionError:
        line = document.line(_place(document, ("instructions",)))
        raise _Broken([(line, "instructions: the template is nested too deep")]) from None


def _explained(document: Document, item: Mapping[str, Any]) -> tuple[int, str]:
    path: tuple[str | int, ...] = item["loc"]
    name = ".".join(str(part) for part in path)
    if item["type"] == "missing":
        reason = f"{name} is required"
    elif item["type"] == "unknown_key":
        reason = str(item["msg"])
    elif item["type"] == "extra_forbidden":
        near = spelling.nearest(str(path[-1]), _SECTIONS.get(path[0], ()))
        reason = f"{name} is not known here" + (f"; did you mean {near}?" if near else "")
    else:
        message = str(item["msg"]).removeprefix("Value error, ")
        reason = f"{name}: {message}" if name else message
    return document.line(_place(document, path)), reason


def _place(document: Document, path: Sequence[str | int]) -> Sequence[str | int]:
    """Where a field stands in the file: under its own name, or under an older one."""
    if path and path[0] not in document.value and path[0] in _OLDER:
        return (*_OLDER[str(path[0])], *path[1:])
    return path
