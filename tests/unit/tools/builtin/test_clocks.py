from collections.abc import Callable
from datetime import UTC, datetime

import pytest

from ripieno.domain.tools import ToolResult
from ripieno.testing.fake_clock import FakeClock
from ripieno.tools.builtin.clocks import time_tools
from ripieno.tools.failures import ToolFailed


@pytest.fixture
def tools() -> dict[str, Callable[..., ToolResult]]:
    clock = FakeClock(datetime(2026, 7, 1, 22, 30, tzinfo=UTC))
    return {tool.__name__: tool for tool in time_tools(clock)}


def test_now_in_utc_and_elsewhere(tools: dict[str, Callable[..., ToolResult]]):
    assert tools["now"]().text == "Wednesday 2026-07-01 22:30:00 UTC (UTC+00:00, week 27)"
    assert tools["now"]("Asia/Tokyo").text == "Thursday 2026-07-02 07:30:00 Asia/Tokyo (UTC+09:00, week 27)"


@pytest.mark.parametrize("name", ["Tokyo", "tokyo", "asia/tokyo", " Asia/Tokyo "])
def test_zones_are_known_by_city_and_in_any_case(tools: dict[str, Callable[..., ToolResult]], name: str):
    assert tools["now"](name).data["timezone"] == "Asia/Tokyo"


@pytest.mark.parametrize("name", ["Asia/Tokio", "../../etc/passwd", "/etc/localtime", "x" * 500])
def test_unknown_zone_is_refused(tools: dict[str, Callable[..., ToolResult]], name: str):
    with pytest.raises(ToolFailed) as caught:
        tools["now"](name)
    assert "no time zone" in caught.value.text
    assert name != "Asia/Tokio" or "Asia/Tokyo" in str(caught.value.hint)


@pytest.mark.parametrize(
    ("arguments", "text"),
    [
        (("2026-03-01 14:30", "Europe/Rome"), "2026-03-01 14:30 UTC is Sunday 2026-03-01 15:30:00 Europe/Rome"),
        (("9:05", "UTC", "New York"), "2026-07-01 09:05 America/New_York is Wednesday 2026-07-01 13:05:00 UTC"),
        (("2026-03-01T14:30+02:00", "UTC", "Tokyo"), "2026-03-01 14:30 UTC+0200 is Sunday 2026-03-01 12:30:00 UTC"),
    ],
)
def test_convert(tools: dict[str, Callable[..., ToolResult]], arguments: tuple[str, ...], text: str):
    assert tools["convert"](*arguments).text.startswith(text)


def test_convert_refuses_what_is_no_time(tools: dict[str, Callable[..., ToolResult]]):
    with pytest.raises(ToolFailed) as caught:
        tools["convert"]("tea time", "UTC")
    assert "not a time" in caught.value.text
