"""A user without rights for each job, where this process may become another one: root in a sandbox is still root."""

import os
from itertools import count
from pathlib import Path

_SPAN = 1_000_000
_KEPT_FREE = 1 << 20  # at the end of a range: the last numbers have meanings of their own
_MOST = 2_000_000_000  # bubblewrap writes numbers with a sign
# One count for the whole process: processes of a user that was killed may take a moment to be gone, and count for it.
_NUMBERS = count(os.getpid() * 1009)
_FIRST = 1 << 17  # below are real people, services and the ranges of their containers


class Users:
    """Numbers of users that nobody has, one after the other, from the end of what is mapped here."""

    def __init__(self, table: Path = Path("/proc/self/uid_map"), *, root: bool | None = None) -> None:
        self.change = os.geteuid() == 0 if root is None else root
        self._last = _last(table) if self.change else 0

    @property
    def problem(self) -> str | None:
        """Why there is no such user here."""
        if self.change and self._last - _SPAN < _FIRST:
            return "The server runs as root and no user without rights is free (see /proc/self/uid_map)."
        return None

    def next(self) -> int | None:
        """The next number; None to stay who one is."""
        return self._last - next(_NUMBERS) % _SPAN if self.change else None


def _last(table: Path) -> int:
    rows = [[int(part) for part in line.split()] for line in table.read_text().splitlines()]
    return min(_MOST, max((first + length for first, _, length in rows), default=0) - _KEPT_FREE)
