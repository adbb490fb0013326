"""Values in few words, safe for a terminal.

Goals, answers and tool results come from models and from the network. A terminal obeys control characters, so none of
theirs may reach it: a result must not be able to repaint an approval.
"""

import json
import unicodedata
from datetime import datetime

from ripieno.domain.jsons import Json, JsonObject

NOTE_LENGTH = 24
"""Of the note that says how long a cut text is: a text is only cut where that saves something."""

KEPT = "\n\t"
CONTROL = frozenset({"Cc", "Cf", "Cs", "Co", "Zl", "Zp"})


def clean(text: str) -> str:
    """The text without control and invisible formatting characters; line ends and tabs stay."""
    return "".join(char if char in KEPT or unicodedata.category(char) not in CONTROL else "�" for char in text)


def one_line(text: str, limit: int = 160) -> str:
    """The beginning of a text on one line, at most `limit` characters."""
    line = " ".join(clean(text[: 4 * limit]).split())
    return line if len(line) <= limit and len(text) <= 4 * limit else f"{line[: limit - 1].rstrip()}…"


def arguments(given: JsonObject, limit: int = 120) -> str:
    """Arguments as short JSON: long strings are cut one by one, so that every name stays visible."""
    for length in (60, 24, 8):
        text = clean(json.dumps(_shortened(given, length), ensure_ascii=False))
        if len(text) <= limit:
            return text
    return one_line(text, limit)


def _shortened(value: Json, length: int) -> Json:
    match value:
        case str() if len(value) > length + NOTE_LENGTH:
            return f"{value[:length]}… ({len(value):,} characters)"
        case dict():
            return {key: _shortened(item, length) for key, item in value.items()}  # pyright: ignore[reportUnknownVariableType]
        case list():
            return [_shortened(item, length) for item in value]  # pyright: ignore[reportUnknownVariableType]
        case _:
            return value


def duration(seconds: float) -> str:
    """A stretch of time: `3 ms`, `0.03 s`, `4.2 s`, `2 min 5 s`, `3 h 20 min`, `2 d 4 h`."""
    seconds = max(0.0, seconds)
    if seconds < 0.01:  # noqa: PLR2004 - what two decimals would show as nothing
        return f"{seconds * 1000:.0f} ms"
    if seconds < 1:
        return f"{seconds:.2f} s"
    if seconds < 60:  # noqa: PLR2004 - seconds in a minute
        return f"{seconds:.1f} s"
    whole = round(seconds)
    for big, small, names in ((86400, 3600, ("d", "h")), (3600, 60, ("h", "min")), (60, 1, ("min", "s"))):
        if whole >= big:
            return f"{whole // big} {names[0]} {whole % big // small} {names[1]}"
    return f"{whole} s"


def count(number: int, noun: str) -> str:
    """`1 tool`, `1,204 tokens`."""
    return f"{number:,} {noun}" if number == 1 else f"{number:,} {noun}s"


def money(usd: float) -> str:
    """Dollars, with as many digits as small amounts need."""
    return f"${usd:.4f}" if 0 < usd < 1 else f"${usd:.2f}"


def moment(text: str) -> datetime:
    """An RFC 3339 time of the API."""
    return datetime.fromisoformat(text)
