"""The ring that takes secret values out of results."""

from pathlib import Path

from ripieno.domain.tools import ToolCall, ToolContext, ToolResult, ToolStatus
from ripieno.governance.scrubbing import Scrubber
from ripieno.testing.recording_tools import RecordingTools
from ripieno.tools.scrubbed import ScrubbedToolset

CONTEXT = ToolContext("default", Path())


async def test_no_part_of_a_result_shows_a_value():
    scrubber = Scrubber()
    scrubber.learn("token", "tok_12345")
    told = ToolResult(ToolStatus.ERROR, "bad tok_12345", {"headers": ["tok_12345"]}, hint="tok_12345 expired")
    tools = ScrubbedToolset(RecordingTools({"web.get": told}), scrubber.value)
    assert [spec.name for spec in await tools.list(CONTEXT)] == ["web.get"]
    result = await tools.call(ToolCall("1", "web.get"), CONTEXT)
    assert result == ToolResult(
        ToolStatus.ERROR, "bad [secret:token]", {"headers": ["[secret:token]"]}, hint="[secret:token] expired"
    )


async def test_nothing_else_changes():
    plain = ToolResult(ToolStatus.OK, "fine")
    tools = ScrubbedToolset(RecordingTools({"web.get": plain}), Scrubber().value)
    assert await tools.call(ToolCall("1", "web.get"), CONTEXT) == plain
