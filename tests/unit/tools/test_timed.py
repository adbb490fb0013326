import asyncio
from collections.abc import Sequence
from datetime import timedelta
from pathlib import Path

import pytest

from ripieno.domain.effects import EffectClass
from ripieno.domain.tools import ToolCall, ToolContext, ToolResult, ToolSpec, ToolStatus
from ripieno.testing.fake_clock import FakeClock
from ripieno.testing.recording_tools import RecordingTools, Scripted
from ripieno.tools.timed import TimedToolset

CLOCK = FakeClock()
CONTEXT = ToolContext("acme", Path("/workspace"))


class Raw:
    """A toolset that breaks its promises."""

    def __init__(self, listing: Exception | None = None, calling: BaseException | None = None) -> None:
        self.listing = listing
        self.calling = calling

    async def list(self, context: ToolContext) -> Sequence[ToolSpec]:
        del context
        if self.listing:
            raise self.listing
        return ()

    async def call(self, call: ToolCall, context: ToolContext) -> ToolResult:
        del call, context
        if self.calling:
            raise self.calling
        await asyncio.Event().wait()
        return ToolResult(ToolStatus.OK, "")


async def hang(_arguments: dict[str, object]) -> None:
    await asyncio.Event().wait()


@pytest.mark.parametrize(("effect", "uncertain"), [(EffectClass.READ, False), (EffectClass.IRREVERSIBLE, True)])
async def test_tool_that_takes_too_long(effect: EffectClass, uncertain: bool):
    tools = RecordingTools({"t.hang": Scripted(hang, timeout=0.01, effect=effect)})
    result = await TimedToolset(tools, CLOCK).call(ToolCall("1", "t.hang"), CONTEXT)
    assert result.status is ToolStatus.TIMEOUT
    assert "within 0.01 s" in result.text
    assert ("not known" in result.text) is uncertain


async def test_the_deadline_of_the_run_shortens_the_time():
    tools = RecordingTools({"t.hang": Scripted(hang, timeout=3600)})
    context = ToolContext("acme", Path(), deadline=CLOCK.now() + timedelta(milliseconds=10))
    result = await TimedToolset(tools, CLOCK).call(ToolCall("1", "t.hang"), context)
    assert result.status is ToolStatus.TIMEOUT


async def test_nothing_is_called_after_the_deadline():
    tools = RecordingTools({"t.a": "x"})
    context = ToolContext("acme", Path(), deadline=CLOCK.now())
    result = await TimedToolset(tools, CLOCK).call(ToolCall("1", "t.a"), context)
    assert (result.status, tools.calls) == (ToolStatus.NOT_SENT, [])


async def test_what_ends_in_time_passes():
    tools = RecordingTools({"t.a": "x"})
    ring = TimedToolset(tools, CLOCK)
    context = ToolContext("acme", Path(), deadline=CLOCK.now() + timedelta(seconds=60))
    assert (await ring.call(ToolCall("1", "t.a"), context)).text == "x"
    assert await ring.list(CONTEXT) is await tools.list(CONTEXT)


@pytest.mark.parametrize(
    ("error", "status"),
    [
        (ValueError("secret"), ToolStatus.LOST),
        (TimeoutError("secret"), ToolStatus.TIMEOUT),
        (ExceptionGroup("secret", [ValueError("secret")]), ToolStatus.LOST),
    ],
)
async def test_exceptions_become_results(error: Exception, status: ToolStatus):
    result = await TimedToolset(Raw(calling=error), CLOCK).call(ToolCall("1", "t.a"), CONTEXT)
    assert result.status is status
    assert "secret" not in result.text


async def test_a_toolset_that_cannot_list_has_done_nothing():
    result = await TimedToolset(Raw(listing=ValueError("secret")), CLOCK).call(ToolCall("1", "t.a"), CONTEXT)
    assert result.status is ToolStatus.ERROR
    assert "secret" not in result.text


async def test_cancellation_passes_through():
    with pytest.raises(asyncio.CancelledError):
        await TimedToolset(Raw(calling=asyncio.CancelledError()), CLOCK).call(ToolCall("1", "t.a"), CONTEXT)


async def test_caller_can_cancel_a_call():
    task = asyncio.ensure_future(TimedToolset(Raw(), CLOCK).call(ToolCall("1", "t.a"), CONTEXT))
    done, _ = await asyncio.wait({task}, timeout=0)
    assert not done
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
