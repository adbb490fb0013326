"""The model without weights: `ports.Model` on a machine that has neither a key nor a network.

It understands nothing. It matches the words of a goal with the descriptions of tools and agents, fills arguments by
schema, and quotes what tools return. The same request always gets the same reply, and every reply says what made it.
"""

import json
from collections.abc import AsyncIterator, Callable, Mapping
from typing import cast

from ripieno.domain.jsons import Json, JsonObject, canonical
from ripieno.domain.messages import ModelEvent, ModelRequest, Reply, TextDelta
from ripieno.domain.tools import ToolCall, ToolSpec
from ripieno.domain.usage import Usage
from ripieno.models.providers.offline import acting, composing, delivering, planning, reviewing, words
from ripieno.models.providers.offline.conversation import Conversation, read
from ripieno.models.providers.offline.shaping import shape
from ripieno.models.wire.attached import in_words

NAME = "offline"
NOTE = "deterministic, without weights: matches words with tools and quotes their results"
PIECE = 60
"""About how many characters a delta has."""


class OfflineModel:
    """`ports.Model` by rules alone; it needs nothing and costs nothing. `request.purpose` chooses what it does."""

    async def stream(self, request: ModelRequest) -> AsyncIterator[ModelEvent]:
        """Answer: the text in pieces, then the reply."""
        reply = respond(request)
        for piece in _pieces(reply.text):
            yield TextDelta(piece)
        yield reply


def respond(request: ModelRequest) -> Reply:
    """Make the whole reply to a request.

    Raises:
        UnsupportedInput: A file that is no text came with it.
    """
    request = in_words(request, NAME)
    talk = read(request)
    text, calls = _PURPOSES.get(request.purpose, _act)(request, talk)
    return Reply(
        text=text,
        tool_calls=calls,
        usage=Usage(input_tokens=_input_words(request), output_tokens=_output_words(text, calls), calls=1),
        model=NAME,
        provider=NAME,
        finish_reason="tool_calls" if calls else "stop",
        metadata={"model": NAME, "note": NOTE},
    )


_Outcome = tuple[str, tuple[ToolCall, ...]]


def _act(request: ModelRequest, talk: Conversation) -> _Outcome:
    wishes = acting.decide(talk, request.tools).wishes
    if wishes:
        return "", tuple(_call(request, index, wish.tool, wish.arguments) for index, wish in enumerate(wishes))
    return _shaped(request, acting.answer(talk, request.tools)), ()


def _plan(request: ModelRequest, talk: Conversation) -> _Outcome:
    agents = talk.data.get("agents")
    known = (
        [cast("JsonObject", item) for item in cast("list[Json]", agents) if isinstance(item, dict)]
        if isinstance(agents, list)
        else []
    )
    if not any(agent.get("name") for agent in known):
        return _shaped(request, talk.goal), ()
    return canonical(planning.plan(str(talk.data.get("goal") or talk.goal), known)), ()


def _compose(request: ModelRequest, talk: Conversation) -> _Outcome:
    return _shaped(request, composing.compose(str(talk.data.get("goal") or talk.goal), talk.data)), ()


def _review(_: ModelRequest, talk: Conversation) -> _Outcome:
    return canonical(reviewing.review(talk.data)), ()


def _deliver(request: ModelRequest, talk: Conversation) -> _Outcome:
    tool = delivering.writer(request.tools)
    arguments = delivering.arguments_for(tool, talk.data) if tool and not talk.results else None
    if tool and arguments:
        return "", (_call(request, 0, tool, arguments),)
    return _shaped(request, delivering.outcome(talk)), ()


_PURPOSES: Mapping[str, Callable[[ModelRequest, Conversation], _Outcome]] = {
    "act": _act,
    "plan": _plan,
    "compose": _compose,
    "review": _review,
    "deliver": _deliver,
}


def _call(request: ModelRequest, index: int, tool: ToolSpec, arguments: JsonObject) -> ToolCall:
    return ToolCall(id=f"offline_{len(request.messages)}_{index}", name=tool.name, arguments=arguments)


def _shaped(request: ModelRequest, text: str) -> str:
    """The answer as the output schema wants it; without one, as it is."""
    return canonical(shape(request.output_schema, text)) if request.output_schema else text


def _pieces(text: str) -> list[str]:
    """Cut a text into deltas, at spaces."""
    pieces: list[str] = []
    for word in text.split(" "):
        if pieces and len(pieces[-1]) < PIECE:
            pieces[-1] += f" {word}"
        else:
            pieces.append(f" {word}" if pieces else word)
    return pieces if text else []


def _input_words(request: ModelRequest) -> int:
    texts = sum(words.count(message.text) for message in request.messages)
    return texts + sum(words.count(tool.description) for tool in request.tools)


def _output_words(text: str, calls: tuple[ToolCall, ...]) -> int:
    return words.count(text) + sum(1 + words.count(json.dumps(call.arguments)) for call in calls)
