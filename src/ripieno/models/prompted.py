"""Tools for models that cannot call any: described in the instructions, and asked for in the text of the answer."""

import json
from collections.abc import AsyncIterator, Iterator, Sequence
from dataclasses import replace
from fnmatch import fnmatchcase

from ripieno.domain.errors import ModelRefused, ModelUnavailable
from ripieno.domain.messages import (
    AssistantMessage,
    Message,
    ModelEvent,
    ModelRequest,
    Reply,
    SystemMessage,
    TextDelta,
    ToolMessage,
    UserMessage,
)
from ripieno.domain.tools import ToolSpec
from ripieno.domain.usage import NOTHING_USED
from ripieno.models import wished
from ripieno.models.closing import closing
from ripieno.models.wire.wording import result_text, schema_instruction
from ripieno.ports import Clock, Model

ATTEMPTS = 3
CUT = frozenset({"length", "content_filter"})

FORM = """You can use tools. To use some, answer with one JSON object and nothing else:
{"thought": "why", "tool_calls": [{"name": "NAME", "arguments": {}}]}
or with these lines and nothing else, ACTION and ACTION INPUT once for each tool:
THOUGHT: why
ACTION: NAME
ACTION INPUT: {}
The results come with the next message; never write them yourself. When you need no more tools, answer with
FINAL ANSWER: and your answer after it.

The tools, each with the JSON Schema of its arguments:"""


class PromptedModel:
    """`ports.Model` that calls tools in words for the models whose names fit one of `patterns` (`ollama:gemma*`).

    An answer that does not keep to the form is put back to the model with what is wrong, and asked for again; what all
    attempts used is counted, and they share `request.timeout`. Text is shown when it is known to be the answer.
    """

    def __init__(self, inner: Model, patterns: Sequence[str], clock: Clock) -> None:
        self._inner = inner
        self._patterns = tuple(patterns)
        self._clock = clock

    def stream(self, request: ModelRequest) -> AsyncIterator[ModelEvent]:
        """Answer.

        Raises:
            ModelRefused: The model never kept to the form.
            ModelUnavailable: There was no time to ask again.
        """
        if request.tools and any(fnmatchcase(request.model, pattern) for pattern in self._patterns):
            return self._prompted(request)
        return self._inner.stream(request)

    async def _prompted(self, request: ModelRequest) -> AsyncIterator[ModelEvent]:
        deadline = self._clock.monotonic() + request.timeout
        asked = in_words(request)
        used = NOTHING_USED
        problem = ""
        for _ in range(ATTEMPTS):
            left = deadline - self._clock.monotonic()
            if left <= 0:
                raise ModelUnavailable(f"no answer in the form of tool calls within {request.timeout:g} s: {problem}")
            reply = await self._reply(replace(asked, timeout=left))
            used += reply.usage
            reply = replace(reply, usage=used)
            try:
                answer = wished.read(reply, request.tools, len(request.messages))
            except wished.Unreadable as error:
                if reply.finish_reason in CUT:
                    yield reply
                    return
                problem = str(error)
                asked = replace(asked, messages=(*asked.messages, *_again(reply.text, problem)))
                continue
            if answer.text:
                yield TextDelta(answer.text)
            yield answer
            return
        raise ModelRefused(f"the model did not keep to the form of tool calls in {ATTEMPTS} attempts: {problem}")

    async def _reply(self, request: ModelRequest) -> Reply:
        async with closing(self._inner.stream(request)) as events:
            async for event in events:
                if isinstance(event, Reply):
                    return event
        raise ModelRefused("the model ended without an answer")


def in_words(request: ModelRequest) -> ModelRequest:
    """The same request without tools: they, what was called and what came back stand in its messages."""
    messages = request.messages
    start = next((at for at, message in enumerate(messages) if not isinstance(message, SystemMessage)), len(messages))
    told = "\n".join([FORM, *(_described(tool) for tool in request.tools)])
    if request.output_schema is not None:
        told = (
            f"{told}\n\n{schema_instruction(request.output_schema)}\nIt comes after FINAL ANSWER: as any answer does."
        )
    said = (_said(message) for message in messages[start:])
    return replace(request, messages=(*messages[:start], SystemMessage(told), *said), tools=(), output_schema=None)


def _described(tool: ToolSpec) -> str:
    return f"- {tool.name}: {tool.description}\n  {json.dumps(tool.input_schema, ensure_ascii=False)}"


def _said(message: Message) -> Message:
    if isinstance(message, ToolMessage):
        return UserMessage(f"Result of {message.name}:\n{result_text(message)}")
    if isinstance(message, AssistantMessage) and message.tool_calls:
        calls = [{"name": call.name, "arguments": call.malformed or call.arguments} for call in message.tool_calls]
        thought = {"thought": message.text} if message.text else {}
        return AssistantMessage(json.dumps({**thought, "tool_calls": calls}, ensure_ascii=False))
    return message


def _again(text: str, problem: str) -> Iterator[Message]:
    if text.strip():
        yield AssistantMessage(text)
    yield UserMessage(f"That cannot be understood: {problem}. Answer again, in one of the forms that you were told.")
