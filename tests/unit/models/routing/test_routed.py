"""The ring: who follows whom, what the caller sees of it, and what the reply tells."""

import pytest

from ripieno.domain.errors import ModelRefused, ModelUnavailable, RipienoError
from ripieno.domain.messages import ModelEvent, ModelRequest, Reply, TextDelta
from tests.unit.models.routing.desk import Desk, asks

RULE = {"route": "r", "candidates": ["a:x"], "fallbacks": ["b:x", "c:x"]}


class Fickle:
    """A model of which some break off after a text, or fail at once."""

    def __init__(self, failing: dict[str, RipienoError], begun: str = "") -> None:
        self.failing = failing
        self.begun = begun
        self.asked: list[ModelRequest] = []

    async def stream(self, request: ModelRequest):
        self.asked.append(request)
        error = self.failing.get(request.model)
        event: ModelEvent
        if error is not None:
            if self.begun:
                yield TextDelta(self.begun)
            raise error
        for event in (TextDelta("It is "), TextDelta("done."), Reply("It is done.", model="x", provider="p")):
            yield event


async def test_who_is_not_available_is_followed_by_the_next():
    model = Fickle({"a:x": ModelUnavailable("503"), "b:x": ModelUnavailable("left alone", 7.0)}, "It ")
    desk = Desk(model)
    await desk.publish(RULE)
    events = await desk.events(asks("r"))
    assert "".join(event.text for event in events if isinstance(event, TextDelta)) == "It is done."
    reply = events[-1]
    assert isinstance(reply, Reply)
    told = reply.metadata["routing"]
    assert (told["asked"], told["chosen"], told["rule"], told["version"]) == ("r", "c:x", "rule 1", "v1")
    assert [each["model"] for each in told["failed"]] == ["a:x", "b:x"]
    assert told["candidates"] == ["a:x", "b:x", "c:x"]
    assert told["facts"]["agent"] == "clerk"
    assert [request.model for request in model.asked] == ["a:x", "b:x", "c:x"]


async def test_a_refused_request_is_not_put_to_others():
    model = Fickle({"a:x": ModelRefused("bad request")})
    desk = Desk(model)
    await desk.publish(RULE)
    with pytest.raises(ModelRefused, match="bad request"):
        await desk.events(asks("r"))
    assert len(model.asked) == 1


async def test_when_nobody_answers_all_reasons_are_told():
    failing: dict[str, RipienoError] = {f"{name}:x": ModelUnavailable(f"{name} is away", 9.0) for name in "abc"}
    desk = Desk(Fickle(failing))
    await desk.publish(RULE)
    with pytest.raises(ModelUnavailable, match=r"a is away.*b is away.*c is away") as failed:
        await desk.events(asks("r"))
    assert failed.value.retry_after == 9.0


async def test_each_may_take_its_part_of_the_time():
    model = Fickle({"a:x": ModelUnavailable("503")})
    desk = Desk(model)
    await desk.publish({**RULE, "fallbacks": ["b:x"]})
    await desk.events(asks("r", timeout=90.0))
    assert [request.timeout for request in model.asked] == [60.0, 90.0]


async def test_a_halted_model_is_left_out():
    desk = Desk()
    await desk.publish(RULE)
    desk.gateway.stops.ask = lambda _, model: "was halted by boss" if model == "a:x" else None
    assert (await desk.reply(asks("r"))).metadata["routing"]["chosen"] == "b:x"


async def test_how_long_models_take_is_measured_with_or_without_routes():
    desk = Desk()
    assert desk.routes.around.latencies.of("acme", "a:x") is None
    await desk.events(asks("a:x"))
    assert desk.routes.around.latencies.of("acme", "a:x") == 0.0
    assert "routing" not in (await desk.reply(asks("a:x"))).metadata
