"""Byte ranges of requests (RFC 9110, section 14): one range, or the whole."""

import re
from dataclasses import dataclass

_ONE = re.compile(r"bytes=\s*(\d*)\s*-\s*(\d*)\s*", re.ASCII)
_MOST_DIGITS = 18


@dataclass(frozen=True, slots=True)
class ByteRange:
    """From `offset` on, `length` bytes of `size`."""

    offset: int
    length: int
    size: int

    @property
    def header(self) -> str:
        """`Content-Range`."""
        return f"bytes {self.offset}-{self.offset + self.length - 1}/{self.size}"


class Unsatisfiable(Exception):
    """The range begins behind the end."""


def asked(header: str | None, size: int) -> ByteRange | None:
    """The range that a header asks for; None where it asks for none that is known here, so for the whole.

    Raises:
        Unsatisfiable: Nothing of it is there.
    """
    found = _ONE.fullmatch(header or "")
    if found is None or not any(found.groups()) or max(map(len, found.groups())) > _MOST_DIGITS:
        return None
    first, last = found.groups()
    if not first:
        length = min(int(last), size)
        return _within(size - length, length, size)
    if last and int(last) < int(first):
        return None
    end = min(int(last), size - 1) if last else size - 1
    return _within(int(first), end - int(first) + 1, size)


def _within(offset: int, length: int, size: int) -> ByteRange:
    if length <= 0:
        raise Unsatisfiable
    return ByteRange(offset, length, size)
