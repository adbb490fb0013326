"""What ruff and bandit find, read from their JSON."""

import json
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ripieno.tools.failures import ToolFailed

SEVERITIES = ("high", "medium", "low")


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that a program objects to. `file` is relative to what was reviewed."""

    program: str
    rule: str
    file: str
    line: int
    message: str
    severity: str = "low"


@dataclass(frozen=True, slots=True)
class Kind:
    """Findings of one rule: how many, and the first of them."""

    rule: str
    count: int
    first: Finding


def of_ruff(output: str, root: Path) -> Sequence[Finding]:
    """Read `ruff check --output-format json`; a file that does not parse is severe.

    Raises:
        ToolFailed: That is no such JSON.
    """
    return [
        Finding(
            program="ruff",
            rule=row.get("code") or "invalid-syntax",
            file=_relative(row.get("filename", ""), root),
            line=_row(row.get("location")),
            message=str(row.get("message", "")).replace(f"{root}/", ""),
            severity="low" if _is_rule(row.get("code")) else "high",
        )
        for row in _parsed("ruff", output, list)
    ]


def of_bandit(output: str, root: Path) -> tuple[Sequence[Finding], int]:
    """Read `bandit --format json`: findings, and how many lines of code were looked at.

    Raises:
        ToolFailed: That is no such JSON.
    """
    document = _parsed("bandit", output, dict)
    found = [
        Finding(
            program="bandit",
            rule=str(row.get("test_id", "")),
            file=_relative(row.get("filename", ""), root),
            line=int(row.get("line_number", 0)),
            message=str(row.get("issue_text", "")),
            severity=str(row.get("issue_severity", "low")).lower(),
        )
        for row in document.get("results", [])
    ]
    return found, int(document.get("metrics", {}).get("_totals", {}).get("loc", 0))


def kinds(found: Sequence[Finding]) -> Sequence[Kind]:
    """Findings by rule; the severe first, then the most frequent."""
    counts = Counter(each.rule for each in found)
    first: dict[str, Finding] = {}
    for each in found:
        first.setdefault(each.rule, each)
    rank = {name: place for place, name in enumerate(SEVERITIES)}
    order = sorted(counts, key=lambda rule: (rank.get(first[rule].severity, len(rank)), -counts[rule], rule))
    return [Kind(rule, counts[rule], first[rule]) for rule in order]


def _row(location: Any) -> int:
    """Where a finding is; ruff names no place when a file cannot be read."""
    return int(location["row"]) if location else 0


def _is_rule(code: Any) -> bool:
    return bool(code) and code != "invalid-syntax"


def _parsed(program: str, output: str, shape: type) -> Any:
    try:
        document = json.loads(output)
    except (ValueError, RecursionError):
        document = None
    if not isinstance(document, shape):
        raise ToolFailed(f"{program} gave no result that can be read.")
    return document


def _relative(name: str, root: Path) -> str:
    path = Path(name)
    return str(path.relative_to(root)) if path.is_relative_to(root) and path != root else path.name
