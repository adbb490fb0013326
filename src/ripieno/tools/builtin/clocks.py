"""The toolset `time`."""

import difflib
import re
import zoneinfo
from collections.abc import Callable, Sequence
from datetime import UTC, datetime, tzinfo

from ripieno.domain.effects import EffectClass
from ripieno.domain.tools import ToolResult
from ripieno.ports import Clock
from ripieno.tools.builtin.wording import report
from ripieno.tools.failures import ToolFailed
from ripieno.tools.functions import tool

_TIME_ONLY = re.compile(r"\d{1,2}:\d{2}(:\d{2})?")


def time_tools(clock: Clock) -> Sequence[Callable[..., ToolResult]]:
    """`now` and `convert`."""

    @tool(effect=EffectClass.READ, timeout=10, keywords=("time", "date", "clock", "weekday", "today", "what time"))
    def now(timezone: str = "UTC") -> ToolResult:
        """Tell the date and time of now, in a time zone.

        Args:
            timezone: An IANA name such as `Europe/Rome`, or a city such as `Tokyo`.
        """
        zone, name = _zone(timezone)
        return _told(clock.now().astimezone(zone), name)

    @tool(effect=EffectClass.READ, timeout=10, keywords=("convert time", "time zone", "timezone"))
    def convert(time: str, to_timezone: str, from_timezone: str = "UTC") -> ToolResult:
        """Convert a time from one time zone to another.

        Args:
            time: `2026-03-01 14:30`, or `14:30` for today; an offset such as +02:00 in it wins over from_timezone.
            to_timezone: An IANA name or a city.
            from_timezone: An IANA name or a city.
        """
        source, source_name = _zone(from_timezone)
        target, target_name = _zone(to_timezone)
        moment = _moment(time, clock.now().astimezone(source))
        if moment.tzinfo is None:
            moment = moment.replace(tzinfo=source)
        else:
            source_name = moment.strftime("UTC%z")
        told = _told(moment.astimezone(target), target_name)
        return report([f"{moment:%Y-%m-%d %H:%M} {source_name} is {told.text}"], told.data)

    return [now, convert]


def _told(moment: datetime, name: str) -> ToolResult:
    offset = moment.strftime("%z")
    text = f"{moment:%A %Y-%m-%d %H:%M:%S} {name} (UTC{offset[:3]}:{offset[3:5]}, week {moment.isocalendar().week})"
    return report([text], {"time": moment.isoformat(timespec="seconds"), "timezone": name})


def _moment(text: str, today: datetime) -> datetime:
    text = text.strip()
    if _TIME_ONLY.fullmatch(text):
        text = f"{today:%Y-%m-%d} {text.zfill(5)}"
    try:
        return datetime.fromisoformat(text)
    except ValueError:
        raise ToolFailed(f"{text!r} is not a time.", "Write it as 2026-03-01 14:30 or 14:30.") from None


def _zone(name: str) -> tuple[tzinfo, str]:
    """A time zone by its IANA name, or by the city in it."""
    wanted = name.strip()
    if wanted.upper() in {"UTC", "GMT", "Z", ""}:
        return UTC, "UTC"
    known = sorted(zoneinfo.available_timezones())
    folded = wanted.replace(" ", "_").casefold()
    exact = next((zone for zone in known if zone.casefold() == folded), None)
    found = exact or next((zone for zone in known if zone.rpartition("/")[2].casefold() == folded), None)
    if found is None:
        near = difflib.get_close_matches(wanted, known, n=3, cutoff=0.5)
        raise ToolFailed(f"There is no time zone {wanted!r}.", f"Near names: {', '.join(near)}" if near else None)
    return zoneinfo.ZoneInfo(found), found
