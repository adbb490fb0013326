"""The OpenAI provider against a server that speaks the wire format; first, the server against the official SDK."""

import asyncio
import json
import sys
from collections.abc import AsyncIterator
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
    ToolMessage,
    UserMessage,
)
from ripieno.domain.teams import Plan
from ripieno.domain.tools import ToolCall, ToolSpec
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

RUBBISH = [
    "null",
    "[]",
    "7",
    '"text"',
    "{}",
    '{"choices": null}',
    '{"choices": 3}',
    '{"choices": [null]}',
    '{"choices": [{"delta": null}]}',
    '{"choices": [{"delta": {"content": 7}, "finish_reason": []}]}',
    '{"choices": [{"delta": {"tool_calls": [{}]}}]}',
    '{"choices": [{"delta": {"tool_calls": [{"index": 0, "function": null}]}}], "usage": "much"}',
]

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

    @pytest.mark.parametrize(("model", "told"), [("gpt-4o", 0.2), ("gpt-5.1", 0.2), ("o4-mini", None), ("gpt-5", None)])
    async def test_a_model_that_reasons_is_told_no_temperature(
        self, http: httpx2.AsyncClient, model: str, told: float | None
    ):
        sent = await self.body(http, replace(HELLO, model=f"openai:{model}", temperature=0.2))
        assert sent.get("temperature") == told

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


class TestFailures:
    async def test_a_used_up_quota_is_not_waited_for(self, http: httpx2.AsyncClient):
        async with OpenAIServer([fails(429, "You exceeded your current quota", code="insufficient_quota")]) as server:
            with pytest.raises(ModelRefused, match="quota"):
                await reply(http, server)

    async def test_an_answer_without_choices_is_refused(self, http: httpx2.AsyncClient):
        async with OpenAIServer([breaks("empty")]) as server:
            with pytest.raises(ModelRefused, match="without choices"):
                await reply(http, server)

    @pytest.mark.parametrize("raw", RUBBISH)
    async def test_rubbish_is_an_error_of_ours(self, http: httpx2.AsyncClient, raw: str):
        async with OpenAIServer([Step(raw=(raw,))]) as server:
            with pytest.raises((ModelRefused, ModelUnavailable)):
                await reply(http, server)
