from pathlib import Path

from ripieno.domain.tools import ToolCall, ToolContext, ToolResult, ToolStatus
from ripieno.testing.recording_tools import RecordingTools, Scripted
from ripieno.tools.schemas import check
from ripieno.tools.validated import ValidatedToolset

CONTEXT = ToolContext("acme", Path("/workspace"))
NUMBER = {"type": "object", "properties": {"n": {"type": "integer"}}, "required": ["n"]}
TOOLS = {
    "t.in": Scripted("fine", input_schema=NUMBER),
    "t.out": Scripted({"n": 1}, output_schema=NUMBER),
    "t.liar": Scripted({"n": "one"}, output_schema=NUMBER),
    "t.silent": Scripted("text alone", output_schema=NUMBER),
    "t.failing": Scripted(ToolResult(ToolStatus.ERROR, "no"), output_schema=NUMBER),
    "t.broken_in": Scripted("x", input_schema={"$ref": "file:///etc/passwd"}),
    "t.broken_out": Scripted({"n": 1}, output_schema={"type": "nonsense"}),
}


async def call(name: str, arguments: dict[str, object], malformed: str | None = None) -> tuple[ToolResult, int]:
    tools = RecordingTools(TOOLS)
    ring = ValidatedToolset(tools, check)
    assert await ring.list(CONTEXT) is await tools.list(CONTEXT)
    result = await ring.call(ToolCall("1", name, arguments, malformed), CONTEXT)
    return result, len(tools.calls)


async def test_valid_calls_pass():
    assert (await call("t.in", {"n": 1}))[0].text == "fine"
    assert (await call("t.out", {}))[0].data == {"n": 1}


async def test_wrong_arguments_never_reach_the_tool():
    result, calls = await call("t.in", {"n": "one"})
    assert calls == 0
    assert result.status is ToolStatus.INVALID_ARGUMENTS
    assert result.data == {"problems": [{"pointer": "/n", "detail": '"one" is not of type "integer"'}]}
    assert '- /n: "one" is not of type "integer"' in result.text


async def test_malformed_arguments_never_reach_the_tool():
    result, calls = await call("t.out", {}, malformed='{"n": ' + "1" * 1000)
    assert calls == 0
    assert result.status is ToolStatus.INVALID_ARGUMENTS
    assert '{"n": 111' in result.text
    assert len(result.text) < 400


async def test_results_that_break_the_output_schema():
    for name in ("t.liar", "t.silent", "t.broken_out"):
        result, _ = await call(name, {})
        assert result.status is ToolStatus.INVALID_RESULT, name
        assert result.data is None


async def test_failures_are_not_checked():
    assert (await call("t.failing", {}))[0].text == "no"


async def test_tool_with_a_broken_schema_is_unavailable():
    result, calls = await call("t.broken_in", {})
    assert (result.status, calls) == (ToolStatus.UNAVAILABLE, 0)


async def test_unknown_tool_is_left_to_the_toolset():
    assert (await call("t.other", {}))[0].status is ToolStatus.UNKNOWN_TOOL
