"""Conversations that become too long: what is left out, what stays, and that it is the same each time."""

from dataclasses import replace
from typing import Any

import pytest

from ripieno.domain.agents import AgentDefinition
from ripieno.domain.artifacts import ArtifactRef
from ripieno.domain.effects import EffectClass
from ripieno.domain.entries import EntryType
from ripieno.domain.messages import (
    AssistantMessage,
    Attachment,
    Message,
    Reply,
    SystemMessage,
    ToolMessage,
    UserMessage,
)
from ripieno.domain.runs import Limits, RunInput
from ripieno.domain.sessions import Exchange
from ripieno.domain.tools import ToolCall, ToolResult, ToolSpec, ToolStatus
from ripieno.domain.usage import Usage
from ripieno.engine.core import compaction, tokens
from ripieno.engine.core.agent_loop import Job, agent_loop
from ripieno.engine.core.commands import CallModel, Command
from ripieno.engine.core.compaction import KEPT_TURNS, SUMMARY, UNSUMMARISED, parted
from ripieno.engine.core.tokens import Gauge
from ripieno.testing.playbook import Playbook
from ripieno.tools.schemas import check

READ = ToolSpec("logs.read", "Reads.", {"type": "object"}, effect=EffectClass.READ)
GOAL = "Find out why disk 7 failed."
PAGE = "The quick brown fox jumps over the lazy dog again. " * 40  # about 440 tokens
HISTORY = tuple(Exchange(f"run_{n}", f"Question {n}?", PAGE) for n in range(3))


def job(window: int | None = 4000, **fields: Any) -> Job:
    definition = AgentDefinition.model_validate({"name": "clerk"})
    limits, task = Limits(max_turns=50), RunInput(GOAL, {"disk": 7})
    return Job(definition, task, "You look.", "m", limits, (READ,), window=window, **fields)


def turn(book: Playbook, n: int, result: ToolResult | str = PAGE, usage: Usage | None = None) -> CallModel:
    """One turn that reads; stops before a summary, if one is wanted."""
    asked = book.model_says(Reply("", (ToolCall(f"c{n}", "logs.read", {"page": n}),), usage or Usage()))
    book.tools_return(result)
    return asked


def until_full(book: Playbook) -> int:
    """Read until the conversation is to be made shorter."""
    for n in range(1, 40):
        turn(book, n)
        if book.wants(CallModel).key.endswith("/compact/1"):
            return n
    raise AssertionError("it never became full")


def size(asked: CallModel) -> int:
    return sum(map(tokens.of_message, asked.request.messages))


def paired(messages: tuple[Message, ...]) -> bool:
    """Whether each call has its result, and each result its call."""
    called = [call.id for message in messages if isinstance(message, AssistantMessage) for call in message.tool_calls]
    return called == [message.call_id for message in messages if isinstance(message, ToolMessage)]


def test_a_full_conversation_is_summed_up():
    book = Playbook(agent_loop(job(history=HISTORY), check))
    turns = until_full(book)
    asked = book.model_says(Reply("Page 1 says nothing.", usage=Usage(100, 20)))
    assert (asked.request.purpose, asked.request.tools) == ("compact", ())
    assert GOAL in asked.request.messages[1].text
    assert "[t1c0] of logs.read: The quick" in asked.request.messages[1].text
    note = book.notes()
    assert (note.type, note.key) == (EntryType.CONTEXT_COMPACTED, f"g1/turn/{turns + 1}/compacted/1")
    assert note.body["summarised"]
    assert note.body["tokens_after"] < note.body["tokens_before"] / 2
    request = book.wants(CallModel).request
    head, goal, summary, *rest = request.messages
    assert isinstance(head, SystemMessage)
    assert head.text.startswith("You look.")
    assert goal == UserMessage(GOAL, {"disk": 7})
    assert summary == UserMessage(f"{SUMMARY}Page 1 says nothing.")
    assert isinstance(rest[0], AssistantMessage)
    assert rest[-1] == ToolMessage(f"c{turns}", "logs.read", PAGE, f"t{turns}c0")
    assert paired(request.messages)
    book.model_says(Reply("It was old [t1c0]."))
    assert book.ended.usage == Usage(100, 20)
    assert len(book.ended.evidence) == turns


def test_it_goes_on_for_as_long_as_it_takes():
    book = Playbook(agent_loop(job(), check))
    summed_up = 0
    for n in range(1, 49):
        while book.wants(CallModel).request.purpose == "compact":
            book.model_says(Reply(f"Summary {n}."))
            book.notes()
            summed_up += 1
        request = book.wants(CallModel).request
        assert paired(request.messages)
        assert size(book.wants(CallModel)) < 4000
        assert UserMessage(GOAL, {"disk": 7}) in request.messages
        turn(book, n)
    assert summed_up > 5


def play() -> list[Command]:
    """The commands of one run, up to the one after its summary."""
    book, seen = Playbook(agent_loop(job(), check)), list[Command]()
    until_full(book)
    seen.append(book.model_says(Reply("Summary.")))
    seen.append(book.notes())
    return [*seen, book.wants(CallModel)]


def test_a_replay_asks_the_very_same():
    assert play() == play()


def test_without_a_window_it_is_made_shorter_when_the_provider_says_so():
    book = Playbook(agent_loop(job(None), check))
    for n in range(1, 9):
        turn(book, n)
    refused = book.model_fails("context_exceeded", "too long")
    asked = book.model_says(Reply("Summary."))
    assert asked.key == "g1/turn/9/compact/2"
    assert book.notes().body["window"] is None
    again = book.wants(CallModel)
    assert again.key == f"{refused.key}/again"
    assert (
        sum(map(tokens.of_message, again.request.messages)) < sum(map(tokens.of_message, refused.request.messages)) / 2
    )
    book.model_fails("context_exceeded", "too long")
    assert book.failed_with() == "context_exceeded"


def test_without_a_summary_something_is_left():
    book = Playbook(agent_loop(job(), check))
    until_full(book)
    book.model_fails()
    assert not book.notes().body["summarised"]
    summary = book.wants(CallModel).request.messages[2]
    assert summary.text.startswith(UNSUMMARISED)
    assert "logs.read" in summary.text


def test_old_results_are_left_out_first():
    book, kept = Playbook(agent_loop(job(8000), check)), ArtifactRef("art_1", "log.txt", "text/plain", 9000)
    whole = ToolResult(ToolStatus.OK, PAGE * 6, artifacts=(kept,))
    for n in (1, 2):
        turn(book, n, whole)
    for n, text in enumerate(("short", "short", "short", PAGE * 3), 3):
        turn(book, n, text)
    note = book.notes()
    assert not note.body["summarised"]
    results = [message.text for message in book.wants(CallModel).request.messages if isinstance(message, ToolMessage)]
    assert "left out to save room" in results[0]
    assert results[0].endswith("search it with artifact.search {id, text}]")
    assert "artifact art_1: log.txt" in results[0]
    assert results[2:] == ["short", "short", "short", PAGE * 3]


def test_one_turn_that_is_too_long_is_cut():
    book = Playbook(agent_loop(job(), check))
    turn(book, 1, PAGE * 20)
    assert not book.notes().body["summarised"]
    (result,) = [message for message in book.wants(CallModel).request.messages if isinstance(message, ToolMessage)]
    assert len(result.text) < 4500
    assert result.evidence_id == "t1c0"


def test_what_providers_count_corrects_the_estimate():
    dense = Playbook(agent_loop(job(), check))
    turn(dense, 1, usage=Usage(10**6))
    sparse = Playbook(agent_loop(job(), check))
    turn(sparse, 1, usage=Usage(1))
    counts = [0, 0]
    for at, book in enumerate((dense, sparse)):
        while book.wants(CallModel).request.purpose != "compact":
            counts[at] += 1
            turn(book, counts[at] + 1)
    assert counts[0] < counts[1] / 3


def test_a_gauge_keeps_within_reason():
    gauge = Gauge()
    assert gauge.corrected(100) == 100
    gauge.learn(100, 0)
    gauge.learn(0, 100)
    assert gauge.corrected(100) == 100
    gauge.learn(100, 150)
    assert (gauge.corrected(100), gauge.uncorrected(150)) == (150, 100)
    gauge.learn(100, 10_000)
    assert gauge.corrected(100) == 300


@pytest.mark.parametrize(
    ("text", "count"),
    [
        ("", 0),
        ("hello world", 2),
        ("12345", 2),
        ("internationalisation", 3),
        ("{}[]", 2),
        ("\u043f\u0440\u0438\u0432\u0435\u0442", 2),
        ("\u4e2d\u6587", 2),
        ("a\n\n  b", 3),
    ],
)
def test_pieces(text: str, count: int):
    assert tokens.of_text(text) == count


def test_everything_in_a_message_counts():
    bare = tokens.of_message(UserMessage("hello"))
    assert tokens.of_message(UserMessage("hello", {"a": "b"})) > bare
    assert tokens.of_message(UserMessage("hello", attachments=(Attachment("image/png", "a.png"),))) > bare + 1000
    call = ToolCall("1", "logs.read", {"page": 1})
    assert tokens.of_message(AssistantMessage("hello", (call,))) > bare
    assert tokens.of_tools((READ,), {"type": "object"}) > tokens.of_tools((READ,), None) > 0


def test_the_last_turns_stay_as_far_as_there_is_room():
    goal = UserMessage(GOAL)
    rounds: list[Message] = [SystemMessage("be kind"), UserMessage("before"), AssistantMessage("yes"), goal]
    for n in range(8):
        rounds += [AssistantMessage("", (ToolCall(str(n), "t", {}),)), ToolMessage(str(n), "t", PAGE)]
    wide, narrow = parted(rounds, goal, 10**6), parted(rounds, goal, 1)
    assert (len(wide.tail), len(narrow.tail)) == (2 * KEPT_TURNS, 2)
    assert wide.head == (SystemMessage("be kind"), goal)
    assert wide.old[:2] == (UserMessage("before"), AssistantMessage("yes"))
    assert [*wide.head[1:], *wide.old[2:], *wide.tail] == rounds[3:]
    alone = parted(rounds[:4], goal, 10**6)
    assert (alone.old, alone.tail) == (tuple(rounds[1:3]), ())


def test_a_summary_is_asked_for_within_its_room():
    goal = UserMessage(GOAL)
    parts = parted([goal, *(AssistantMessage(PAGE) for _ in range(50)), AssistantMessage("last")], goal, 1)
    first = Playbook(agent_loop(job(), check)).wants(CallModel).request
    asked = compaction.asks_for_summary(parts, first, 1000)
    assert tokens.of_text(asked.messages[1].text) < 1200
    assert asked.fingerprint != compaction.asks_for_summary(replace(parts, old=parts.old[:1]), first, 1000).fingerprint
