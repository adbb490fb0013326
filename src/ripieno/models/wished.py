"""Reading which tools a model asks for in words; strict, so that no guess becomes an action."""

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from typing import cast

from ripieno.domain.jsons import Json, JsonObject
from ripieno.domain.messages import Reply
from ripieno.domain.tools import ToolCall, ToolSpec

_FENCE = re.compile(r"^```(?:json)?[ \t]*\n(.*)\n```$", re.DOTALL)
_MARK = re.compile(
    r"^[ \t]*(THOUGHT|ACTION[ _]INPUT|ACTION|OBSERVATION|FINAL ANSWER"
    r"|Thought|Action Input|Action|Observation|Final Answer):[ \t]*",
    re.MULTILINE,
)
"""What a line of the textual form begins with: as models are told, or as those write it that were taught so."""

_MEMBERS = frozenset({"thought", "tool_calls"})

Wish = tuple[str, JsonObject]


class Unreadable(Exception):
    """The text keeps to no form; the message tells a model why."""


def read(reply: Reply, tools: Sequence[ToolSpec], turn: int) -> Reply:
    """The reply with the calls that its text asks for, or with its answer alone.

    A text in no form at all is an answer. `turn` tells the calls of one conversation apart.

    Raises:
        Unreadable: It is neither a call nor an answer.
    """
    text = reply.text.strip()
    if not text:
        raise Unreadable("it is empty")
    names = {name: tool.name for tool in tools for name in (tool.name, tool.wire_name)}
    document = _document(text)
    if document is not None and "tool_calls" in document:
        return _calling(reply, _thought(document), list(_listed(document)), names, turn)
    if document is None and '"tool_calls"' in text:
        raise Unreadable("tool_calls must stand in one whole JSON object with nothing before or after it")
    if document is not None or not _MARK.search(text):
        return replace(reply, text=text)
    parts = _parts(text)
    marks = [mark for mark, _ in parts]
    if "FINAL ANSWER" in marks:
        return replace(reply, text=_answer(parts))
    thought = " ".join(said for mark, said in parts if mark == "THOUGHT")
    return _calling(reply, thought, list(_acted(parts)), names, turn)


def _calling(reply: Reply, thought: str, wishes: Sequence[Wish], names: Mapping[str, str], turn: int) -> Reply:
    if unknown := [name for name, _ in wishes if name not in names]:
        raise Unreadable(f"there is no tool {unknown[0]!r}; there are {', '.join(sorted(set(names.values())))}")
    calls = (ToolCall(f"call_{turn}_{index}", names[name], arguments) for index, (name, arguments) in enumerate(wishes))
    return replace(reply, text=thought, tool_calls=tuple(calls), finish_reason="tool_calls")


def _document(text: str) -> JsonObject | None:
    fenced = _FENCE.match(text)
    try:
        found: object = json.loads(fenced[1] if fenced else text)
    except (ValueError, RecursionError):
        return None
    return cast("JsonObject", found) if isinstance(found, dict) else None


def _thought(document: JsonObject) -> str:
    thought = document.get("thought", "")
    if strange := sorted(document.keys() - _MEMBERS):
        raise Unreadable(f"beside tool_calls, {strange[0]!r} has no meaning")
    if not isinstance(thought, str):
        raise Unreadable("thought must be text")
    return thought


def _listed(document: JsonObject) -> Iterator[Wish]:
    wishes = document["tool_calls"]
    if not isinstance(wishes, list) or not wishes:
        raise Unreadable("tool_calls must be a list with at least one call")
    for wish in cast("list[Json]", wishes):
        if not isinstance(wish, dict) or not wish.keys() <= {"name", "arguments"}:
            raise Unreadable('each call must be {"name": …, "arguments": {…}}')
        call = cast("JsonObject", wish)
        name, arguments = call.get("name"), call.get("arguments", {})
        if not isinstance(name, str) or not isinstance(arguments, dict):
            raise Unreadable("the name of a call must be text, its arguments an object")
        yield name, cast("JsonObject", arguments)


def _parts(text: str) -> list[tuple[str, str]]:
    """The marked parts of a text; what follows FINAL ANSWER belongs to it, whatever it looks like."""
    found = list(_MARK.finditer(text))
    if text[: found[0].start()].strip():
        raise Unreadable(f"nothing may stand before {found[0][1]}")
    last = next((at for at, mark in enumerate(found) if _name(mark) == "FINAL ANSWER"), len(found))
    found = found[: last + 1]
    ends = [mark.start() for mark in found[1:]] + [len(text)]
    return [(_name(mark), text[mark.end() : end].strip()) for mark, end in zip(found, ends, strict=True)]


def _name(mark: re.Match[str]) -> str:
    return mark[1].upper().replace("_", " ")


def _answer(parts: Sequence[tuple[str, str]]) -> str:
    if any(mark not in {"THOUGHT", "FINAL ANSWER"} for mark, _ in parts):
        raise Unreadable("a FINAL ANSWER cannot come together with an ACTION or an OBSERVATION")
    if not parts[-1][1]:
        raise Unreadable("the FINAL ANSWER is empty")
    return parts[-1][1]


def _acted(parts: Sequence[tuple[str, str]]) -> Iterator[Wish]:
    steps = [part for part in parts if part[0] != "THOUGHT"]
    if [mark for mark, _ in steps] != ["ACTION", "ACTION INPUT"] * (len(steps) // 2) or not steps:
        raise Unreadable("each ACTION needs its ACTION INPUT after it, and there must be one or a FINAL ANSWER")
    for (_, name), (_, given) in zip(steps[::2], steps[1::2], strict=True):
        yield name, _input(name, given)


def _input(name: str, given: str) -> JsonObject:
    fenced = _FENCE.match(given)
    try:
        arguments: Json = json.loads(fenced[1] if fenced else given)
    except (ValueError, RecursionError) as error:
        raise Unreadable(f"the ACTION INPUT of {name} is no JSON: {error}") from None
    if not isinstance(arguments, dict):
        raise Unreadable(f"the ACTION INPUT of {name} must be a JSON object")
    return cast("JsonObject", arguments)
