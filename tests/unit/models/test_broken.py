"""A failing model is left alone, and found again."""

from datetime import timedelta

import pytest

from ripieno.domain.breakers import BreakerRules
from ripieno.domain.errors import ModelRefused, ModelUnavailable
from ripieno.domain.messages import ModelRequest, Reply, UserMessage
from ripieno.models.broken import BrokenModel
from ripieno.testing.fake_clock import FakeClock
from ripieno.testing.memory_breakers import MemoryBreakers
from ripieno.testing.scripted_model import ScriptedModel, says

RULES = BreakerRules(failures=2, first_rest=timedelta(seconds=10))


def asked(model: str = "openai:x") -> ModelRequest:
    return ModelRequest(model, (UserMessage("hello"),))


async def answer(model: BrokenModel, request: ModelRequest) -> str:
    replies = [event async for event in model.stream(request) if isinstance(event, Reply)]
    return replies[0].text


async def test_it_is_asked_no_more_until_its_rest_is_over():
    clock = FakeClock()
    inner = ScriptedModel([ModelUnavailable("503"), ModelUnavailable("503"), says("back"), says("again")])
    model = BrokenModel(inner, MemoryBreakers(clock, RULES))
    for _ in range(2):
        with pytest.raises(ModelUnavailable, match="503"):
            await answer(model, asked())
    with pytest.raises(ModelUnavailable, match="left alone") as caught:
        await answer(model, asked())
    assert caught.value.retry_after == 10
    clock.advance(10)
    assert await answer(model, asked()) == "back"
    assert await answer(model, asked()) == "again"


async def test_a_refusal_is_an_answer():
    inner = ScriptedModel([*[ModelRefused("401")] * 3, says("fine")])
    model = BrokenModel(inner, MemoryBreakers(FakeClock(), RULES))
    for _ in range(3):
        with pytest.raises(ModelRefused):
            await answer(model, asked())
    assert await answer(model, asked()) == "fine"


async def test_each_model_has_its_own():
    inner = ScriptedModel([ModelUnavailable("503"), ModelUnavailable("503"), says("fine")])
    model = BrokenModel(inner, MemoryBreakers(FakeClock(), RULES))
    for _ in range(2):
        with pytest.raises(ModelUnavailable):
            await answer(model, asked())
    assert await answer(model, asked("openai:y")) == "fine"
