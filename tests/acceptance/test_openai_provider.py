"""The OpenAI provider against a server that speaks the wire format; first, the server against the official SDK."""

import asyncio
import json
import sys
from collections.abc import AsyncGenerator, AsyncIterator
from dataclasses import replace

import httpx2
import openai
import pytest

from ripieno.domain.errors import ModelRefused, ModelUnavailable
from ripieno.domain.jsons import JsonObject
from ripieno.domain.messages import (
    AssistantMessage,
    ModelEvent,
    ModelRequest,
    Reply,
    SystemMessage,
    TextDelta,
    ToolMessage,
    UserMessage,
)
from ripieno.domain.teams import Plan
from ripieno.domain.tools import ToolCall, ToolSpec
from ripieno.domain.usage import Usage
from ripieno.models.providers.openai import OpenAIModel
from tests.wire.openai_server import OpenAIServer, Step, breaks, calls, fails, says

KEY = "sk-very-secret-1234"
PING = ToolSpec(
    "net.ping",
    "Ping a host.",
    {
        "type": "object",
        "properties": {"host": {"type": "string"}, "count": {"type": "integer", "default": 3}},
        "required": ["host"],
    },
)
CPU = ToolSpec("system.cpu", "Show the load.", {"type": "object", "properties": {}})
HELLO = ModelRequest("openai:gpt-4o-mini", (SystemMessage("Be brief."), UserMessage("hello")), timeout=20)

pytestmark = pytest.mark.acceptance


@pytest.fixture
async def http() -> AsyncIterator[httpx2.AsyncClient]:
    async with httpx2.AsyncClient(trust_env=False) as client:
        yield client


async def events(client: httpx2.AsyncClient, server: OpenAIServer, request: ModelRequest = HELLO) -> list[ModelEvent]:
    model = OpenAIModel(client, KEY, server.url)
    return [event async for event in model.stream(request)]


async def reply(client: httpx2.AsyncClient, server: OpenAIServer, request: ModelRequest = HELLO) -> Reply:
    last = (await events(client, server, request))[-1]
    assert isinstance(last, Reply)
    return last


class TestTheServer:
    """Driven with the official SDK, so that it is a fair stand-in."""

    async def test_it_answers_whole_and_streamed(self, http: httpx2.AsyncClient):
        async with OpenAIServer([says("one two"), says("one two")]) as server:
            sdk = openai.AsyncOpenAI(api_key=KEY, base_url=server.url, http_client=http, max_retries=0)
            whole = await sdk.chat.completions.create(model="m", messages=[{"role": "user", "content": "hi"}])
            streamed = await sdk.chat.completions.create(
                model="m",
                messages=[{"role": "user", "content": "hi"}],
                stream=True,
                stream_options={"include_usage": True},
            )
            chunks = [chunk async for chunk in streamed]
        assert whole.choices[0].message.content == "one two"
        assert "".join(chunk.choices[0].delta.content or "" for chunk in chunks if chunk.choices) == "one two"
        assert whole.usage is not None
        assert chunks[-1].usage == whole.usage

    async def test_it_calls_tools_in_parallel(self, http: httpx2.AsyncClient):
        async with OpenAIServer([calls(("a", {"x": 1}), ("b", {}))]) as server:
            sdk = openai.AsyncOpenAI(api_key=KEY, base_url=server.url, http_client=http, max_retries=0)
            whole = await sdk.chat.completions.create(model="m", messages=[{"role": "user", "content": "hi"}])
        made = whole.choices[0].message.tool_calls or []
        assert [call.function.name for call in made if call.type == "function"] == ["a", "b"]
        assert whole.choices[0].finish_reason == "tool_calls"

    async def test_it_refuses_what_a_real_server_refuses(self, http: httpx2.AsyncClient):
        async with OpenAIServer(key="right") as server:
            wrong = openai.AsyncOpenAI(api_key="wrong", base_url=server.url, http_client=http, max_retries=0)
            with pytest.raises(openai.AuthenticationError):
                await wrong.chat.completions.create(model="m", messages=[{"role": "user", "content": "hi"}])
            right = wrong.with_options(api_key="right")
            with pytest.raises(openai.BadRequestError, match="preceeding message"):
                await right.chat.completions.create(
                    model="m", messages=[{"role": "tool", "tool_call_id": "x", "content": "y"}]
                )
            with pytest.raises(openai.NotFoundError):
                await right.embeddings.create(model="m", input="x")
            assert [model.id async for model in right.models.list()] == ["fake"]

    async def test_it_fails_as_told(self, http: httpx2.AsyncClient):
        script = [fails(429, retry_after=7), fails(500), breaks("cut"), breaks("nonsense")]
        async with OpenAIServer(script) as server:
            sdk = openai.AsyncOpenAI(api_key=KEY, base_url=server.url, http_client=http, max_retries=0)
            with pytest.raises(openai.RateLimitError) as limited:
                await sdk.chat.completions.create(model="m", messages=[{"role": "user", "content": "hi"}])
            assert limited.value.response.headers["retry-after"] == "7"
            with pytest.raises(openai.InternalServerError):
                await sdk.chat.completions.create(model="m", messages=[{"role": "user", "content": "hi"}])
            with pytest.raises(openai.APIConnectionError):
                await sdk.chat.completions.create(model="m", messages=[{"role": "user", "content": "hi"}])
            with pytest.raises(ValueError, match="Expecting property name"):
                await sdk.chat.completions.create(model="m", messages=[{"role": "user", "content": "hi"}])

    async def test_it_runs_as_a_program_and_thinks_with_the_offline_model(self, http: httpx2.AsyncClient):
        process = await asyncio.create_subprocess_exec(
            sys.executable, "-m", "tests.wire.openai_server", "--port", "0", stdout=asyncio.subprocess.PIPE
        )
        try:
            assert process.stdout is not None
            url = (await process.stdout.readline()).decode().strip()
            model = OpenAIModel(http, KEY, url)
            goal = UserMessage(
                "Ping example.com", {"goal": "Ping example.com", "agents": [{"name": "net", "tools": ["net.ping"]}]}
            )
            request = replace(HELLO, messages=(goal,), output_schema=Plan.model_json_schema(), purpose="plan")
            last = [event async for event in model.stream(request)][-1]
            assert isinstance(last, Reply)
            assert Plan.model_validate_json(last.text).steps[0].agent == "net"
        finally:
            process.terminate()
            await process.wait()


class TestAnswers:
    async def test_text_is_streamed_and_then_whole(self, http: httpx2.AsyncClient):
        async with OpenAIServer([says("one two three", cached=3, reasoning=2)]) as server:
            seen = await events(http, server)
        *deltas, last = seen
        assert [delta.text for delta in deltas if isinstance(delta, TextDelta)] == ["one ", "two ", "three"]
        assert isinstance(last, Reply)
        assert (last.text, last.finish_reason, last.provider, last.model) == (
            "one two three",
            "stop",
            "openai",
            "gpt-4o-mini",
        )
        assert last.usage == Usage(6, 5, cached_tokens=3, reasoning_tokens=2, calls=1)
        assert last.metadata == {"model": "gpt-4o-mini", "base_url": server.url, "response_id": "chatcmpl-1"}

    async def test_parallel_calls_come_back_under_our_names(self, http: httpx2.AsyncClient):
        async with OpenAIServer([calls(("net__ping", {"host": "a"}), ("system__cpu", ""), ("x__y__z", {}))]) as server:
            last = await reply(http, server, replace(HELLO, tools=(PING, CPU)))
        assert [(call.name, call.arguments, call.malformed) for call in last.tool_calls] == [
            ("net.ping", {"host": "a"}, None),
            ("system.cpu", {}, None),
            ("x.y__z", {}, None),
        ]
        assert last.finish_reason == "tool_calls"
        assert len({call.id for call in last.tool_calls}) == 3

    @pytest.mark.parametrize("raw", ['{"host": ', "[1]", "example.com"])
    async def test_broken_arguments_are_told_as_they_came(self, http: httpx2.AsyncClient, raw: str):
        async with OpenAIServer([calls(("net__ping", raw))]) as server:
            last = await reply(http, server, replace(HELLO, tools=(PING,)))
        assert [(call.arguments, call.malformed) for call in last.tool_calls] == [({}, raw)]


class TestTheWire:
    """What the server is sent."""

    async def body(self, http: httpx2.AsyncClient, request: ModelRequest) -> JsonObject:
        async with OpenAIServer([says("fine")]) as server:
            await reply(http, server, request)
            assert server.requests[0].headers["authorization"] == f"Bearer {KEY}"
            return server.requests[0].body

    async def test_settings_and_tools_go_out_as_given(self, http: httpx2.AsyncClient):
        body = await self.body(http, replace(HELLO, tools=(PING,), temperature=0.2, max_tokens=50))
        assert (body["model"], body["temperature"], body["max_tokens"]) == ("gpt-4o-mini", 0.2, 50)
        assert body["stream"] is True
        assert body["tools"] == [
            {
                "type": "function",
                "function": {"name": "net__ping", "description": "Ping a host.", "parameters": PING.input_schema},
            }
        ]

    async def test_a_conversation_keeps_its_shape(self, http: httpx2.AsyncClient):
        asked = (ToolCall("c1", "net.ping", {"host": "a"}), ToolCall("c2", "net.ping", malformed="{oops"))
        messages = (
            SystemMessage("one"),
            SystemMessage("two"),
            UserMessage("go", {"a": "ä"}),
            AssistantMessage("calling", asked),
            ToolMessage("c1", "net.ping", "1 ms", "t1c0"),
            ToolMessage("c2", "net.ping", "not JSON", "t1c1", is_error=True),
            SystemMessage("late"),
        )
        sent = (await self.body(http, replace(HELLO, messages=messages)))["messages"]
        assert [message["role"] for message in sent] == ["system", "user", "assistant", "tool", "tool", "user"]
        assert sent[0]["content"] == "one\n\ntwo"
        assert sent[1]["content"] == 'go\n\n```json\n{\n "a": "ä"\n}\n```'
        assert [call["function"]["name"] for call in sent[2]["tool_calls"]] == ["net__ping", "net__ping"]
        assert [json.loads(call["function"]["arguments"]) for call in sent[2]["tool_calls"]] == [
            {"host": "a"},
            {"malformed": "{oops"},
        ]
        assert [message["content"] for message in sent[3:]] == ["[t1c0]\n1 ms", "[t1c1] (failed)\nnot JSON", "late"]

    async def test_a_schema_goes_out_twice_without_tools_and_once_beside_them(self, http: httpx2.AsyncClient):
        schema: JsonObject = {
            "title": "My Answer",
            "type": "object",
            "properties": {"a": {"type": "integer", "default": 3}},
        }
        alone = await self.body(http, replace(HELLO, output_schema=schema))
        beside = await self.body(http, replace(HELLO, output_schema=schema, tools=(PING,)))
        assert alone["response_format"] == {
            "type": "json_schema",
            "json_schema": {"name": "My_Answer", "schema": schema, "strict": False},
        }
        assert "response_format" not in beside
        for body in (alone, beside):
            assert json.dumps(schema) in body["messages"][0]["content"]

    async def test_a_server_that_cannot_be_told_the_shape_is_asked_without_from_then_on(self, http: httpx2.AsyncClient):
        request = replace(HELLO, output_schema={"type": "object"})
        script = [fails(400, "This response_format type is unavailable now"), says("{}"), says("{}")]
        async with OpenAIServer(script) as server:
            model = OpenAIModel(http, KEY, server.url)
            for _ in range(2):
                assert [event async for event in model.stream(request)][-1].text == "{}"
            assert ["response_format" in seen.body for seen in server.requests] == [True, False, False]


async def _noted(stream: AsyncIterator[ModelEvent], seen: list[ModelEvent]) -> AsyncIterator[ModelEvent]:
    async for event in stream:
        seen.append(event)
        yield event


class TestFailures:
    @pytest.mark.parametrize("status", [408, 409, 429, 500, 502, 503])
    async def test_what_may_pass_is_unavailable(self, http: httpx2.AsyncClient, status: int):
        async with OpenAIServer([fails(status, "busy", retry_after=2)]) as server:
            with pytest.raises(ModelUnavailable, match=f"{status}: busy") as caught:
                await events(http, server)
        assert caught.value.retry_after == 2

    @pytest.mark.parametrize("status", [400, 402, 404, 422])
    async def test_what_will_not_pass_is_refused(self, http: httpx2.AsyncClient, status: int):
        async with OpenAIServer([fails(status, "no such thing")]) as server:
            with pytest.raises(ModelRefused, match=f"{status}: no such thing"):
                await events(http, server)

    async def test_a_used_up_quota_is_not_waited_for(self, http: httpx2.AsyncClient):
        async with OpenAIServer([fails(429, "You exceeded your current quota", code="insufficient_quota")]) as server:
            with pytest.raises(ModelRefused, match="quota"):
                await events(http, server)

    async def test_a_refused_key_is_never_repeated(self, http: httpx2.AsyncClient):
        async with OpenAIServer(key="another") as server:
            with pytest.raises(ModelRefused, match="refuses the API key") as caught:
                await events(http, server)
        assert KEY not in str(caught.value)
        async with OpenAIServer([fails(400, f"bad header {KEY} " + "x" * 500)]) as server:
            with pytest.raises(ModelRefused) as caught:
                await events(http, server)
        assert KEY not in str(caught.value)
        assert len(str(caught.value)) < 400

    @pytest.mark.parametrize("fault", ["cut", "stop"])
    async def test_a_cut_stream_is_unavailable_after_what_came(self, http: httpx2.AsyncClient, fault: str):
        seen: list[ModelEvent] = []
        async with OpenAIServer([breaks(fault)]) as server:
            with pytest.raises(ModelUnavailable):
                _ = [event async for event in _noted(OpenAIModel(http, KEY, server.url).stream(HELLO), seen)]
        assert seen
        assert all(isinstance(event, TextDelta) for event in seen)

    async def test_an_error_inside_the_stream_is_unavailable(self, http: httpx2.AsyncClient):
        async with OpenAIServer([breaks("error")]) as server:
            with pytest.raises(ModelUnavailable, match="fell over"):
                await events(http, server)

    @pytest.mark.parametrize(("fault", "said"), [("empty", "without choices"), ("nonsense", "an answer that is none")])
    async def test_an_answer_that_is_none_is_refused(self, http: httpx2.AsyncClient, fault: str, said: str):
        async with OpenAIServer([breaks(fault)]) as server:
            with pytest.raises(ModelRefused, match=said):
                await events(http, server)

    @pytest.mark.parametrize("step", [breaks("hang"), breaks("drip", pause=0.01)], ids=["hang", "drip"])
    async def test_the_time_out_bounds_the_whole_call(self, http: httpx2.AsyncClient, step: Step):
        async with OpenAIServer([says("warm up"), step]) as server:
            model = OpenAIModel(http, KEY, server.url)
            _ = [event async for event in model.stream(HELLO)]
            with pytest.raises(ModelUnavailable):
                _ = [event async for event in model.stream(replace(HELLO, timeout=0.3))]

    async def test_nobody_there_is_unavailable(self, http: httpx2.AsyncClient):
        async with OpenAIServer() as server:
            pass
        with pytest.raises(ModelUnavailable, match="no connection"):
            await events(http, server)

    async def test_a_reader_may_stop_early_and_the_connection_is_free_again(self):
        limits = httpx2.Limits(max_connections=1)
        async with (
            httpx2.AsyncClient(trust_env=False, limits=limits) as client,
            OpenAIServer([breaks("drip", pause=0.01), says("next")]) as server,
        ):
            model = OpenAIModel(client, KEY, server.url)
            stream = model.stream(HELLO)
            assert await anext(stream) == TextDelta("drip ")
            assert isinstance(stream, AsyncGenerator)
            await stream.aclose()
            assert (await reply(client, server)).text == "next"
