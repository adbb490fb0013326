"""Names of tools, and the patterns by which agents name them."""

import re
from collections.abc import Iterable, Sequence
from fnmatch import fnmatchcase

from ripieno.domain.errors import Invalid
from ripieno.domain.tools import ToolSpec

_NAME = re.compile(r"[A-Za-z0-9_-]{1,64}")


def check_name(name: str) -> str:
    """The name of a toolset or the last part of a tool's name, if model providers accept it.

    Raises:
        Invalid: They would not.
    """
    if not _NAME.fullmatch(name):
        raise Invalid(f"{name!r} cannot be the name of a tool: letters, digits, _ and - only, at most 64")
    return name


def is_tool_name(name: str) -> bool:
    """Whether a whole tool name can be told to models (with `.` as two underscores)."""
    return bool(_NAME.fullmatch(name.replace(".", "__")))


def select(specs: Iterable[ToolSpec], patterns: Sequence[str]) -> list[ToolSpec]:
    """The tools that an agent may use, in their own order.

    A pattern is a tool's name (`math.calculate`), a toolset (`math`, the same as `math.*`) or holds wild cards
    (`counter.get_*`, `*`).
    """
    return [spec for spec in specs if any(matches(spec.name, pattern) for pattern in patterns)]


def matches(name: str, pattern: str) -> bool:
    """Whether a tool's name is meant by a pattern; see `select`."""
    return name == pattern or name.startswith(f"{pattern}.") or fnmatchcase(name, pattern)
