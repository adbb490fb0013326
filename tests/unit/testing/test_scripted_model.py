"""The scripted model plays what it is given, and shows what it was asked."""

import asyncio

import pytest

from ripieno.domain.errors import ModelRefused, ModelUnavailable
from ripieno.domain.messages import AssistantMessage, Message, ModelEvent, ModelRequest, Reply, TextDelta, UserMessage
from ripieno.domain.usage import Usage
from ripieno.testing.scripted_model import ScriptedModel, answers, calls, says, turn_of


def asks(*messages: Message) -> ModelRequest:
    return ModelRequest(model="scripted:one", messages=messages or (UserMessage("hello"),))


async def play(model: ScriptedModel, request: ModelRequest) -> list[ModelEvent]:
    return [event async for event in model.stream(request)]


async def reply(model: ScriptedModel, request: ModelRequest) -> Reply:
    last = (await play(model, request))[-1]
    assert isinstance(last, Reply)
    return last


async def test_it_plays_line_after_line_and_streams_the_text_first():
    model = ScriptedModel([says("one"), says("two")])
    delta, first = await play(model, asks())
    assert delta == TextDelta("one")
    assert isinstance(first, Reply)
    assert (first.text, first.model, first.provider, first.usage) == ("one", "scripted:one", "scripted", Usage(calls=1))
    assert (await reply(model, asks())).text == "two"
    assert model.played == 2


async def test_calls_get_ids_that_differ_over_turns():
    model = ScriptedModel([calls(("a.b", {"x": 1}), ("c.d", {})), calls(("a.b", {}))])
    first = await reply(model, asks())
    second = await reply(model, asks(UserMessage("hello"), AssistantMessage("", first.tool_calls)))
    ids = [call.id for call in (*first.tool_calls, *second.tool_calls)]
    assert len(set(ids)) == 3
    assert first.finish_reason == "tool_calls"
    assert first.tool_calls[0].arguments == {"x": 1}


async def test_an_exception_in_the_script_is_raised():
    model = ScriptedModel([ModelUnavailable("busy", retry_after=3), says("now")])
    with pytest.raises(ModelUnavailable):
        await play(model, asks())
    assert (await reply(model, asks())).text == "now"


async def test_a_function_answers_every_request_and_may_wait():
    gate = asyncio.Event()

    async def later(request: ModelRequest) -> Reply:
        await gate.wait()
        return says(f"turn {turn_of(request)}", usage=Usage(output_tokens=7, calls=1))

    model = ScriptedModel(later)
    async with asyncio.TaskGroup() as group:
        waiting = group.create_task(reply(model, asks()))
        gate.set()
    assert (waiting.result().text, waiting.result().usage.output_tokens) == ("turn 0", 7)
    assert (await reply(model, asks(UserMessage("a"), AssistantMessage("b")))).text == "turn 1"


async def test_each_conversation_may_play_the_script_from_its_start():
    model = ScriptedModel([says("one"), says("two")], per_conversation=True)
    later = asks(UserMessage("a"), AssistantMessage("one"))
    assert [(await reply(model, request)).text for request in (asks(), asks(), later)] == ["one", "one", "two"]


async def test_a_script_that_is_over_refuses():
    with pytest.raises(ModelRefused, match="asks for line 1"):
        await play(ScriptedModel([]), asks())


async def test_requests_are_kept():
    model = ScriptedModel(lambda _: answers({"b": 1}), usage=Usage(input_tokens=5, calls=1))
    answer = await reply(model, asks(UserMessage("a")))
    assert (answer.text, answer.usage.input_tokens) == ('{"b":1}', 5)
    assert model.requests == [asks(UserMessage("a"))]


async def test_recording_can_be_switched_off():
    model = ScriptedModel([says("one")], record=False)
    await play(model, asks())
    assert model.requests == []
