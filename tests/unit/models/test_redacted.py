"""Models that do not see what is nobody's business, and answers that read as if they had."""

from collections.abc import AsyncIterator, Sequence
from dataclasses import replace

import pytest

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
from ripieno.domain.tools import ToolCall
from ripieno.governance.personal_data import Finder
from ripieno.models import redacted
from ripieno.models.redacted import RedactedModel, Redaction
from ripieno.testing.scripted_model import ScriptedModel, calls, says

ADA, BOB = "ada@example.org", "bob@example.org"
TURN = (SystemMessage("You help."), UserMessage(f"Tell {ADA} and {BOB}, then {ADA} again."))


class Spelling:
    """A model that gives its text letter by letter."""

    def __init__(self, text: str) -> None:
        self._text = text

    async def stream(self, request: ModelRequest) -> AsyncIterator[ModelEvent]:
        del request
        for letter in self._text:
            yield TextDelta(letter)
        yield Reply(self._text)


async def asked(
    inner: ScriptedModel | Spelling,
    messages: Sequence[Message],
    redaction: Redaction = Redaction.TOKENS,
    **more: object,
) -> tuple[str, Reply]:
    model = RedactedModel(inner, Finder(), redaction, ("ollama:*",))
    request = ModelRequest("openai:x", tuple(messages), **more)  # pyright: ignore[reportArgumentType]
    events = [event async for event in model.stream(request)]
    reply = events[-1]
    assert isinstance(reply, Reply)
    return "".join(event.text for event in events if isinstance(event, TextDelta)), reply


async def test_values_go_as_tokens_and_come_back_in_text_and_arguments():
    inner = ScriptedModel([calls(("mail.send", {"to": ["[EMAIL_2]"], "n": 1}), text="I write to [EMAIL_2].")])
    shown, reply = await asked(inner, TURN)
    assert inner.requests[0].messages[1].text == "Tell [EMAIL_1] and [EMAIL_2], then [EMAIL_1] again."
    assert shown == reply.text == f"I write to {BOB}."
    assert reply.tool_calls[0].arguments == {"to": [BOB], "n": 1}


async def test_a_later_turn_says_the_same_of_what_was_said_before():
    call = ToolCall("c1", "mail.send", {"to": BOB}, malformed=f"<{BOB}>")
    later = (
        *TURN,
        AssistantMessage(f"I write to {BOB}.", (call,)),
        ToolMessage("c1", "mail.send", "sent, copy to eve@example.org"),
    )
    inner = ScriptedModel([says("a"), says("b")])
    await asked(inner, TURN)
    await asked(inner, later)
    first, second = inner.requests
    assert second.messages[:2] == first.messages
    said = second.messages[2]
    assert isinstance(said, AssistantMessage)
    assert said.text == "I write to [EMAIL_2]."
    assert (said.tool_calls[0].arguments, said.tool_calls[0].malformed) == ({"to": "[EMAIL_2]"}, "<[EMAIL_2]>")
    assert second.messages[3].text == "sent, copy to [EMAIL_3]"


@pytest.mark.parametrize(
    ("said", "shown"),
    [
        ("to [EMAIL_1].", f"to {ADA}."),
        ("[EMAIL_1][EMAIL_2]", f"{ADA}{BOB}"),
        ("no [EMAIL_9] there, [EMAIL_", "no [EMAIL_9] there, [EMAIL_"),
        ("a[0] = [x, [EMAIL_1", "a[0] = [x, [EMAIL_1"),
    ],
)
async def test_tokens_that_deltas_cut_are_put_back(said: str, shown: str):
    streamed, reply = await asked(Spelling(said), TURN)
    assert streamed == reply.text == shown


async def test_a_mask_stays_and_nothing_is_put_back():
    inner = ScriptedModel([says("to [EMAIL]")])
    shown, reply = await asked(inner, TURN, Redaction.MASK)
    assert inner.requests[0].messages[1].text == "Tell [EMAIL] and [EMAIL], then [EMAIL] again."
    assert shown == reply.text == "to [EMAIL]"


async def test_what_looks_like_a_token_in_the_conversation_is_not_taken_for_one():
    inner = ScriptedModel([says("[EMAIL_1] is [EMAIL_2]")])
    _, reply = await asked(inner, [UserMessage(f"[EMAIL_1] or {ADA}?")])
    assert inner.requests[0].messages[0].text == "[EMAIL_1] or [EMAIL_2]?"
    assert reply.text == f"[EMAIL_1] is {ADA}"


async def test_where_nothing_is_found_nothing_is_held_back():
    shown, reply = await asked(Spelling("see [EMAIL_1"), [UserMessage("hello")])
    assert shown == reply.text == "see [EMAIL_1"


async def test_data_beside_a_message_is_covered_too():
    inner = ScriptedModel([says("ok")])
    await asked(inner, [UserMessage("see", {"who": [ADA, 3, None], "in": {"mail": BOB}})])
    message = inner.requests[0].messages[0]
    assert isinstance(message, UserMessage)
    assert message.data == {"who": ["[EMAIL_1]", 3, None], "in": {"mail": "[EMAIL_2]"}}


async def test_in_an_answer_that_is_json_values_are_escaped():
    key = "-----BEGIN PRIVATE KEY-----\nMIIE\n-----END PRIVATE KEY-----"
    inner = ScriptedModel([says('{"key": "[KEY_1]"}')])
    _, reply = await asked(inner, [UserMessage(key)], output_schema={"type": "object"})
    assert reply.text == '{"key": "-----BEGIN PRIVATE KEY-----\\nMIIE\\n-----END PRIVATE KEY-----"}'


@pytest.mark.parametrize(("model", "redaction"), [("ollama:x", Redaction.TOKENS), ("openai:x", Redaction.OFF)])
async def test_trusted_models_see_everything(model: str, redaction: Redaction):
    inner = ScriptedModel([says("ok")])
    ring = RedactedModel(inner, Finder(), redaction, ("ollama:*",))
    request = ModelRequest(model, TURN)
    assert [event async for event in ring.stream(request)]
    assert inner.requests == [request]


async def test_a_text_is_looked_at_once(monkeypatch: pytest.MonkeyPatch):
    looked: list[str] = []

    def find(text: str) -> Sequence[redacted.Found]:
        looked.append(text)
        return ()

    ring = RedactedModel(ScriptedModel([says("a"), says("b"), says("c")]), find, Redaction.TOKENS)
    request = ModelRequest("openai:x", TURN)
    for _ in range(2):
        assert [event async for event in ring.stream(request)]
    assert looked == [message.text for message in TURN]
    monkeypatch.setattr(redacted, "REMEMBERED", 10)
    assert [event async for event in ring.stream(replace(request, messages=(UserMessage("much that is new"),)))]
    assert list(ring._find._known) == ["much that is new"]
