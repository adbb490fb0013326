"""The toolset `logs`: the journal and log files of this machine."""

import asyncio
from collections.abc import Awaitable, Callable, Iterable, Sequence
from datetime import datetime
from itertools import islice
from typing import Annotated

from pydantic import Field

from ripieno.domain.effects import EffectClass
from ripieno.domain.jsons import JsonObject
from ripieno.domain.tools import ToolResult
from ripieno.ports import Clock
from ripieno.tools.builtin import log_groups, log_sources, moments
from ripieno.tools.builtin.log_groups import Group
from ripieno.tools.builtin.log_sources import LogLine
from ripieno.tools.builtin.wording import counted, report, shortened
from ripieno.tools.failures import ToolFailed
from ripieno.tools.functions import tool

ERRORS_SINCE = "7d"
SHOWN_GROUPS = 12
SHOWN_CHARACTERS = 220
_JOURNAL_ERRORS = 3
"""The syslog priority `err`."""


def log_tools(clock: Clock) -> Sequence[Callable[..., Awaitable[ToolResult]]]:
    """`search` and `errors`."""

    @tool(effect=EffectClass.READ, timeout=60, keywords=("search logs", "log", "logs", "log lines", "grep", "journal"))
    async def search(
        pattern: Annotated[str, Field(min_length=1, max_length=200)],
        path: str | None = None,
        since: str | None = None,
        limit: Annotated[int, Field(ge=1, le=200)] = 30,
    ) -> ToolResult:
        """Search the logs of this machine, or one log file, for a text; the newest lines come last.

        Args:
            pattern: The text to find, in any case; * stands for anything, | parts alternatives.
            path: A log file or a folder with some; the journal or /var/log when left out.
            since: For example 2h, 3d, yesterday or 2026-11-20 10:00.
            limit: How many lines to return at most, 1 to 200.
        """
        now = clock.now()
        after = moments.since(since, now) if since else None
        alternatives = _alternatives(pattern)
        journal = None if path else await log_sources.journal(after, now)
        if journal is not None:
            return _found(pattern, [line for line in journal if _fits(line.text, alternatives)], limit, ["journal"])
        return await asyncio.to_thread(_search_files, pattern, path, (after, now), limit)

    @tool(
        effect=EffectClass.READ,
        timeout=60,
        keywords=("errors in logs", "log errors", "logs", "log analysis", "failures", "exceptions", "journal"),
    )
    async def errors(path: str | None = None, since: str = ERRORS_SINCE) -> ToolResult:
        """Find the errors in the logs of this machine, or in one log file, and group those that are alike.

        Args:
            path: A log file or a folder with some; the journal or /var/log when left out.
            since: For example 2h, 3d, yesterday or 2026-11-20 10:00.
        """
        now = clock.now()
        after = moments.since(since, now)
        journal = None if path else await log_sources.journal(after, now, _JOURNAL_ERRORS)
        if journal is not None:
            return _grouped(log_groups.grouped(journal), after, ["journal"])
        return await asyncio.to_thread(_errors_in_files, path, after, now)

    return [search, errors]


def _search_files(pattern: str, path: str | None, window: tuple[datetime | None, datetime], limit: int) -> ToolResult:
    files, alternatives = log_sources.files(path), _alternatives(pattern)
    lines = log_sources.read(files, *window)
    found = [line for line in lines if _fits(line.text, alternatives)]
    return _found(pattern, _in_order(found), limit, [str(file) for file in files])


def _errors_in_files(path: str | None, after: datetime, now: datetime) -> ToolResult:
    files = log_sources.files(path)
    lines = (line for line in log_sources.read(files, after, now) if log_groups.is_error(line.text))
    return _grouped(log_groups.grouped(lines), after, [str(file) for file in files])


def _alternatives(pattern: str) -> Sequence[Sequence[str]]:
    """No regular expressions: one that a model makes up could take for ever."""
    found = [[part for part in each.lower().split("*") if part] for each in pattern.split("|")]
    kept = [parts for parts in found if parts]
    if not kept:
        raise ToolFailed(f"{pattern!r} holds no text to look for.")
    return kept


def _fits(text: str, alternatives: Sequence[Sequence[str]]) -> bool:
    line = text.lower()
    return any(_holds(line, parts) for parts in alternatives)


def _holds(line: str, parts: Sequence[str]) -> bool:
    at = 0
    for part in parts:
        at = line.find(part, at)
        if at < 0:
            return False
        at += len(part)
    return True


def _in_order(lines: Sequence[LogLine]) -> Sequence[LogLine]:
    return sorted(lines, key=lambda line: line.at.timestamp() if line.at else 0.0)


def _found(pattern: str, lines: Sequence[LogLine], limit: int, sources: Sequence[str]) -> ToolResult:
    head = f"{counted(len(lines), 'log line')} with {pattern!r} in {_named(sources)}"
    shown = lines[-limit:]
    note = f"the newest {len(shown)} of them:" if len(shown) < len(lines) else ""
    data: JsonObject = {
        "count": len(lines),
        "lines": [
            {"source": line.source, "text": line.text, "at": line.at.isoformat() if line.at else None} for line in shown
        ],
    }
    several = len({line.source for line in shown}) > 1
    return report([head, note, *(_shown(line, several) for line in shown)], data)


def _shown(line: LogLine, with_source: bool) -> str:
    return f"{line.source}: {line.text}" if with_source else line.text


def _grouped(groups: Sequence[Group], after: datetime, sources: Sequence[str]) -> ToolResult:
    total = sum(group.count for group in groups)
    where = f"{_named(sources)} since {after:%Y-%m-%d %H:%M}"
    if not groups:
        return report([f"no errors in {where}"], {"count": 0, "groups": []})
    head = f"warning: {counted(total, 'error line')} in {where}, {counted(len(groups), 'kind')}"
    shown = list(islice(groups, SHOWN_GROUPS))
    more = f"and {counted(len(groups) - len(shown), 'more kind')}" if len(groups) > len(shown) else ""
    return report(
        [head, *map(_told, shown), more], {"count": total, "groups": [_facts(group) for group in _most(groups)]}
    )


def _most(groups: Sequence[Group]) -> Iterable[Group]:
    return islice(groups, 4 * SHOWN_GROUPS)


def _told(group: Group) -> str:
    when = f", {_span(group.first, group.last)}" if group.first and group.last else ""
    kind = "critical: " if group.severe else "error: "
    return f"{kind}{group.count} x {shortened(group.example, SHOWN_CHARACTERS)} ({group.source}{when})"


def _span(first: datetime, last: datetime) -> str:
    begin, end = f"{first:%Y-%m-%d %H:%M}", f"{last:%Y-%m-%d %H:%M}"
    return begin if begin == end else f"{begin} to {end}"


def _facts(group: Group) -> JsonObject:
    return {
        "template": shortened(group.template, SHOWN_CHARACTERS),
        "count": group.count,
        "source": group.source,
        "severe": group.severe,
        "first": group.first.isoformat() if group.first else None,
        "last": group.last.isoformat() if group.last else None,
        "example": group.example[:SHOWN_CHARACTERS],
    }


def _named(sources: Sequence[str]) -> str:
    if len(sources) == 1:
        return "the journal" if sources == ["journal"] else sources[0]
    return counted(len(sources), "log file") if sources else "the logs (none can be read here)"
