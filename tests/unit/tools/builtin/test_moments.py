from datetime import UTC, datetime, timedelta

import pytest

from ripieno.tools.builtin import moments
from ripieno.tools.failures import ToolFailed

NOW = datetime(2026, 1, 15, 12, 0, tzinfo=UTC)


@pytest.mark.parametrize(
    ("text", "moment"),
    [
        ("90s", NOW - timedelta(seconds=90)),
        ("30 min", NOW - timedelta(minutes=30)),
        ("30 minutes", NOW - timedelta(minutes=30)),
        ("2h", NOW - timedelta(hours=2)),
        ("last 24 hours", NOW - timedelta(hours=24)),
        ("3 days ago", NOW - timedelta(days=3)),
        ("1w", NOW - timedelta(weeks=1)),
        ("today", datetime(2026, 1, 15, tzinfo=UTC)),
        ("Yesterday", datetime(2026, 1, 14, tzinfo=UTC)),
        ("2026-01-10", datetime(2026, 1, 10, tzinfo=UTC)),
        ("2026-01-10 08:00", datetime(2026, 1, 10, 8, tzinfo=UTC)),
        ("2026-01-10T08:00:00+02:00", datetime(2026, 1, 10, 6, tzinfo=UTC)),
        ("2026-01-10T08:00:00z", datetime(2026, 1, 10, 8, tzinfo=UTC)),
        ("9:30", datetime(2026, 1, 15, 9, 30, tzinfo=UTC)),
    ],
)
def test_since(text: str, moment: datetime):
    assert moments.since(text, NOW) == moment


@pytest.mark.parametrize("text", ["", "soon", "2026-13-45", "25:99", "-1d", "1 fortnight", "--until=now"])
def test_what_names_no_moment_is_refused(text: str):
    with pytest.raises(ToolFailed, match="not a time"):
        moments.since(text, NOW)


@pytest.mark.parametrize(
    ("line", "moment"),
    [
        ("2026-01-10T08:00:00.123+02:00 host app: x", datetime(2026, 1, 10, 6, tzinfo=UTC)),
        ("2026-01-10 08:00:00,500 ERROR x", datetime(2026, 1, 10, 8, tzinfo=UTC)),
        ("2026-01-10 08:00:00 UTC [12] LOG: x", datetime(2026, 1, 10, 8, tzinfo=UTC)),
        ("2026/01/10 08:00:00 [error] x", datetime(2026, 1, 10, 8, tzinfo=UTC)),
        ('1.2.3.4 - - [10/Jan/2026:08:00:00 +0100] "GET /"', datetime(2026, 1, 10, 7, tzinfo=UTC)),
        ("12:M 10 Jan 2026 08:00:00.000 # x", datetime(2026, 1, 10, 8, tzinfo=UTC)),
        ("Jan  9 08:00:00 host app: x", datetime(2026, 1, 9, 8, tzinfo=UTC)),
        ("Dec 31 23:59:59 host app: x", datetime(2025, 12, 31, 23, 59, 59, tzinfo=UTC)),
        ("Foo 12 08:00:00 host", None),
        ("Feb 30 08:00:00 host", None),
        ("2026-99-99 08:00:00 x", None),
        ("no time at all", None),
    ],
)
def test_of_line(line: str, moment: datetime | None):
    assert moments.of_line(line, NOW) == moment
