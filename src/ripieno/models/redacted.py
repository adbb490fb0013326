"""Keeping personal data and secrets from models: masked, or as tokens that are put back in what they answer."""

import json
import re
from collections.abc import AsyncIterator, Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum
from fnmatch import fnmatchcase
from typing import cast

from ripieno.domain.jsons import Json, JsonObject
from ripieno.domain.messages import (
    AssistantMessage,
    Message,
    ModelEvent,
    ModelRequest,
    Reply,
    TextDelta,
    UserMessage,
)
from ripieno.domain.personal import Found
from ripieno.domain.tools import ToolCall
from ripieno.models.closing import closing
from ripieno.ports import Model

Find = Callable[[str], Sequence[Found]]

TOKEN = re.compile(r"\[[A-Z]{2,5}_\d{1,6}\]")
PERHAPS = re.compile(r"\[(?:[A-Z]{0,5}|[A-Z]{2,5}_\d{0,6})$")
"""The end of a text that may become a token."""

REMEMBERED = 4_000_000
"""Characters of text of which it is remembered what stands in them: of a conversation, only the new is looked at."""


class Redaction(StrEnum):
    """What is done: nothing, `[EMAIL]`, or `[EMAIL_1]`, which is put back in the answer."""

    OFF = "off"
    MASK = "mask"
    TOKENS = "tokens"


class RedactedModel:
    """`ports.Model` that never sees what `find` finds; the models that fit one of `trusted` see everything.

    Tokens are numbered as their values come in the conversation, the same value by the same token, so every turn of a
    run says the same of what was said before, and a provider's cache of it holds. In the answer's text and in the
    arguments of its tool calls they are put back, also where deltas cut them in two.
    """

    def __init__(self, inner: Model, find: Find, redaction: Redaction, trusted: Sequence[str] = ()) -> None:
        self._inner = inner
        self._find: _Remembering = _Remembering(find)
        self._redaction = redaction
        self._trusted = tuple(trusted)

    def stream(self, request: ModelRequest) -> AsyncIterator[ModelEvent]:
        """Answer as the inner model does."""
        if self._redaction is Redaction.OFF or any(fnmatchcase(request.model, name) for name in self._trusted):
            return self._inner.stream(request)
        return self._redacted(request)

    async def _redacted(self, request: ModelRequest) -> AsyncIterator[ModelEvent]:
        covers = _Tokens(_literal(request.messages)) if self._redaction is Redaction.TOKENS else _Masks()
        cover = _Cover(self._find, covers.of)
        asked = replace(request, messages=tuple(cover.message(message) for message in request.messages))
        back = _Back(covers.values, escaped=request.output_schema is not None)
        async with closing(self._inner.stream(asked)) as events:
            async for event in events:
                if isinstance(event, Reply):
                    if rest := back.flush():
                        yield TextDelta(rest)
                    yield back.reply(event)
                elif shown := back.delta(event.text):
                    yield TextDelta(shown)


def masking(find: Find) -> Callable[[str], str]:
    """What masks a text, for those who write down what was said."""
    return _Cover(find, _Masks().of).text


class _Masks:
    """Says of a value only what kind it is; nothing can be put back."""

    def __init__(self) -> None:
        self.values: dict[str, str] = {}

    def of(self, kind: str, value: str) -> str:
        del value
        return f"[{kind}]"


class _Tokens:
    """Gives each value a token of its own, none of those that stand in the conversation already."""

    def __init__(self, taken: frozenset[str]) -> None:
        self.values: dict[str, str] = {}
        self._taken = taken
        self._known: dict[str, str] = {}
        self._counts: dict[str, int] = {}

    def of(self, kind: str, value: str) -> str:
        """The token of a value."""
        if value not in self._known:
            token = self._next(kind)
            while token in self._taken:
                token = self._next(kind)
            self._known[value], self.values[token] = token, value
        return self._known[value]

    def _next(self, kind: str) -> str:
        self._counts[kind] = self._counts.get(kind, 0) + 1
        return f"[{kind}_{self._counts[kind]}]"


def _literal(messages: Iterable[Message]) -> frozenset[str]:
    """What looks like a token in the conversation and is none."""
    return frozenset(token for message in messages if "[" in message.text for token in TOKEN.findall(message.text))


@dataclass(frozen=True, slots=True)
class _Cover:
    """Replaces what is found, wherever text stands."""

    find: Find
    token: Callable[[str, str], str]

    def message(self, message: Message) -> Message:
        covered = replace(message, text=self.text(message.text))
        if isinstance(covered, UserMessage) and covered.data is not None:
            return replace(covered, data=_mapped(covered.data, self.text))
        if isinstance(covered, AssistantMessage) and covered.tool_calls:
            return replace(covered, tool_calls=tuple(_call(call, self.text) for call in covered.tool_calls))
        return covered

    def text(self, text: str) -> str:
        pieces: list[str] = []
        at = 0
        for one in self.find(text):
            pieces += (text[at : one.start], self.token(one.kind, text[one.start : one.end]))
            at = one.end
        return "".join([*pieces, text[at:]]) if pieces else text


class _Back:
    """Puts values back in what a model says; `escaped` where its text is JSON."""

    def __init__(self, values: Mapping[str, str], *, escaped: bool) -> None:
        self._values = values
        self._escaped = escaped
        self._held = ""

    def delta(self, text: str) -> str:
        """What can be shown now: a beginning that may become a token is held back."""
        if not self._values:
            return text
        text = self._held + text
        cut = PERHAPS.search(text)
        at = cut.start() if cut else len(text)
        self._held = text[at:]
        return self._text(text[:at], escaped=self._escaped)

    def flush(self) -> str:
        """What was held back and became nothing."""
        held, self._held = self._held, ""
        return held

    def reply(self, reply: Reply) -> Reply:
        """The whole answer."""
        if not self._values:
            return reply
        text = self._text(reply.text, escaped=self._escaped)
        return replace(reply, text=text, tool_calls=tuple(_call(call, self._plain) for call in reply.tool_calls))

    def _plain(self, text: str) -> str:
        return self._text(text, escaped=False)

    def _text(self, text: str, *, escaped: bool) -> str:
        def value(token: re.Match[str]) -> str:
            known = self._values.get(token[0], token[0])
            return json.dumps(known, ensure_ascii=False)[1:-1] if escaped else known

        return TOKEN.sub(value, text) if "[" in text else text


def _call(call: ToolCall, change: Callable[[str], str]) -> ToolCall:
    malformed = None if call.malformed is None else change(call.malformed)
    return replace(call, arguments=_mapped(call.arguments, change), malformed=malformed)


def _mapped(document: JsonObject, change: Callable[[str], str]) -> JsonObject:
    return cast("JsonObject", _changed(document, change))


def _changed(value: Json, change: Callable[[str], str]) -> Json:
    if isinstance(value, str):
        return change(value)
    if isinstance(value, list):
        return [_changed(each, change) for each in cast("list[Json]", value)]
    if isinstance(value, dict):
        return {name: _changed(each, change) for name, each in cast("JsonObject", value).items()}
    return value


class _Remembering:
    """Finds in a text once, as long as it is remembered."""

    def __init__(self, find: Find) -> None:
        self._find = find
        self._known: dict[str, Sequence[Found]] = {}
        self._size = 0

    def __call__(self, text: str) -> Sequence[Found]:
        found = self._known.get(text)
        if found is None:
            found = self._find(text)
            self._size += len(text)
            if self._size > REMEMBERED:
                self._known, self._size = {}, len(text)
            self._known[text] = found
        return found
