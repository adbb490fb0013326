import json
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ripieno.domain import jsons
from ripieno.domain.artifacts import ArtifactFilter, Blob, told
from ripieno.domain.tools import ToolCall, ToolContext, ToolResult, ToolSpec, ToolStatus
from ripieno.ports import Artifacts
from ripieno.testing.fake_clock import FakeClock
from ripieno.testing.memory_artifacts import MemoryArtifacts
from ripieno.testing.recording_tools import RecordingTools
from ripieno.tools.bounded import BoundedToolset, bounded, trimmed

CONTEXT = ToolContext("acme", Path("/workspace"))
RUN = "run_0192f0c1d2e37a4b8c9d0e1f2a3b4c5d"
IN_A_RUN = replace(CONTEXT, run_id=RUN, key="g1/turn/1/call/0")


class Brings:
    """A toolset whose one tool answers the same each time."""

    def __init__(self, result: ToolResult) -> None:
        self._result = result

    async def list(self, context: ToolContext) -> Sequence[ToolSpec]:
        del context
        return [ToolSpec("t.brings", "", {})]

    async def call(self, call: ToolCall, context: ToolContext) -> ToolResult:
        del call, context
        return self._result


@pytest.fixture
def artifacts() -> MemoryArtifacts:
    return MemoryArtifacts(FakeClock())


async def brought(result: ToolResult, artifacts: Artifacts, context: ToolContext = IN_A_RUN) -> ToolResult:
    return await BoundedToolset(Brings(result), 500, artifacts).call(ToolCall("1", "t.brings"), context)


async def test_ring_passes_calls_and_lists(artifacts: Artifacts):
    tools = RecordingTools({"t.long": "a" * 500 + "b" * 500})
    ring = BoundedToolset(tools, 300, artifacts)
    assert await ring.list(CONTEXT) is await tools.list(CONTEXT)
    result = await ring.call(ToolCall("1", "t.long"), CONTEXT)
    assert (result.truncated, result.total_bytes) == (True, 1000)
    assert len(result.text.encode()) <= 300
    assert list(await artifacts.page("acme", ArtifactFilter(), 10)) == []


async def test_a_long_result_is_kept_whole(artifacts: Artifacts):
    whole = "".join(f"line {n}\n" for n in range(1000))
    result = await brought(ToolResult(ToolStatus.OK, whole, data=["x" * 9000]), artifacts)
    (ref,) = result.artifacts
    assert (ref.name, ref.media_type, ref.size) == ("t.brings.txt", "text/plain", len(whole))
    assert await artifacts.read("acme", ref.id) == whole.encode()
    assert (await artifacts.get("acme", ref.id)).run_id == RUN
    assert result.text.startswith("line 0\nline 1\n")
    assert result.text.endswith(f"{told(ref)}")
    assert result.text.count("left out") == 1
    assert (len(result.text.encode()) <= 500, result.data, result.truncated) == (True, None, True)
    again = await brought(ToolResult(ToolStatus.OK, whole), artifacts)
    assert again.artifacts == result.artifacts


async def test_a_value_that_is_too_large_is_kept_where_the_text_is_short(artifacts: Artifacts):
    result = await brought(ToolResult(ToolStatus.OK, "a list", data=["x" * 9000]), artifacts)
    (ref,) = result.artifacts
    assert ref.media_type == "application/json"
    assert json.loads(await artifacts.read("acme", ref.id)) == ["x" * 9000]
    assert result.text == f"a list\n{told(ref)}"


async def test_files_are_kept_and_never_in_the_journal(artifacts: Artifacts):
    picture = Blob(b"\x89PNG", "image/png", "cat.png")
    result = await brought(
        ToolResult(ToolStatus.OK, "", content=(picture, Blob(b"%PDF", "application/pdf"))), artifacts
    )
    assert [(ref.name, ref.media_type) for ref in result.artifacts] == [
        ("cat.png", "image/png"),
        ("file-2", "application/pdf"),
    ]
    assert result.text.splitlines() == [told(ref) for ref in result.artifacts]
    assert result.content == ()
    body = jsons.encode(ToolResult(ToolStatus.OK, "x", content=(picture,)))
    assert "content" not in body
    assert "artifacts" not in body
    assert jsons.decode(ToolResult, jsons.encode(result)) == result


async def test_outside_runs_files_are_only_described(artifacts: Artifacts):
    result = await brought(ToolResult(ToolStatus.OK, "see", content=(Blob(b"abc", "image/png"),)), artifacts, CONTEXT)
    assert result.text == "see\n[image/png, 3 bytes, not kept outside runs]"
    assert result.artifacts == ()


async def test_what_cannot_be_kept_is_said(caplog: pytest.LogCaptureFixture):
    small = MemoryArtifacts(FakeClock(), largest=100)
    result = await brought(ToolResult(ToolStatus.OK, "y" * 1000), small)
    assert result.text.endswith("[text/plain, 1,000 bytes, which could not be kept]")
    assert (result.status, result.artifacts) == (ToolStatus.OK, ())
    assert "could not be kept" in caplog.text


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
