"""What is told of calls of models."""

from collections.abc import AsyncGenerator
from typing import Any, cast

from ripieno.domain.errors import ModelUnavailable
from ripieno.domain.messages import ModelRequest, Reply, TextDelta, UserMessage
from ripieno.domain.operations import Operation
from ripieno.domain.usage import Usage
from ripieno.models.recorded import RecordedModel, Recording
from ripieno.testing.fake_clock import FakeClock
from ripieno.testing.scripted_model import ScriptedModel

LABELS = {"tenant": "acme", "agent": "clerk", "session": "ses_1", "run": "run_1"}
REPLY = Reply(
    "hello", usage=Usage(input_tokens=3, output_tokens=2, cost_usd=0.5), model="openai:gpt-x-1", provider="openai"
)


def masked(text: str) -> str:
    return text.replace("ann@mail.test", "[EMAIL]")


async def told(reply: Any, **fields: Any) -> tuple[Operation, BaseException | None]:
    """The operation that is told when a model answers so, and what it raised."""
    found: list[Operation] = []
    clean = fields.pop("clean", None)
    model = RecordedModel(ScriptedModel([reply]), Recording(found.append, FakeClock(), clean))
    request = ModelRequest("openai:gpt-x", (UserMessage("hi ann@mail.test"),), labels=LABELS, **fields)
    failure: BaseException | None = None
    try:
        async for _ in model.stream(request):
            pass
    except ModelUnavailable as error:
        failure = error
    (operation,) = found
    return operation, failure


async def test_an_answer_is_told_in_the_words_of_the_conventions():
    operation, _ = await told(REPLY, temperature=0.2)
    assert (operation.name, operation.subject, operation.run_id, operation.error) == ("chat", "gpt-x", "run_1", None)
    facts = operation.facts
    assert facts["gen_ai.provider.name"] == "openai"
    assert (facts["gen_ai.request.model"], facts["gen_ai.request.temperature"]) == ("gpt-x", 0.2)
    assert (facts["gen_ai.conversation.id"], facts["gen_ai.agent.name"]) == ("ses_1", "clerk")
    assert facts["gen_ai.response.finish_reasons"] == ("stop",)
    assert (facts["ripieno.tenant"], facts["ripieno.usage.cost_usd"]) == ("acme", 0.5)
    assert operation.tokens == {"input": 3, "output": 2}


async def test_what_was_said_is_told_only_if_wanted_and_cleaned():
    operation, _ = await told(REPLY)
    assert not [name for name in operation.facts if name.endswith("messages")]
    operation, _ = await told(REPLY, clean=masked)
    assert "hi [EMAIL]" in str(operation.facts["gen_ai.input.messages"])
    assert "hello" in str(operation.facts["gen_ai.output.messages"])


async def test_a_failure_is_told_and_goes_on():
    operation, failure = await told(ModelUnavailable("away"))
    assert isinstance(failure, ModelUnavailable)
    assert (operation.error, operation.tokens) == (ModelUnavailable.code, {})


async def test_who_stops_listening_is_told_as_cancelled():
    found: list[Operation] = []
    model = RecordedModel(ScriptedModel([REPLY]), Recording(found.append, FakeClock()))
    events = cast("AsyncGenerator[Any]", model.stream(ModelRequest("openai:gpt-x", (UserMessage("hi"),))))
    assert isinstance(await anext(events), TextDelta)
    await events.aclose()
    assert [operation.error for operation in found] == ["cancelled"]
