"""The tables of the reference that are read from types: settings, errors, run states."""

import inspect
import types
from collections.abc import Iterable, Iterator, Sequence
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any, Literal, Union, get_args, get_origin

from pydantic import BaseModel, SecretStr
from pydantic.fields import FieldInfo

from ripieno.domain import errors as domain_errors
from ripieno.domain.runs import TERMINAL, RunStatus
from ripieno.engine.core.machine import TRANSITIONS, Event
from ripieno.server import errors as server_errors
from ripieno.settings import FAMILIAR, PREFIX, Settings

PLAIN = {bool: "true or false", int: "whole number", float: "number", str: "text", Path: "path", SecretStr: "secret"}
BOUNDS = {"ge": "at least", "gt": "more than", "le": "at most", "lt": "less than"}


def table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """Lay out a Markdown table."""
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join("| " + " | ".join(cell.replace("|", "\\|") for cell in line) + " |" for line in lines)


# -- settings --------------------------------------------------------------------------------------------------------


def settings() -> str:
    """Every section of the settings with its documentation, then the variables of other programs."""
    parts = [_section(name, kind) for name, kind in _sections(Settings, "")]
    familiar = table(["variable", "sets"], ([f"`{name}`", f"`{setting}`"] for name, setting in FAMILIAR.items()))
    return "\n\n".join([*parts, "## Variables of other programs", familiar])


def _sections(kind: type[BaseModel], name: str) -> Iterator[tuple[str, type[BaseModel]]]:
    yield name, kind
    for field, info in kind.model_fields.items():
        if _is_section(info.annotation):
            yield from _sections(info.annotation, f"{name}{field}.")


def _is_section(annotation: Any) -> bool:
    return isinstance(annotation, type) and issubclass(annotation, BaseModel)


def _section(name: str, kind: type[BaseModel]) -> str:
    rows = [
        [f"`{name}{field}`", f"`{_variable(name + field)}`", _type(info), _default(info)]
        for field, info in kind.model_fields.items()
        if not _is_section(info.annotation)
    ]
    title = f"## `{name.rstrip('.')}`" if name else "## The server"
    about = [inspect.getdoc(kind) or ""] if name else []
    return "\n\n".join([title, *about, table(["setting", "variable", "value", "default"], rows)])


def _variable(name: str) -> str:
    return PREFIX + name.upper().replace(".", "__")


def _type(info: FieldInfo) -> str:
    limits = [f"{word} {value:,}" for key, word in BOUNDS.items() if (value := _bound(info, key)) is not None]
    return ", ".join([_named(info.annotation), *limits])


def _bound(info: FieldInfo, key: str) -> Any:
    return next((getattr(mark, key) for mark in info.metadata if hasattr(mark, key)), None)


def _named(annotation: Any) -> str:
    origin, arguments = get_origin(annotation), get_args(annotation)
    if origin is Literal:
        return ", ".join(f"`{value}`" for value in arguments)
    if origin in (Union, types.UnionType):
        return _named(next(part for part in arguments if part is not type(None)))
    if origin is Annotated:
        return _named(arguments[0])
    if origin in (tuple, dict):
        return "list" if origin is tuple else "table"
    if isinstance(annotation, type) and issubclass(annotation, StrEnum):
        return ", ".join(f"`{value}`" for value in annotation)
    return PLAIN[annotation]


def _default(info: FieldInfo) -> str:
    match info.default:
        case None:
            return ""
        case tuple():
            return "`[]`"
        case bool():
            return f"`{str(info.default).lower()}`"
        case _:
            return f"`{info.default}`"


# -- errors ----------------------------------------------------------------------------------------------------------


def errors() -> str:
    """Every code that a caller can meet: HTTP status, and what its class, else its title, says."""
    known = server_errors.codes()
    meanings = {kind.code: _first_line(kind) for kind in _tree(domain_errors.RipienoError)}
    rows = [[f"`{code}`", str(kind.status), meanings.get(code, f"{kind.title}.")] for code, kind in known.items()]
    return table(["code", "HTTP status", "meaning"], rows)


def _tree(kind: type[domain_errors.RipienoError]) -> Iterator[type[domain_errors.RipienoError]]:
    for child in kind.__subclasses__():
        if child.__module__ == domain_errors.__name__:
            yield child
            yield from _tree(child)


def _first_line(kind: type) -> str:
    return (inspect.getdoc(kind) or "").split("\n\n")[0].replace("\n", " ")


# -- run states ------------------------------------------------------------------------------------------------------


def run_states() -> str:
    """The transitions as a diagram and as a table."""
    arrows = [f"    {before} --> {after}: {event}" for (before, event), after in TRANSITIONS.items()]
    ends = [f"    {status} --> [*]" for status in RunStatus if status in TERMINAL]
    diagram = "\n".join(["```mermaid", "stateDiagram-v2", "    [*] --> queued", *arrows, *ends, "```"])
    rows: dict[tuple[Event, RunStatus], list[str]] = {}
    for (before, event), after in TRANSITIONS.items():
        rows.setdefault((event, after), []).append(f"`{before}`")
    cells = ([event, ", ".join(befores), f"`{after}`"] for (event, after), befores in rows.items())
    return f"{diagram}\n\nThe same as a table:\n\n{table(['what happens', 'to a run that is', 'makes it'], cells)}"
