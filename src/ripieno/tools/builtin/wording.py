"""How tools write sizes, times and lists: short, with units, the same everywhere."""

from collections.abc import Sequence

from ripieno.domain.jsons import Json
from ripieno.domain.tools import ToolResult, ToolStatus

_UNITS = ("B", "KiB", "MiB", "GiB", "TiB", "PiB")
_STEP = 1024
_FEW = 10
_SPANS = ((86400, "d"), (3600, "h"), (60, "min"), (1, "s"))


def report(lines: Sequence[str], data: Json = None) -> ToolResult:
    """A good result: lines for a reader, data for a program."""
    return ToolResult(ToolStatus.OK, "\n".join(line for line in lines if line), data)


def size(count: float) -> str:
    """Bytes with a unit: `22 GiB`, `1.5 MiB`."""
    exponent = 0
    while count >= _STEP and exponent < len(_UNITS) - 1:
        count /= _STEP
        exponent += 1
    digits = 1 if exponent and count < _FEW else 0
    return f"{count:.{digits}f} {_UNITS[exponent]}"


def span(seconds: float) -> str:
    """A length of time in its two largest units: `3 d 4 h`, `27 min`, `0.2 s`."""
    if seconds < 1:
        return f"{seconds:.1f} s"
    left = int(seconds)
    parts: list[str] = []
    for length, unit in _SPANS:
        if left >= length:
            parts.append(f"{left // length} {unit}")
            left %= length
    return " ".join(parts[:2])


def counted(count: int, noun: str, plural: str | None = None) -> str:
    """A number with its noun: `1 file`, `12 files`."""
    return f"{count:,} {noun if count == 1 else plural or noun + 's'}"


def shortened(text: str, limit: int) -> str:
    """A text on one line, cut to a number of characters."""
    line = " ".join(text.split())
    return line if len(line) <= limit else line[: limit - 1].rstrip() + "…"


def listed(items: Sequence[str], limit: int) -> str:
    """The first items, and how many more there are."""
    more = f" and {len(items) - limit:,} more" if len(items) > limit else ""
    return ", ".join(items[:limit]) + more
