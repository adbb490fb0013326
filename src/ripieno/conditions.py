"""Conditions in CEL, the Common Expression Language, over facts whose names are known beforehand.

The evaluator holds the interpreter's lock and has no limit of its own, so a source is short and its macros nest no
deeper than two. Whatever is wrong is an `Invalid`: before the first evaluation where that can be known, and never a
guess.
"""

import importlib
import re
from collections.abc import Callable, Collection, Iterator, Mapping
from typing import Any

from ripieno.domain.errors import Invalid, Problem

LONGEST = 2000
"""Characters of a source."""

DEEPEST = 2
"""How deep macros (`all`, `exists`, `exists_one`, `filter`, `map`) may nest: each repeats what is within it."""

LONGEST_REASON = 200

FUNCTIONS = frozenset(
    {"bytes", "contains", "double", "duration", "dyn", "endsWith", "int", "matches", "size", "startsWith", "string"}
    | {"timestamp", "type", "uint"}
    | {f"get{part}" for part in ("FullYear", "Month", "Date", "DayOfMonth", "DayOfWeek", "DayOfYear")}
    | {f"get{part}" for part in ("Hours", "Minutes", "Seconds", "Milliseconds")}
)
"""Functions that may be called. A call of another one would only fail when it is reached."""

_SIGN = re.compile(
    r"""(?P<text>[rRbB]{0,2}(?:'{3}.*?'{3}|"{3}.*?"{3}|'(?:\\.|[^'\\])*'|"(?:\\.|[^"\\])*"))"""
    r"""|(?P<macro>\.\s*(?:all|exists_one|exists|filter|map)\s*\(\s*(?P<bound>\w+)?)"""
    r"""|(?P<comment>//[^\n]*)|(?P<open>[(\[{])|(?P<close>[)\]}])""",
    re.DOTALL,
)


class Condition:
    """A compiled condition. `names` are the facts that it looks at."""

    def __init__(self, source: str, names: Collection[str], execute: Callable[[dict[str, Any]], Any]) -> None:
        self.source = source
        self.names = frozenset(names)
        self._execute = execute

    def holds(self, facts: Mapping[str, object]) -> bool:
        """Whether it is true of these facts.

        Raises:
            Invalid: It cannot be evaluated, or is neither true nor false: nobody may take that for an answer.
        """
        try:
            answer: object = self._execute({name: facts.get(name) for name in self.names})
        except Exception as error:  # noqa: BLE001 - the library raises whatever fits: it is wrapped here
            raise _wrong(self.source, f"cannot be evaluated: {_reason(error)}") from None
        if not isinstance(answer, bool):
            raise _wrong(self.source, f"is neither true nor false but {type(answer).__name__}")
        return answer


def compile_condition(source: str, names: Collection[str]) -> Condition:
    """Compile a condition over facts of these names.

    Raises:
        Invalid: It is too long or too deep, does not parse, or uses a fact or a function that there is not.
    """
    if len(source) > LONGEST:
        raise _wrong(source, f"has {len(source)} characters, and {LONGEST} are allowed")
    bound = _bound(source)
    # Importing it costs most of a second of processor time, which only who has conditions pays.
    cel = importlib.import_module("cel")
    try:
        program = cel.compile(source)
        variables, functions = program.variables(), program.references()["functions"]
    except Exception as error:  # noqa: BLE001 - the library raises whatever fits: it is wrapped here
        raise _wrong(source, f"does not parse: {_reason(error)}") from None
    free = set(variables) - bound
    _refuse(source, "fact", free - set(names), names)
    _refuse(source, "function", {name for name in functions if name.isidentifier()} - FUNCTIONS, FUNCTIONS)
    return Condition(source, free, program.execute)


def _refuse(source: str, kind: str, unknown: Collection[str], known: Collection[str]) -> None:
    if unknown:
        raise _wrong(
            source, f"uses no known {kind}: {', '.join(sorted(unknown))}; there are {', '.join(sorted(known))}"
        )


def _bound(source: str) -> set[str]:
    """The names that macros bind. Raises `Invalid` where macros nest too deep."""
    bound: set[str] = set()
    brackets: list[bool] = []
    for sign in _signs(source):
        if sign.lastgroup == "close":
            del brackets[-1:]
            continue
        brackets.append(sign["macro"] is not None)
        if sign["bound"]:
            bound.add(sign["bound"])
        if sum(brackets) > DEEPEST:
            raise _wrong(source, f"nests macros deeper than {DEEPEST}")
    return bound


def _signs(source: str) -> Iterator[re.Match[str]]:
    """Where brackets open and close, texts and comments left out."""
    return (sign for sign in _SIGN.finditer(source) if sign["text"] is None and sign["comment"] is None)


def _reason(error: Exception) -> str:
    lines = [line.removeprefix("| ").strip() for line in str(error).splitlines()]
    text = " ".join(line for line in lines if line.strip("^ .|"))
    return text if len(text) <= LONGEST_REASON else f"{text[:LONGEST_REASON]} …"


def _wrong(source: str, what: str) -> Invalid:
    shown = source if len(source) <= LONGEST_REASON else f"{source[:LONGEST_REASON]} …"
    return Invalid(f"the condition {shown!r} {what}", [Problem("", what)])
