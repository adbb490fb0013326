"""Where log lines come from: the journal where there is one, files otherwise. Only what looks like a log is opened."""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from ripieno.tools.builtin import moments, programs
from ripieno.tools.builtin.programs import Limits, Program
from ripieno.tools.failures import ToolFailed, ToolMissing

JOURNALCTL = Program("journalctl", "It is part of systemd; name a log file with path instead.")
LOGS = Path("/var/log")

MOST_FILES = 200
MOST_DEPTH = 4
FILE_BYTES = 8_000_000
ALL_BYTES = 32_000_000
JOURNAL_LINES = 20_000
LONGEST_LINE = 2_000

_LOOKS_LIKE_A_LOG = re.compile(r".*\.(?:log|out|err)(?:[.-]\d+)*|(?:syslog|messages|dmesg)(?:[.-]\d+)*", re.IGNORECASE)
_BINARY = {"wtmp", "btmp", "lastlog", "faillog", "README"}


@dataclass(frozen=True, slots=True)
class LogLine:
    """A line of a log, where it stands, and when it was written if that is known."""

    source: str
    text: str
    at: datetime | None


def files(path: str | None) -> Sequence[Path]:
    """The log files that a path means: itself, or those below it; without a path, those of this machine.

    Raises:
        ToolFailed: There is no such path, or it holds nothing that looks like a log.
    """
    root = _resolved(path) if path else LOGS
    if root.is_file():
        if not _is_log(root):
            raise ToolFailed(f"{path} does not look like a log.", "Logs end in .log, .out or .err, or lie in /var/log.")
        return [root]
    found = sorted(_walk(root, MOST_DEPTH), key=lambda each: each.stat().st_mtime, reverse=True)[:MOST_FILES]
    if not found and path:
        raise ToolFailed(f"{path} holds no logs that can be read.", "Logs end in .log, .out or .err.")
    return found


def read(paths: Sequence[Path], after: datetime | None, now: datetime) -> Iterator[LogLine]:
    """The lines of some files from a moment on; of large files only the end. Lines without a time follow the last."""
    left = ALL_BYTES
    for path in paths:
        try:
            if after and path.stat().st_mtime < after.timestamp():
                continue
            content = _tail(path, min(FILE_BYTES, left))
        except OSError:  # rotated away, or not ours to read
            continue
        left -= len(content)
        if b"\0" not in content:
            yield from _since(lines(str(path), content.decode("utf-8", "replace"), now), after)
        if left <= 0:
            return


def lines(source: str, text: str, now: datetime) -> Iterator[LogLine]:
    """Cut a text into log lines. A line without a time (a stack trace) has that of the line before it."""
    at = None
    for line in text.splitlines():
        if line.strip():
            at = moments.of_line(line, now) or at
            yield LogLine(source, line[:LONGEST_LINE], at)


async def journal(after: datetime | None, now: datetime, priority: int | None = None) -> Sequence[LogLine] | None:
    """The journal's newest lines, or None where there is no journal or it is empty."""
    arguments = ["--no-pager", "--quiet", "--output=short-iso", f"--lines={JOURNAL_LINES}"]
    arguments += [f"--since=@{int(after.timestamp())}"] if after else []
    arguments += [f"--priority={priority}"] if priority is not None else []
    try:
        if not (await programs.run(JOURNALCTL, ["--no-pager", "--quiet", "--lines=1"], Limits(10))).output.strip():
            return None
        finished = await programs.run(JOURNALCTL, arguments, Limits(30, ALL_BYTES))
    except ToolMissing:
        return None
    return list(lines("journal", finished.output, now))


def _since(found: Iterator[LogLine], after: datetime | None) -> Iterator[LogLine]:
    return found if after is None else (line for line in found if line.at is None or line.at >= after)


def _resolved(path: str) -> Path:
    try:
        root = Path(path).expanduser().resolve(strict=True)
    except (OSError, RuntimeError, ValueError):
        raise ToolFailed(f"There is no {path!r} here.") from None
    return root


def _is_log(path: Path) -> bool:
    """Whether a resolved path may be opened: in /var/log nearly all may, elsewhere the name must be that of a log."""
    if path.is_relative_to(LOGS):
        return path.suffix not in {".gz", ".xz", ".zst", ".journal", ".journal~"} and path.name not in _BINARY
    return _LOOKS_LIKE_A_LOG.fullmatch(path.name) is not None


def _walk(folder: Path, depth: int) -> Iterator[Path]:
    try:
        entries = sorted(folder.iterdir())
    except OSError:
        return
    for entry in entries:
        if entry.is_symlink():
            continue
        if entry.is_dir() and depth and entry.name not in {".venv", "node_modules", ".git"}:
            yield from _walk(entry, depth - 1)
        elif entry.is_file() and _is_log(entry):
            yield entry


def _tail(path: Path, limit: int) -> bytes:
    with path.open("rb") as file:
        total = file.seek(0, 2)
        file.seek(max(0, total - limit))
        content = file.read(limit)
    return content.partition(b"\n")[2] if total > limit else content
