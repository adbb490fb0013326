"""Halts: an operator stops one agent, tool, model, run or tenant, or everything, and starts it again."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from fnmatch import fnmatchcase

from ripieno.domain.errors import Invalid, Problem
from ripieno.domain.jsons import JsonObject
from ripieno.domain.runs import Run

EVERYTHING = "all"
WAIT = "halt"
"""What a run waits for that was stopped, as its `waits` say it."""

MAX_LENGTH = 200


@dataclass(frozen=True, slots=True)
class Halt:
    """Something that is stopped, by whom and why. `scope` is `all` or KIND:NAME."""

    scope: str
    reason: str
    by: str
    at: datetime


@dataclass(frozen=True, slots=True)
class Subject:
    """Something that is about to go on. `runs` are the run, its parent and its root."""

    tenant: str
    agent: str = ""
    runs: tuple[str, ...] = ()
    tool: str = ""
    model: str = ""


Match = Callable[[str, Subject], bool]

KINDS: dict[str, Match] = {
    "tenant": lambda name, subject: name == subject.tenant,
    "agent": lambda name, subject: name == subject.agent,
    "run": lambda name, subject: name in subject.runs,
    "tool": lambda pattern, subject: bool(subject.tool) and fnmatchcase(subject.tool, pattern),
    "model": lambda name, subject: bool(subject.model) and name in {subject.model, subject.model.partition(":")[2]},
}
"""The kinds of scope beside `all`, and what each covers."""


def checked(scope: str) -> str:
    """A scope as it is kept. Raises `Invalid`."""
    scope = scope.strip()
    kind, _, name = scope.partition(":")
    if scope == EVERYTHING or (kind in KINDS and name and len(scope) <= MAX_LENGTH and not _has_space(name)):
        return scope
    forms = ", ".join(f"{known}:NAME" for known in KINDS)
    detail = f"a scope is {EVERYTHING}, {forms}; for a tool the name may be a pattern"
    raise Invalid(detail, [Problem("/scope", "is none of these")])


def covers(scope: str, subject: Subject) -> bool:
    """Whether a halt of this scope stops it."""
    kind, _, name = scope.partition(":")
    return scope == EVERYTHING or KINDS[kind](name, subject)


def subject_of(run: Run, tool: str = "", model: str = "") -> Subject:
    """A run that is about to go on, with the tool or model that it would call."""
    return Subject(run.tenant, run.target, (run.id, run.root_id, run.parent_id or run.id), tool, model)


def waiting_for(halt: Halt) -> JsonObject:
    """What a stopped run's `waits` say."""
    return {"for": WAIT, "scope": halt.scope, "reason": halt.reason, "by": halt.by, "at": halt.at.isoformat()}


def scopes_of(waits: Sequence[JsonObject]) -> set[str]:
    """The scopes of the halts that a run waits for."""
    return {wait["scope"] for wait in waits if wait.get("for") == WAIT}


def action(verb: str, scope: str) -> str:
    """The name of halting or lifting in the audit: HALT_AGENT."""
    return f"{verb}_{scope.partition(':')[0].upper()}"


def _has_space(name: str) -> bool:
    return any(character.isspace() for character in name)
