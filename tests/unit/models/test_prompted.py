"""Models without tools of their own call them in words, and are asked again where nobody understands."""

from collections.abc import Sequence
from dataclasses import replace

import pytest

from ripieno.domain.errors import ModelRefused, ModelUnavailable
from ripieno.domain.messages import (
    AssistantMessage,
    ModelEvent,
    ModelRequest,
    Reply,
    SystemMessage,
    TextDelta,
    ToolMessage,
    UserMessage,
)
from ripieno.domain.tools import ToolCall, ToolSpec
from ripieno.domain.usage import Usage
from ripieno.models.prompted import PromptedModel
from ripieno.testing.fake_clock import FakeClock
from ripieno.testing.scripted_model import Line, ScriptedModel, says

PING = ToolSpec("net.ping", "Ping a host.", {"type": "object", "required": ["host"]})
ASKED = ModelRequest("ollama:gemma3", (SystemMessage("Be brief."), UserMessage("Ping a")), (PING,))
PINGED = '{"name": "net.ping", "arguments": {"host": "ä"}}'
SAID = f'{{"thought": "let me see", "tool_calls": [{PINGED}, {{"name": "x", "arguments": "{{"}}]}}'
CALL = '{"tool_calls": [{"name": "net.ping", "arguments": {"host": "a"}}]}'


async def ask(
    script: Sequence[Line], request: ModelRequest = ASKED, clock: FakeClock | None = None
) -> tuple[list[ModelEvent], ScriptedModel]:
    inner = ScriptedModel(script)
    model = PromptedModel(inner, ["ollama:gemma*"], clock or FakeClock())
    return [event async for event in model.stream(request)], inner


async def test_a_call_in_words_is_a_call():
    (last,), inner = await ask([says(CALL)])
    assert isinstance(last, Reply)
    assert last.tool_calls == (ToolCall("call_2_0", "net.ping", {"host": "a"}),)
    sent = inner.requests[0]
    assert sent.tools == ()
    told = sent.messages[1]
    assert isinstance(told, SystemMessage)
    assert '- net.ping: Ping a host.\n  {"type": "object", "required": ["host"]}' in told.text


async def test_an_answer_is_shown_without_its_mark():
    events, _ = await ask([says("THOUGHT: easy\nFINAL ANSWER: It is up.")])
    assert events[0] == TextDelta("It is up.")
    assert isinstance(events[1], Reply)
    assert events[1].text == "It is up."


async def test_what_was_called_and_came_back_is_told_in_words():
    history = (
        *ASKED.messages,
        AssistantMessage("let me see", (ToolCall("c1", "net.ping", {"host": "ä"}), ToolCall("c2", "x", malformed="{"))),
        ToolMessage("c1", "net.ping", "1 ms", "t1c0"),
        ToolMessage("c2", "x", "no JSON", is_error=True),
        AssistantMessage("so far"),
        UserMessage("go on"),
    )
    _, inner = await ask([says("FINAL ANSWER: 1 ms")], replace(ASKED, messages=history))
    assert [message.text for message in inner.requests[0].messages[3:]] == [
        SAID,
        "Result of net.ping:\n[t1c0]\n1 ms",
        "Result of x:\n(failed)\nno JSON",
        "so far",
        "go on",
    ]


async def test_a_schema_goes_into_the_words_so_that_it_rules_out_no_call():
    _, inner = await ask([says(CALL)], replace(ASKED, output_schema={"title": "Shape"}))
    assert inner.requests[0].output_schema is None
    assert '{"title": "Shape"}' in inner.requests[0].messages[1].text


async def test_what_nobody_understands_is_asked_for_again_and_all_of_it_counts():
    used = Usage(10, 5, calls=1)
    script = [says("ACTION: net.pong\nACTION INPUT: {}", used), says("", used), says(CALL, used)]
    events, inner = await ask(script)
    last = events[-1]
    assert isinstance(last, Reply)
    assert (len(last.tool_calls), last.usage) == (1, Usage(30, 15, calls=3))
    first, second = inner.requests[1].messages[-2:]
    assert isinstance(first, AssistantMessage)
    assert "there is no tool 'net.pong'; there are net.ping" in second.text
    assert [message.role for message in inner.requests[2].messages[-2:]] == ["user", "user"]


async def test_it_is_not_asked_for_ever():
    with pytest.raises(ModelRefused, match=r"in 3 attempts: each ACTION needs"):
        await ask([says("ACTION: net.ping")] * 3)


async def test_all_attempts_share_one_time():
    clock = FakeClock()

    def slow(request: ModelRequest) -> Reply:
        seen.append(request.timeout)
        clock.advance(50)
        return says("ACTION: net.ping")

    seen: list[float] = []
    with pytest.raises(ModelUnavailable, match="within 100 s: each ACTION needs"):
        await ask([slow] * 3, replace(ASKED, timeout=100.0), clock)
    assert seen == [100, 50]


@pytest.mark.parametrize("finish", ["length", "content_filter"])
async def test_what_was_cut_is_not_asked_for_again(finish: str):
    (last,), _ = await ask([replace(says("ACTION: net.pi"), finish_reason=finish)])
    assert isinstance(last, Reply)
    assert (last.text, last.finish_reason) == ("ACTION: net.pi", finish)


@pytest.mark.parametrize("request_", [replace(ASKED, model="ollama:qwen3"), replace(ASKED, tools=())])
async def test_other_models_and_requests_without_tools_are_left_alone(request_: ModelRequest):
    events, inner = await ask([says(CALL)], request_)
    assert inner.requests == [request_]
    last = events[-1]
    assert isinstance(last, Reply)
    assert (last.text, last.tool_calls) == (CALL, ())
