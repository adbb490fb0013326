from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ripieno.domain.tools import ToolCall, ToolContext, ToolResult, ToolStatus
from ripieno.testing.recording_tools import RecordingTools
from ripieno.tools.bounded import BoundedToolset, bounded, trimmed

CONTEXT = ToolContext("acme", Path("/workspace"))


async def test_ring_passes_calls_and_lists():
    tools = RecordingTools({"t.long": "a" * 500 + "b" * 500})
    ring = BoundedToolset(tools, 300)
    assert await ring.list(CONTEXT) is await tools.list(CONTEXT)
    result = await ring.call(ToolCall("1", "t.long"), CONTEXT)
    assert (result.truncated, result.total_bytes) == (True, 1000)
    assert len(result.text.encode()) <= 300


def test_short_results_stay_as_they_are():
    result = bounded(ToolResult(ToolStatus.OK, "héllo", data={"a": 1}, hint="h"), 256)
    assert result == ToolResult(ToolStatus.OK, "héllo", data={"a": 1}, hint="h", total_bytes=6)


def test_head_and_tail_are_kept_and_the_gap_is_counted():
    text = trimmed(("a" * 700 + "z" * 300).encode(), 160)
    head, marker, tail = text.split("\n")
    assert set(head) == {"a"}
    assert set(tail) == {"z"}
    assert len(head) > len(tail) > 0
    assert marker == f"[… {1000 - len(head) - len(tail)} of 1000 bytes left out …]"


@given(st.text(max_size=400), st.integers(min_value=100, max_value=300))
def test_cut_text_is_whole_characters_and_never_too_long(text: str, limit: int):
    cut = trimmed(text.encode(), limit)
    assert len(cut.encode()) <= limit
    assert "\ufffd" in text or "\ufffd" not in cut


@pytest.mark.parametrize(
    "text", ["ELF\0\1\2", "\x01\x02\x03abc", b"\x89PNG\r\n\x1a\n\xff\xfe".decode(errors="replace")]
)
def test_binary_is_described(text: str):
    result = bounded(ToolResult(ToolStatus.OK, text), 1000)
    assert result.text == f"<{len(text.encode())} bytes of binary data, not shown>"


@pytest.mark.parametrize(
    "text", ["", "tab\tand\r\nlines", "\x1b[31mred\x1b[0m", "日本語のテキスト", "one \x07 bell in a line"]
)
def test_text_is_not_taken_for_binary(text: str):
    assert bounded(ToolResult(ToolStatus.OK, text), 1000).text == text


@pytest.mark.parametrize("data", [["x" * 300], {"a": object()}, {"a": "\ud800"}])
def test_large_or_impossible_data_is_dropped(data: object):
    result = bounded(ToolResult(ToolStatus.OK, "x", data=data), 256)
    assert (result.data, result.truncated) == (None, True)


def test_half_surrogates_and_long_hints_do_no_harm():
    result = bounded(ToolResult(ToolStatus.ERROR, "a\ud800b", hint="h" * 5000), 256)
    assert result.text == "a?b"
    assert result.hint == "h" * 1000


def test_size_that_the_tool_told_is_kept():
    assert bounded(ToolResult(ToolStatus.OK, "cut", truncated=True, total_bytes=10**9), 256).total_bytes == 10**9
