"""Retries: which failures, how long between them, and what the reader sees of them."""

from collections.abc import AsyncGenerator, AsyncIterator

import pytest

from ripieno.domain.errors import ModelRefused, ModelUnavailable
from ripieno.domain.messages import ModelEvent, ModelRequest, Reply, TextDelta, UserMessage
from ripieno.models.retried import RetriedModel
from ripieno.ports import Model
from ripieno.testing.fake_clock import FakeClock
from ripieno.testing.scripted_model import ScriptedModel, says

REQUEST = ModelRequest("scripted:one", (UserMessage("go"),), timeout=60)


class SkippingClock(FakeClock):
    """Sleeps by moving on, and remembers how long."""

    def __init__(self) -> None:
        super().__init__()
        self.waits: list[float] = []

    async def sleep(self, seconds: float) -> None:
        self.waits.append(seconds)
        self.advance(seconds)


class BrokenOff:
    """Plays lists of events, one an attempt; an exception among them breaks the stream off there."""

    def __init__(self, *attempts: list[ModelEvent | Exception]) -> None:
        self._attempts = iter(attempts)
        self.ended = 0

    async def stream(self, request: ModelRequest) -> AsyncIterator[ModelEvent]:
        assert request.timeout > 0
        try:
            for event in next(self._attempts):
                if isinstance(event, Exception):
                    raise event
                yield event
        finally:
            self.ended += 1


async def run(
    model: Model, clock: SkippingClock, request: ModelRequest = REQUEST, *, attempts: int = 4, jitter: float = 0.0
) -> list[ModelEvent]:
    retried = RetriedModel(model, clock, attempts, jitter=lambda: jitter)
    return [event async for event in retried.stream(request)]


async def test_an_unavailable_model_is_tried_again_with_growing_waits():
    clock = SkippingClock()
    busy = ModelUnavailable("busy")
    model = ScriptedModel([busy, busy, busy, says("at last")])
    assert [event.text for event in await run(model, clock)] == ["at last", "at last"]
    assert clock.waits == [0.5, 1.0, 2.0]


async def test_jitter_takes_up_to_a_half():
    clock = SkippingClock()
    await run(ScriptedModel([ModelUnavailable("busy"), says("ok")]), clock, jitter=1.0)
    assert clock.waits == [0.25]


async def test_the_wait_is_never_shorter_than_the_remote_asks():
    clock = SkippingClock()
    await run(ScriptedModel([ModelUnavailable("busy", retry_after=7), says("ok")]), clock)
    assert clock.waits == [7]


async def test_the_wait_has_an_upper_bound():
    clock = SkippingClock()
    request = ModelRequest("scripted:one", (UserMessage("go"),), timeout=1000)
    await run(ScriptedModel([*[ModelUnavailable("busy")] * 9, says("ok")]), clock, request, attempts=10)
    assert clock.waits[-1] == 30


async def test_the_last_attempt_raises():
    model = ScriptedModel([ModelUnavailable("first"), ModelUnavailable("second"), says("never")])
    with pytest.raises(ModelUnavailable, match="second"):
        await run(model, SkippingClock(), attempts=2)


async def test_nothing_else_is_repeated():
    model = ScriptedModel([ModelRefused("no"), says("never")])
    with pytest.raises(ModelRefused):
        await run(model, SkippingClock())
    assert model.played == 1


async def test_all_attempts_share_the_time_out():
    clock = SkippingClock()
    request = ModelRequest("scripted:one", (UserMessage("go"),), timeout=2)
    model = ScriptedModel([ModelUnavailable("one"), ModelUnavailable("two"), ModelUnavailable("three"), says("never")])
    with pytest.raises(ModelUnavailable, match="three"):
        await run(model, clock, request)
    assert [seen.timeout for seen in model.requests] == [2, 1.5, 0.5]


async def test_a_wait_that_does_not_fit_is_not_begun():
    clock = SkippingClock()
    model = ScriptedModel([ModelUnavailable("busy", retry_after=600), says("never")])
    with pytest.raises(ModelUnavailable) as caught:
        await run(model, clock)
    assert (clock.waits, caught.value.retry_after) == ([], 600)


async def test_text_that_was_shown_is_not_shown_again():
    cut = ModelUnavailable("cut")
    model = BrokenOff(
        [TextDelta("one "), TextDelta("two "), cut],
        [TextDelta("on"), TextDelta("e two thr"), cut],
        [TextDelta("one two three"), Reply("one two three")],
    )
    seen = await run(model, SkippingClock())
    assert seen == [TextDelta("one "), TextDelta("two "), TextDelta("thr"), TextDelta("ee"), Reply("one two three")]
    assert model.ended == 3


async def test_an_attempt_that_tells_another_story_shows_only_its_reply():
    model = BrokenOff(
        [TextDelta("one "), ModelUnavailable("cut")],
        [TextDelta("uno "), TextDelta("due"), Reply("uno due")],
    )
    assert await run(model, SkippingClock()) == [TextDelta("one "), Reply("uno due")]


async def test_a_stream_without_a_reply_is_tried_again():
    model = BrokenOff([TextDelta("one")], [TextDelta("one"), Reply("one")])
    assert await run(model, SkippingClock()) == [TextDelta("one"), Reply("one")]


async def test_a_reader_that_stops_early_ends_the_inner_stream():
    model = BrokenOff([TextDelta("one"), Reply("one")])
    stream = RetriedModel(model, SkippingClock(), 2).stream(REQUEST)
    assert await anext(stream) == TextDelta("one")
    assert isinstance(stream, AsyncGenerator)
    await stream.aclose()
    assert model.ended == 1
