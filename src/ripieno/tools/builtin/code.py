"""The toolset `code`: what ruff and bandit say about Python sources. They only read."""

import asyncio
from collections.abc import Sequence
from pathlib import Path

from ripieno.domain.effects import EffectClass
from ripieno.domain.tools import ToolResult
from ripieno.tools.builtin import findings, places, programs
from ripieno.tools.builtin.findings import SEVERITIES, Finding, Kind
from ripieno.tools.builtin.programs import Limits, Program
from ripieno.tools.builtin.wording import counted, report, shortened
from ripieno.tools.failures import ToolFailed, ToolMissing
from ripieno.tools.functions import tool

RUFF = Program("ruff", "pip install 'ripieno[review]'")
BANDIT = Program("bandit", "pip install 'ripieno[review]'")

SHOWN_KINDS = 8
MOST_FINDINGS = 100
LIMITS = Limits(seconds=120, output_bytes=30_000_000)
SKIPPED = (
    "node_modules",
    ".venv",
    "venv",
    ".git",
    ".tox",
    ".nox",
    "__pycache__",
    ".eggs",
    "build",
    "dist",
    "site-packages",
)


@tool(
    effect=EffectClass.READ,
    timeout=240,
    keywords=(
        "code review",
        "review code",
        "lint",
        "python code",
        "bandit",
        "ruff",
        "security of code",
        "checkout",
        "code",
    ),
)
async def review(path: str = ".") -> ToolResult:
    """Review Python code with ruff (mistakes) and bandit (security), and group what they find.

    Args:
        path: A Python file or a folder; the server's working directory when left out.
    """
    root = await asyncio.to_thread(places.existing, path)
    if root.is_file() and root.suffix not in {".py", ".pyi"}:
        raise ToolFailed(f"{path} is not a Python file.")
    async with asyncio.TaskGroup() as group:
        ruff, bandit = group.create_task(_ruff(root)), group.create_task(_bandit(root))
    mistakes, ruff_note = ruff.result()
    security, lines, bandit_note = bandit.result()
    if ruff_note and bandit_note:
        raise ToolMissing("Neither ruff nor bandit can be used here.", RUFF.hint)
    return told(root, [*mistakes, *security], lines, [note for note in (ruff_note, bandit_note) if note])


async def _ruff(root: Path) -> tuple[Sequence[Finding], str]:
    arguments = ["check", "--output-format=json", "--exit-zero", "--no-fix", "--no-cache", "--quiet"]
    arguments += [f"--extend-exclude={','.join(SKIPPED)}", "--", str(root)]
    try:
        finished = await programs.run(RUFF, arguments, LIMITS)
        return findings.of_ruff(finished.output, _base(root)), ""
    except ToolFailed as error:
        return [], _note("ruff", error)


async def _bandit(root: Path) -> tuple[Sequence[Finding], int, str]:
    # Assertions are no security question; a project's own .bandit file could name an output file to write.
    arguments = ["--format=json", "--quiet", "--exit-zero", "--skip=B101", "--ini=/dev/null"]
    arguments += [f"--exclude={','.join(f'*/{name}/*' for name in SKIPPED)}", "--recursive", str(root)]
    try:
        finished = await programs.run(BANDIT, arguments, LIMITS)
        found, lines = findings.of_bandit(finished.output, _base(root))
    except ToolFailed as error:
        return [], 0, _note("bandit", error)
    return found, lines, ""


def _base(root: Path) -> Path:
    return root if root.is_dir() else root.parent


def _note(program: str, error: ToolFailed) -> str:
    return f"{program} was left out: {error.text}" + (f" ({error.hint})" if error.hint else "")


def told(root: Path, found: Sequence[Finding], lines: int, notes: Sequence[str]) -> ToolResult:
    """The findings in lines: security first, then mistakes, by rule."""
    security = [each for each in found if each.program == "bandit"]
    mistakes = [each for each in found if each.program == "ruff"]
    report_lines = [
        f"{counted(lines, 'line')} of Python code reviewed in {root.name}" if lines else f"{root.name} reviewed"
    ]
    report_lines += _section("security finding", security) + _section("lint finding", mistakes)
    data = {
        "lines": lines,
        "security": {level: sum(each.severity == level for each in security) for level in SEVERITIES},
        "mistakes": len(mistakes),
        "kinds": [{"rule": kind.rule, "count": kind.count} for kind in findings.kinds(found)],
        "findings": [
            {
                "rule": each.rule,
                "file": each.file,
                "line": each.line,
                "severity": each.severity,
                "message": each.message,
            }
            for each in found[:MOST_FINDINGS]
        ],
        "notes": list(notes),
    }
    return report([*report_lines, *notes], data)


def _section(noun: str, found: Sequence[Finding]) -> list[str]:
    if not found:
        return [f"no {noun}s"]
    grouped = findings.kinds(found)
    levels = [f"{count} {level}" for level in SEVERITIES if (count := sum(each.severity == level for each in found))]
    files = counted(len({each.file for each in found}), "file")
    head = f"{counted(len(found), noun)} ({', '.join(levels)} severity) in {files}"
    more = [f"and {counted(len(grouped) - SHOWN_KINDS, 'more rule')}"] if len(grouped) > SHOWN_KINDS else []
    return [head, *(_line(kind) for kind in grouped[:SHOWN_KINDS]), *more]


def _line(kind: Kind) -> str:
    first = kind.first
    where = f"{first.file}:{first.line}" + (f" and {kind.count - 1} more" if kind.count > 1 else "")
    mark = "warning: " if first.severity in {"high", "medium"} else ""
    level = f"{first.severity} severity: " if mark else ""
    return f"{mark}{level}{kind.rule} {shortened(first.message, 120)} ({where})"
