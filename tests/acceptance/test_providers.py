"""All providers against servers that speak their wires: the same answers and the same failures, whatever the wire."""

import json
from collections.abc import AsyncGenerator, AsyncIterator
from dataclasses import replace

import httpx2
import pytest

from ripieno.domain.errors import ModelRefused, ModelUnavailable
from ripieno.domain.messages import ModelEvent, Reply, TextDelta, UserMessage
from ripieno.domain.teams import Plan
from ripieno.domain.tools import ToolSpec
from tests.acceptance.providers import ALL, HELLO, KEY, Asker, Bed
from tests.wire.script import Step, breaks, calls, fails, says

PING = ToolSpec("net.ping", "Ping a host.", {"type": "object", "properties": {"host": {"type": "string"}}})
CPU = ToolSpec("system.cpu", "Show the load.", {"type": "object", "properties": {}})

pytestmark = pytest.mark.acceptance


@pytest.fixture(params=ALL)
def bed(request: pytest.FixtureRequest) -> Bed:
    return ALL[request.param]


@pytest.fixture
async def http() -> AsyncIterator[httpx2.AsyncClient]:
    async with httpx2.AsyncClient(trust_env=False) as client:
        yield client


@pytest.fixture
def asker(bed: Bed, http: httpx2.AsyncClient) -> Asker:
    return Asker(bed, http)


class TestAnswers:
    async def test_text_is_streamed_and_then_whole(self, asker: Asker):
        async with asker.bed.server([says("one two three", cached=3, reasoning=2)]) as server:
            *deltas, last = await asker.events(server)
        assert [delta.text for delta in deltas if isinstance(delta, TextDelta)] == ["one ", "two ", "three"]
        assert isinstance(last, Reply)
        assert (last.text, last.finish_reason) == ("one two three", "stop")
        assert f"{last.provider}:{last.model}" == asker.bed.name
        assert str(last.metadata["base_url"]).startswith(server.url)
        assert last.metadata["model"] == last.model
        used = last.usage
        thought = 2 if asker.bed.counts_reasoning else 0
        assert (used.output_tokens, used.cached_tokens, used.reasoning_tokens, used.calls) == (
            3 + thought,
            3,
            thought,
            1,
        )
        assert used.input_tokens > used.cached_tokens

    async def test_parallel_calls_come_back_under_our_names(self, asker: Asker):
        wishes = calls(("net__ping", {"host": "a"}), ("system__cpu", ""), ("x__y__z", {}), text="I look.")
        async with asker.bed.server([wishes]) as server:
            last = await asker.reply(server, replace(HELLO, tools=(PING, CPU)))
        assert [(call.name, call.arguments, call.malformed) for call in last.tool_calls] == [
            ("net.ping", {"host": "a"}, None),
            ("system.cpu", {}, None),
            ("x.y__z", {}, None),
        ]
        assert (last.text, last.finish_reason) == ("I look.", "tool_calls")
        assert len({call.id for call in last.tool_calls}) == 3

    @pytest.mark.parametrize(
        "raw", ['{"host": ', "[1]", "example.com", "[" * 9_000], ids=["half", "list", "text", "deep"]
    )
    async def test_broken_arguments_are_told_as_they_came(self, asker: Asker, raw: str):
        async with asker.bed.server([calls(("net__ping", raw))]) as server:
            last = await asker.reply(server, replace(HELLO, tools=(PING,)))
        assert [(call.arguments, call.malformed) for call in last.tool_calls] == [({}, raw)]

    async def test_what_nobody_knows_is_passed_over(self, asker: Asker):
        async with asker.bed.server([says("one two", fault="strange")]) as server:
            assert (await asker.reply(server)).text == "one two"

    async def test_a_schema_is_in_the_instructions_whatever_else_is_there(self, asker: Asker):
        async with asker.bed.server([says("{}"), says("{}")]) as server:
            schema = Plan.model_json_schema()
            await asker.reply(server, replace(HELLO, output_schema=schema))
            await asker.reply(server, replace(HELLO, output_schema=schema, tools=(PING,)))
            bodies = [json.dumps(seen.body) for seen in server.requests]
        assert all("valid for this JSON Schema" in body for body in bodies)

    async def test_the_offline_model_behind_the_wire_plans(self, asker: Asker):
        data = {"goal": "Ping example.com", "agents": [{"name": "net", "tools": ["net.ping"]}]}
        goal = UserMessage("Ping example.com", data)
        request = replace(HELLO, messages=(goal,), output_schema=Plan.model_json_schema(), purpose="plan")
        async with asker.bed.server() as server:
            last = await asker.reply(server, request)
        assert Plan.model_validate_json(last.text).steps[0].agent == "net"


async def _noted(stream: AsyncIterator[ModelEvent], seen: list[ModelEvent]) -> AsyncIterator[ModelEvent]:
    async for event in stream:
        seen.append(event)
        yield event


class TestFailures:
    @pytest.mark.parametrize("status", [408, 409, 429, 500, 502, 503, 529])
    async def test_what_may_pass_is_unavailable(self, asker: Asker, status: int):
        async with asker.bed.server([fails(status, "busy", retry_after=2)]) as server:
            with pytest.raises(ModelUnavailable, match=f"{status}: busy") as caught:
                await asker.events(server)
        assert caught.value.retry_after == 2

    @pytest.mark.parametrize("status", [400, 402, 404, 422])
    async def test_what_will_not_pass_is_refused(self, asker: Asker, status: int):
        async with asker.bed.server([fails(status, "no such thing")]) as server:
            with pytest.raises(ModelRefused, match=f"{status}: no such thing"):
                await asker.events(server)

    @pytest.mark.parametrize("status", [401, 403])
    async def test_a_bad_key_is_said_to_be_one(self, asker: Asker, status: int):
        async with asker.bed.server([fails(status, f"no {KEY}")]) as server:
            with pytest.raises(ModelRefused, match=rf"refuses the API key \({status}\)"):
                await asker.events(server)

    async def test_a_refused_key_is_never_repeated(self, asker: Asker):
        async with asker.bed.server(key="another") as server:
            with pytest.raises(ModelRefused, match="refuses the API key") as caught:
                await asker.events(server)
        assert KEY not in str(caught.value)
        async with asker.bed.server([fails(400, f"bad header {KEY} " + "x" * 500)]) as server:
            with pytest.raises(ModelRefused) as caught:
                await asker.events(server)
        assert KEY not in str(caught.value)
        assert len(str(caught.value)) < 400

    @pytest.mark.parametrize("fault", ["cut", "stop"])
    async def test_a_cut_stream_is_unavailable_after_what_came(self, asker: Asker, fault: str):
        seen: list[ModelEvent] = []
        async with asker.bed.server([breaks(fault)]) as server:
            with pytest.raises(ModelUnavailable):
                _ = [event async for event in _noted(asker.stream(server), seen)]
        assert seen
        assert all(isinstance(event, TextDelta) for event in seen)

    async def test_an_error_inside_the_stream_is_unavailable(self, asker: Asker):
        async with asker.bed.server([breaks("error")]) as server:
            with pytest.raises(ModelUnavailable, match="fell over"):
                await asker.events(server)

    @pytest.mark.parametrize("fault", ["empty", "nonsense"])
    async def test_an_answer_that_is_none_is_refused(self, asker: Asker, fault: str):
        async with asker.bed.server([breaks(fault)]) as server:
            with pytest.raises(ModelRefused, match="an answer"):
                await asker.events(server)

    @pytest.mark.parametrize("step", [breaks("hang"), breaks("drip", pause=0.01)], ids=["hang", "drip"])
    async def test_the_time_out_bounds_the_whole_call(self, asker: Asker, step: Step):
        async with asker.bed.server([says("warm up"), step]) as server:
            await asker.reply(server)
            with pytest.raises(ModelUnavailable):
                await asker.events(server, replace(HELLO, timeout=0.3))

    async def test_nobody_there_is_unavailable(self, asker: Asker):
        async with asker.bed.server() as server:
            pass
        with pytest.raises(ModelUnavailable, match="no connection"):
            await asker.events(server)

    async def test_a_reader_may_stop_early_and_the_connection_is_free_again(self, bed: Bed):
        limits = httpx2.Limits(max_connections=1)
        async with (
            httpx2.AsyncClient(trust_env=False, limits=limits) as client,
            bed.server([breaks("drip", pause=0.01), says("next")]) as server,
        ):
            asker = Asker(bed, client)
            stream = asker.stream(server)
            assert isinstance(await anext(stream), TextDelta)
            assert isinstance(stream, AsyncGenerator)
            await stream.aclose()
            assert (await asker.reply(server)).text == "next"
