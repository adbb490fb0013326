"""A model that plays a script: the way to test agents without a provider.

    model = ScriptedModel([
        calls(("math.calculate", {"expression": "12*34"})),
        says("It is 408 [t1c0]."),
    ])

Each request takes the next line of the script. A line is a `Reply` (made by `says`, `answers` or `calls`), an exception
to raise, or a function that makes the reply from the request. Instead of a list, the script may be one such function,
which then answers every request. Functions may be `async`, so that a test can hold an answer back.

`model.requests` has the requests in the order in which they came. The model takes no time and costs nothing; give
`usage` to make it look as if it did.
"""

from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from dataclasses import replace
from inspect import isawaitable
from typing import TypeAlias

from ripieno.domain.errors import ModelRefused
from ripieno.domain.jsons import JsonObject, canonical
from ripieno.domain.messages import AssistantMessage, ModelEvent, ModelRequest, Reply, TextDelta
from ripieno.domain.tools import ToolCall
from ripieno.domain.usage import NOTHING_USED, Usage

Answer: TypeAlias = Callable[[ModelRequest], Reply | Awaitable[Reply]]
Line: TypeAlias = Reply | Exception | Answer

ONE_CALL = Usage(calls=1)


def says(text: str, usage: Usage = NOTHING_USED) -> Reply:
    """Make a reply that is text alone."""
    return Reply(text=text, usage=usage)


def answers(document: JsonObject, usage: Usage = NOTHING_USED) -> Reply:
    """Make a reply whose text is a JSON document, for agents with an output schema."""
    return Reply(text=canonical(document), usage=usage)


def calls(*wishes: tuple[str, JsonObject], text: str = "", usage: Usage = NOTHING_USED) -> Reply:
    """Make a reply that calls tools, all in one turn: `calls(("net.ping", {"host": "a"}), ("system.cpu", {}))`.

    The calls get ids when the reply is played, unique in their conversation.
    """
    tool_calls = tuple(ToolCall(id="", name=name, arguments=arguments) for name, arguments in wishes)
    return Reply(text=text, tool_calls=tool_calls, usage=usage, finish_reason="tool_calls")


def turn_of(request: ModelRequest) -> int:
    """How often the model has answered in this conversation: 0 for the first request. Handy in functions."""
    return sum(isinstance(message, AssistantMessage) for message in request.messages)


class ScriptedModel:
    """`ports.Model` that plays a script.

    `usage` is what each reply without usage of its own reports. With `per_conversation`, every conversation plays the
    list from its first line (the line is chosen by `turn_of`), so that many runs can share the model; without, requests
    take the lines in the order in which they come. `record=False` keeps no requests, for long benches.

    A request for which no line is left raises `ModelRefused`.
    """

    def __init__(
        self,
        script: Sequence[Line] | Answer,
        *,
        usage: Usage = ONE_CALL,
        per_conversation: bool = False,
        record: bool = True,
    ) -> None:
        self.requests: list[ModelRequest] = []
        self.played = 0
        self._script = script
        self._usage = usage
        self._per_conversation = per_conversation
        self._record = record

    async def stream(self, request: ModelRequest) -> AsyncIterator[ModelEvent]:
        """Answer with the next line: its text as one delta, then the reply."""
        line = self._next(request)
        if isinstance(line, Exception):
            raise line
        if not isinstance(line, Reply):
            made = line(request)
            line = await made if isawaitable(made) else made
        if line.text:
            yield TextDelta(line.text)
        yield self._finished(line, request)

    def _next(self, request: ModelRequest) -> Line:
        if self._record:
            self.requests.append(request)
        index = turn_of(request) if self._per_conversation else self.played
        self.played += 1
        if callable(self._script):
            return self._script
        if index >= len(self._script):
            raise ModelRefused(f"the script has {len(self._script)} lines and this request asks for line {index + 1}")
        return self._script[index]

    def _finished(self, reply: Reply, request: ModelRequest) -> Reply:
        """Fill in what the script left open."""
        tool_calls = tuple(
            call if call.id else replace(call, id=f"call_{len(request.messages)}_{index}")
            for index, call in enumerate(reply.tool_calls)
        )
        return replace(
            reply,
            tool_calls=tool_calls,
            usage=self._usage if reply.usage == NOTHING_USED else reply.usage,
            model=reply.model or request.model,
            provider=reply.provider or "scripted",
        )
