"""Times in logs and in requests: from words such as `2 days` and from the beginnings of log lines."""

import re
from datetime import UTC, datetime, timedelta

from ripieno.tools.failures import ToolFailed

_UNITS = {"s": 1, "m": 60, "h": 3600, "d": 86400, "w": 7 * 86400}
_AGO = re.compile(r"(?:last |past )?(\d{1,6})\s*(s|m|h|d|w)(?:ec|in|our|ay|eek)?[a-z]*(?: ago)?", re.IGNORECASE)
_DAYS = {"today": 0, "yesterday": 1}
_ISO = re.compile(r"(\d{4}-\d\d-\d\d)[T ](\d\d:\d\d:\d\d)(?:[.,]\d+)?\s?(Z|UTC|[+-]\d\d:?\d\d)?")
_SLASHED = re.compile(r"(\d{4})/(\d\d)/(\d\d) (\d\d:\d\d:\d\d)")
_ACCESS = re.compile(r"(\d\d)/([A-Z][a-z]{2})/(\d{4}):(\d\d:\d\d:\d\d) ([+-]\d{4})")
_SPOKEN = re.compile(r"(\d\d) ([A-Z][a-z]{2}) (\d{4}) (\d\d:\d\d:\d\d)")
_SYSLOG = re.compile(r"([A-Z][a-z]{2}) ([ \d]\d) (\d\d:\d\d:\d\d)")
_MONTHS = {
    name: number
    for number, name in enumerate(
        ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"), start=1
    )
}
_HEAD = 80
"""Characters of a line in which its time is looked for."""


def since(text: str, now: datetime) -> datetime:
    """The moment that `2h`, `3 days`, `yesterday` or `2026-11-20 10:00` names. Without a zone it is UTC.

    Raises:
        ToolFailed: It names none.
    """
    words = text.strip().lower()
    if words in _DAYS:
        midnight = now.replace(hour=0, minute=0, second=0, microsecond=0)
        return midnight - timedelta(days=_DAYS[words])
    ago = _AGO.fullmatch(words)
    if ago:
        return now - timedelta(seconds=int(ago[1]) * _UNITS[ago[2].lower()])
    try:
        moment = datetime.fromisoformat(f"{now:%Y-%m-%d} {words.zfill(5)}" if _is_clock(words) else words.upper())
    except ValueError:
        raise ToolFailed(f"{text!r} is not a time.", "Write it as 2h, 3d, yesterday or 2026-11-20 10:00.") from None
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)


def of_line(line: str, now: datetime) -> datetime | None:
    """The time at the beginning of a log line, if it has one in a format that is known. Without a zone it is UTC."""
    head = line[:_HEAD]
    try:
        return _iso(head) or _slashed(head) or _access(head) or _spoken(head) or _syslog(head, now)
    except (ValueError, KeyError):  # 2026-13-45, 30 Feb, Foo 12
        return None


def _is_clock(words: str) -> bool:
    return re.fullmatch(r"\d{1,2}:\d{2}(:\d{2})?", words) is not None


def _iso(head: str) -> datetime | None:
    match = _ISO.search(head)
    if match is None:
        return None
    zone = match[3] or "Z"
    return datetime.fromisoformat(f"{match[1]}T{match[2]}{'Z' if zone == 'UTC' else zone}")


def _slashed(head: str) -> datetime | None:
    match = _SLASHED.search(head)
    return datetime.fromisoformat(f"{match[1]}-{match[2]}-{match[3]}T{match[4]}Z") if match else None


def _access(head: str) -> datetime | None:
    match = _ACCESS.search(head)
    if match is None:
        return None
    return datetime.fromisoformat(f"{match[3]}-{_MONTHS[match[2]]:02}-{match[1]}T{match[4]}{match[5]}")


def _spoken(head: str) -> datetime | None:
    match = _SPOKEN.search(head)
    return datetime.fromisoformat(f"{match[3]}-{_MONTHS[match[2]]:02}-{match[1]}T{match[4]}Z") if match else None


def _syslog(head: str, now: datetime) -> datetime | None:
    """Syslog writes no year: it is the latest in which the time is not in the future."""
    match = _SYSLOG.match(head)
    if match is None:
        return None
    clock = match[3]
    for year in (now.year, now.year - 1):
        moment = datetime.fromisoformat(f"{year}-{_MONTHS[match[1]]:02}-{int(match[2]):02}T{clock}Z")
        if moment <= now + timedelta(days=1):
            return moment
    return None
