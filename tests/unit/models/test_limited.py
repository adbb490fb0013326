"""Models that are asked no faster than their provider allows."""

import asyncio

import pytest

from ripieno.domain.errors import ModelUnavailable, RateLimited
from ripieno.domain.messages import ModelRequest, Reply, UserMessage
from ripieno.domain.tools import ToolSpec
from ripieno.domain.usage import Usage
from ripieno.governance.limiting import LocalLimiter
from ripieno.models.limited import HeededModel, LimitedModel, ModelLimit, tokens_sent
from ripieno.models.retried import RetriedModel
from ripieno.ports import Model
from ripieno.testing.fake_clock import FakeClock
from ripieno.testing.scripted_model import ONE_CALL, ScriptedModel, says


def asked(text: str = "hello", model: str = "openai:x", timeout: float = 120.0) -> ModelRequest:
    return ModelRequest(model, (UserMessage(text),), timeout=timeout)


async def answer(model: Model, request: ModelRequest) -> str:
    replies = [event async for event in model.stream(request) if isinstance(event, Reply)]
    return replies[0].text


def limited(inner: Model, clock: FakeClock, **limits: ModelLimit) -> LimitedModel:
    named = {name.replace("_", ":") + "*": limit for name, limit in limits.items()}
    return LimitedModel(inner, named, LocalLimiter(clock), clock)


def echoing(usage: Usage = ONE_CALL) -> ScriptedModel:
    return ScriptedModel(lambda request: says(request.messages[0].text, usage))


async def test_the_third_request_waits_for_its_minute_and_each_model_counts_alone():
    clock, inner = FakeClock(), echoing()
    model = limited(inner, clock, openai=ModelLimit(rpm=2))
    for _ in range(2):
        await answer(model, asked())
    async with asyncio.TaskGroup() as group:
        third = group.create_task(answer(model, asked()))
        await clock.sleepers()
        assert await answer(model, asked(model="openai:other")) == "hello"
        assert await answer(model, asked(model="ollama:free")) == "hello"
        assert len(inner.requests) == 4
        clock.advance(90)
    assert third.result() == "hello"
    assert inner.requests[-1].timeout == pytest.approx(30)


async def test_who_came_first_goes_first():
    clock, inner = FakeClock(), echoing()
    model = limited(inner, clock, openai=ModelLimit(rpm=1))
    await answer(model, asked())
    async with asyncio.TaskGroup() as group:
        for name in ("a", "b", "c"):
            group.create_task(answer(model, asked(name, timeout=1_000)))
        for _ in range(3):
            await clock.sleepers()
            clock.advance(121)
    assert [request.messages[0].text for request in inner.requests] == ["hello", "a", "b", "c"]


async def test_a_wait_that_does_not_fit_fails_at_once_and_is_no_fault_of_the_model():
    clock, inner = FakeClock(), echoing()
    model = limited(inner, clock, openai=ModelLimit(rpm=1))
    await answer(model, asked())
    with pytest.raises(RateLimited, match="openai:x is at its limit") as caught:
        await answer(model, asked(timeout=10))
    assert not isinstance(caught.value, ModelUnavailable)
    assert caught.value.retry_after is not None
    assert 59 < caught.value.retry_after < 121
    assert len(inner.requests) == 1


async def test_tokens_are_counted_as_sent_and_corrected_by_what_was_used():
    clock = FakeClock()
    model = limited(echoing(Usage(input_tokens=20, output_tokens=75, calls=1)), clock, openai=ModelLimit(tpm=100))
    await answer(model, asked("x" * 40))
    with pytest.raises(RateLimited):
        await answer(model, asked("x" * 40, timeout=1))
    assert await answer(model, asked("x" * 16, timeout=1))


async def test_no_more_calls_at_once_than_allowed():
    clock, go = FakeClock(), asyncio.Event()

    async def slow(request: ModelRequest) -> Reply:
        await go.wait()
        return says(request.messages[0].text)

    inner = ScriptedModel(slow)
    model = limited(inner, clock, openai=ModelLimit(concurrent=2))
    async with asyncio.TaskGroup() as group:
        tasks = [group.create_task(answer(model, asked(str(number)))) for number in range(5)]
        while len(inner.requests) < 2:
            await asyncio.sleep(0)
        with pytest.raises(RateLimited, match="2 at once"):
            await answer(model, asked(timeout=0.01))
        assert len(inner.requests) == 2
        go.set()
    assert [task.result() for task in tasks] == ["0", "1", "2", "3", "4"]


async def test_what_a_provider_asks_of_one_holds_for_all():
    clock = FakeClock()
    limiter = LocalLimiter(clock)
    inner = ScriptedModel([ModelUnavailable("429", retry_after=20), says("at last"), says("me too")])

    def worker() -> Model:
        return LimitedModel(RetriedModel(HeededModel(inner, limiter), clock, 3), {}, limiter, clock)

    async with asyncio.TaskGroup() as group:
        first = group.create_task(answer(worker(), asked()))
        await clock.sleepers()
        second = group.create_task(answer(worker(), asked()))
        await clock.sleepers(2)
        assert len(inner.requests) == 1
        with pytest.raises(RateLimited):
            await answer(worker(), asked(timeout=5))
        clock.advance(25)
    assert {first.result(), second.result()} == {"at last", "me too"}


async def test_an_error_without_a_time_slows_nobody():
    clock = FakeClock()
    limiter = LocalLimiter(clock)
    with pytest.raises(ModelUnavailable):
        await answer(HeededModel(ScriptedModel([ModelUnavailable("500")]), limiter), asked())
    assert await limiter.acquire("model:openai:x", []) is None


def test_tools_are_sent_too():
    tool = ToolSpec("a.b", "does", {"type": "object"})
    with_tool = ModelRequest("m", (UserMessage("hello"),), tools=(tool,))
    assert tokens_sent(with_tool) > tokens_sent(asked())
