"""What a model asks for in words, and what is no way of asking."""

import json

import pytest

from ripieno.domain.jsons import JsonObject
from ripieno.domain.messages import Reply
from ripieno.domain.tools import ToolSpec
from ripieno.models.wished import Unreadable, read

TOOLS = (ToolSpec("net.ping", "Ping.", {"type": "object"}), ToolSpec("system.cpu", "Load.", {"type": "object"}))
PING: JsonObject = {"name": "net.ping", "arguments": {"host": "a"}}


def wishes(text: str) -> list[tuple[str, JsonObject]]:
    return [(call.name, call.arguments) for call in read(Reply(text), TOOLS, 3).tool_calls]


@pytest.mark.parametrize(
    "text",
    [
        json.dumps({"tool_calls": [PING, {"name": "system.cpu"}]}),
        json.dumps({"thought": "why", "tool_calls": [PING, {"name": "system__cpu", "arguments": {}}]}, indent=1),
        "```json\n" + json.dumps({"tool_calls": [PING, {"name": "system.cpu"}]}) + "\n```",
        'THOUGHT: why\nACTION: net.ping\nACTION INPUT: {"host": "a"}\nACTION: system.cpu\nACTION INPUT: {}',
        'Thought: why\nAction: net.ping\nAction Input: {"host": "a"}\nAction: system.cpu\nACTION_INPUT: {}',
        'ACTION: net__ping\nACTION INPUT:\n```json\n{"host": "a"}\n```\n ACTION: system.cpu\nACTION INPUT: {\n}\n',
    ],
)
def test_tools_are_asked_for_as_json_or_line_by_line(text: str):
    assert wishes(text) == [("net.ping", {"host": "a"}), ("system.cpu", {})]


def test_calls_have_ids_of_their_own_and_the_thought_beside_them():
    reply = read(Reply(json.dumps({"thought": "why", "tool_calls": [PING, PING]})), TOOLS, 3)
    assert [call.id for call in reply.tool_calls] == ["call_3_0", "call_3_1"]
    assert (reply.text, reply.finish_reason) == ("why", "tool_calls")
    assert read(Reply("THOUGHT: a\nTHOUGHT: b\nACTION: net.ping\nACTION INPUT: {}"), TOOLS, 3).text == "a b"


@pytest.mark.parametrize(
    ("text", "answer"),
    [
        (" It is 3. ", "It is 3."),
        ("THOUGHT: I know.\nFINAL ANSWER: It is 3.\nACTION: none", "It is 3.\nACTION: none"),
        ('FINAL ANSWER: {"a": 1}', '{"a": 1}'),
        ("Thought: I know.\nFinal Answer: It is 3.", "It is 3."),
        ("The action: none was needed.", "The action: none was needed."),
        ('{"a": 1}', '{"a": 1}'),
        ("[1, 2]", "[1, 2]"),
    ],
)
def test_the_answer_is_what_is_no_call(text: str, answer: str):
    reply = read(Reply(text), TOOLS, 3)
    assert (reply.text, reply.tool_calls, reply.finish_reason) == (answer, (), "stop")


@pytest.mark.parametrize(
    ("text", "why"),
    [
        (" ", "empty"),
        ('I call: {"tool_calls": []}', "nothing before or after"),
        ('{"tool_calls": [', "one whole JSON object"),
        ('{"tool_calls": []}', "at least one"),
        ('{"tool_calls": {}}', "must be a list"),
        ('{"tool_calls": [3]}', "each call must be"),
        ('{"tool_calls": [{"name": "net.ping", "args": {}}]}', "each call must be"),
        ('{"tool_calls": [{"name": 3}]}', "must be text"),
        ('{"tool_calls": [{"name": "net.ping", "arguments": "a"}]}', "an object"),
        ('{"tool_calls": [{"name": "net.pong"}]}', "no tool 'net.pong'; there are net.ping, system.cpu"),
        ('{"tool_calls": [{"name": "net.ping"}], "note": 1}', "'note' has no meaning"),
        ('{"tool_calls": [{"name": "net.ping"}], "thought": 1}', "thought must be text"),
        ("Well.\nACTION: net.ping\nACTION INPUT: {}", "nothing may stand before ACTION"),
        ("ACTION: net.ping", "needs its ACTION INPUT"),
        ("ACTION INPUT: {}", "needs its ACTION INPUT"),
        ("THOUGHT: hm", "or a FINAL ANSWER"),
        ("ACTION: net.ping\nACTION INPUT: host=a", "is no JSON"),
        ("ACTION: net.ping\nACTION INPUT: [1]", "must be a JSON object"),
        ("ACTION: net.ping\nACTION INPUT: " + "[" * 200_000, "is no JSON"),
        ("ACTION: net.pong\nACTION INPUT: {}", "no tool 'net.pong'"),
        ("ACTION: net.ping\nACTION INPUT: {}\nOBSERVATION: 3 ms", "needs its ACTION INPUT"),
        ("ACTION: net.ping\nACTION INPUT: {}\nOBSERVATION: 3 ms\nFINAL ANSWER: 3 ms", "cannot come together"),
        ("FINAL ANSWER: ", "is empty"),
    ],
)
def test_what_keeps_to_no_form_is_told_why(text: str, why: str):
    with pytest.raises(Unreadable, match=why):
        read(Reply(text), TOOLS, 3)
