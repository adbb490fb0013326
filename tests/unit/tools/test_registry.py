from collections.abc import Sequence
from pathlib import Path

from ripieno.domain.errors import ToolUnavailable
from ripieno.domain.tools import ToolCall, ToolContext, ToolResult, ToolSpec, ToolStatus
from ripieno.testing.recording_tools import RecordingTools
from ripieno.tools.registry import ToolRegistry, near

CONTEXT = ToolContext("acme", Path("/workspace"))


class Flaky(RecordingTools):
    """Tools whose listing can be broken and mended."""

    error: Exception | None = None

    async def list(self, context: ToolContext) -> Sequence[ToolSpec]:
        if self.error:
            raise self.error
        return await super().list(context)


def named(specs: Sequence[ToolSpec]) -> list[str]:
    return [spec.name for spec in specs]


async def call(registry: ToolRegistry, name: str) -> ToolResult:
    return await registry.call(ToolCall("1", name), CONTEXT)


async def test_one_list_that_stays_the_same_object_while_nothing_changes():
    registry = ToolRegistry({"math": RecordingTools({"math.add": "1"}), "web": RecordingTools({"web.fetch": "2"})})
    specs = await registry.list(CONTEXT)
    assert named(specs) == ["math.add", "web.fetch"]
    assert await registry.list(CONTEXT) is specs
    assert registry.problems() == {}


async def test_quick_and_slow_toolsets_keep_their_order():
    toolsets = {name: RecordingTools({f"{name}.tool": "1"}) for name in ("a", "b", "c", "d")}
    registry = ToolRegistry(toolsets, quick=["b", "d"])
    specs = await registry.list(CONTEXT)
    assert named(specs) == ["a.tool", "b.tool", "c.tool", "d.tool"]
    assert await registry.list(CONTEXT) is specs
    every = ToolRegistry(toolsets, quick=toolsets)
    assert named(await every.list(CONTEXT)) == named(specs)


async def test_calls_go_to_their_toolset_whatever_its_key():
    registry = ToolRegistry({"math": RecordingTools({"math.add": "1"}), "other": RecordingTools({"odd.one": "2"})})
    assert (await call(registry, "math.add")).text == "1"
    assert (await call(registry, "odd.one")).text == "2"


async def test_broken_toolset_is_told_and_the_others_go_on():
    flaky = Flaky({"flaky.a": "back"})
    registry = ToolRegistry({"flaky": flaky, "math": RecordingTools({"math.add": "1"})})
    flaky.error = ValueError("secret")
    assert named(await registry.list(CONTEXT)) == ["math.add"]
    assert registry.problems() == {"flaky": "toolset flaky cannot list its tools: ValueError"}
    assert (await call(registry, "math.add")).text == "1"
    flaky.error = ToolUnavailable("no program counter-mcp")
    result = await call(registry, "flaky.a")
    assert result.status is ToolStatus.UNAVAILABLE
    assert "no program counter-mcp" in result.text
    flaky.error = None
    assert named(await registry.list(CONTEXT)) == ["flaky.a", "math.add"]
    assert registry.problems() == {}
    assert (await call(registry, "flaky.a")).text == "back"


async def test_second_tool_of_a_name_is_left_out_and_told():
    registry = ToolRegistry({"a": RecordingTools({"x.y": "first"}), "b": RecordingTools({"x.y": "second"})})
    assert named(await registry.list(CONTEXT)) == ["x.y"]
    assert "b has a second x.y" in registry.problems()["x.y"]
    assert (await call(registry, "x.y")).text == "first"


async def test_unknown_tool_comes_with_near_names():
    registry = ToolRegistry({"math": RecordingTools({"math.calculate": "1", "math.round": "2"})})
    result = await call(registry, "math.calcuate")
    assert result.status is ToolStatus.UNKNOWN_TOOL
    assert result.hint == "Did you mean math.calculate?"
    assert (await call(registry, "zzz")).hint is None


def test_near_names_by_spelling_and_by_last_part():
    names = ["web.fetch", "files.write", "math.calculate"]
    assert near("http.fetch", names) == ["web.fetch"]
    assert near("calculate", names) == ["math.calculate"]
