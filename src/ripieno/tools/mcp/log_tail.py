"""The last words of a server: what it wrote on standard error, its log messages, and what became of its connection."""

from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Literal, TypeAlias

from ripieno.ports import Clock

MOST_LINES = 200
MOST_CHARACTERS = 500  # of a line

Source: TypeAlias = Literal["stderr", "log", "progress", "connection"]


@dataclass(frozen=True, slots=True)
class LogLine:
    """One line, and where it is from."""

    at: datetime
    source: Source
    text: str
    level: str = "info"


class LogTail:
    """The last lines. `scrub` takes secrets out of them."""

    def __init__(self, clock: Clock, scrub: Callable[[str], str] = str) -> None:
        self._clock = clock
        self._scrub = scrub
        self._lines: deque[LogLine] = deque(maxlen=MOST_LINES)
        self._rest = b""

    @property
    def lines(self) -> Sequence[LogLine]:
        """Oldest first."""
        return [LogLine(line.at, line.source, self._scrub(line.text), line.level) for line in self._lines]

    def add(self, source: Source, text: str, level: str = "info") -> None:
        """Remember a line; a long one in part."""
        self._lines.append(LogLine(self._clock.now(), source, text[:MOST_CHARACTERS], level))

    def feed(self, data: bytes) -> None:
        """Remember what comes from standard error, line by line."""
        *whole, self._rest = (self._rest + data).split(b"\n")
        self._rest = self._rest[-4 * MOST_CHARACTERS :]
        for line in whole[-MOST_LINES:]:
            if line.strip():
                self.add("stderr", line[: 4 * MOST_CHARACTERS].decode(errors="replace").rstrip())
