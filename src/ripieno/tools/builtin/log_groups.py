"""Finds error lines and puts together those that say the same about different things."""

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime

from ripieno.tools.builtin.log_sources import LogLine

MOST_GROUPS = 20_000

_ERROR = re.compile(
    r"(?<![\w-])(?:errors?|fatal|critical|crit|panic|emerg|alert|fail(?:ed|ure|ures)?|exception|traceback|segfault|denied"
    r"|refused|out of memory|oom-killer|core dumped)(?![\w-])|\[(?:E|ERR|F)\]|(?-i:\w(?:Error|Exception)\b)",
    re.IGNORECASE,
)
_NO_ERROR = re.compile(
    r"(?<![\w-])(?:no|0|without|zero)\s+(?:\w+\s+)?(?:errors?|failures?|failed)(?!\w)|(?:errors?|failed|failures?)\s*[=:]\s*0\b",
    re.IGNORECASE,
)
_SEVERE = re.compile(r"fatal|critical|panic|emerg|out of memory|oom-killer|segfault|core dumped", re.IGNORECASE)

_TIME = r"\d{4}[-/]\d\d[-/]\d\d[T ]\d\d:\d\d:\d\d(?:[.,]\d+)?(?:\s?(?:Z|UTC|[+-]\d\d:?\d\d))?"
_PLACEHOLDERS = (
    (re.compile(rf"^\W*(?:{_TIME}|[A-Z][a-z]{{2}} [ \d]\d \d\d:\d\d:\d\d)\W*"), ""),
    (re.compile(_TIME), "<time>"),
    (re.compile(r"\b[0-9a-f]{8}-(?:[0-9a-f]{4}-){3}[0-9a-f]{12}\b", re.IGNORECASE), "<id>"),
    (re.compile(r"\b\d{1,3}(?:\.\d{1,3}){3}(?::\d+)?\b"), "<address>"),
    (re.compile(r"\b0x[0-9a-f]+\b|\b(?=[0-9a-f]*\d)[0-9a-f]{6,}\b", re.IGNORECASE), "<hex>"),
    (re.compile(r"\"[^\"]{0,200}\"|(?<!\w)'[^']{0,200}'"), "<text>"),
    (re.compile(r"(?<![\w<])/[\w.@+-]+(?:/[\w.@+-]+)+"), "<path>"),
    (re.compile(r"\d+(?:\.\d+)?"), "<n>"),
    (re.compile(r"\s+"), " "),
)


@dataclass(slots=True)
class Group:
    """Error lines of one template: how often, from when to when, and the newest of them in full."""

    template: str
    source: str
    example: str
    count: int = 0
    first: datetime | None = None
    last: datetime | None = None

    @property
    def severe(self) -> bool:
        """Whether it speaks of a crash rather than of a failure."""
        return _SEVERE.search(self.example) is not None

    def add(self, line: LogLine) -> None:
        """Count one more line."""
        self.count += 1
        self.example = line.text
        if line.at:
            self.first = min(self.first, line.at) if self.first else line.at
            self.last = max(self.last, line.at) if self.last else line.at


def is_error(text: str) -> bool:
    """Whether a line speaks of an error, and not of the absence of one."""
    return _ERROR.search(_NO_ERROR.sub(" ", text)) is not None


def template(text: str) -> str:
    """The line without its time, and with placeholders for what differs from line to line."""
    for pattern, placeholder in _PLACEHOLDERS:
        text = pattern.sub(placeholder, text)
    return text.strip()


def grouped(lines: Iterable[LogLine]) -> Sequence[Group]:
    """Group lines by template; the severe first, then the most frequent."""
    groups: dict[tuple[str, str], Group] = {}
    for line in lines:
        key = (line.source, template(line.text))
        if key not in groups and len(groups) >= MOST_GROUPS:
            continue
        groups.setdefault(key, Group(key[1], line.source, line.text)).add(line)
    return sorted(groups.values(), key=lambda group: (not group.severe, -group.count, group.template))
