"""OpenAI's Responses API: its server against the official SDK, and what goes over this wire of the provider."""

import json
from collections.abc import AsyncIterator
from dataclasses import replace
from typing import Any

import httpx2
import openai
import pytest

from ripieno.domain.errors import ModelRefused, ModelUnavailable
from ripieno.domain.jsons import JsonObject
from ripieno.domain.messages import AssistantMessage, ModelRequest, Reply, SystemMessage, ToolMessage, UserMessage
from ripieno.domain.tools import ToolCall, ToolSpec
from ripieno.models.providers.openai import OpenAIModel
from tests.wire.responses_server import ResponsesServer
from tests.wire.script import Step, breaks, calls, fails, says

KEY = "sk-very-secret-1234"
PING = ToolSpec("net.ping", "Ping a host.", {"type": "object", "properties": {"host": {"type": "string"}}})
HELLO = ModelRequest("openai:gpt-5.1", (SystemMessage("Be brief."), UserMessage("hello")), timeout=20)

pytestmark = pytest.mark.acceptance


@pytest.fixture
async def http() -> AsyncIterator[httpx2.AsyncClient]:
    async with httpx2.AsyncClient(trust_env=False) as client:
        yield client


def sdk(http: httpx2.AsyncClient, server: ResponsesServer, key: str = KEY) -> openai.AsyncOpenAI:
    return openai.AsyncOpenAI(api_key=key, base_url=server.url, http_client=http, max_retries=0)


async def reply(http: httpx2.AsyncClient, server: ResponsesServer, request: ModelRequest = HELLO) -> Reply:
    last = [event async for event in OpenAIModel(http, KEY, server.url, "responses").stream(request)][-1]
    assert isinstance(last, Reply)
    return last


async def body(http: httpx2.AsyncClient, request: ModelRequest) -> dict[str, Any]:
    async with ResponsesServer([says("fine")]) as server:
        await reply(http, server, request)
        assert server.requests[0].headers["authorization"] == f"Bearer {KEY}"
        assert server.requests[0].path == "/v1/responses"
        return server.requests[0].body


class TestTheServer:
    """Driven with the official SDK, so that it is a fair stand-in."""

    async def test_it_answers_whole_and_streamed(self, http: httpx2.AsyncClient):
        answer = calls(("a", {"x": 1}), ("b", {}), text="one two", cached=4, reasoning=3)
        async with ResponsesServer([answer, answer]) as server:
            asked = sdk(http, server)
            whole = await asked.responses.create(model="m", input="hi")
            async with asked.responses.stream(model="m", input="hi") as stream:
                streamed = await stream.get_final_response()
        assert whole.output_text == streamed.output_text == "one two"
        assert [item.type for item in streamed.output] == ["reasoning", "message", "function_call", "function_call"]
        assert [item.name for item in whole.output if item.type == "function_call"] == ["a", "b"]
        assert streamed.usage == whole.usage
        assert whole.usage is not None
        assert whole.usage.output_tokens_details.reasoning_tokens == 3
        assert whole.usage.input_tokens_details.cached_tokens == 4

    async def test_it_refuses_what_a_real_server_refuses(self, http: httpx2.AsyncClient):
        async with ResponsesServer(key="right") as server:
            with pytest.raises(openai.AuthenticationError):
                await sdk(http, server, "wrong").responses.create(model="m", input="hi")
            right = sdk(http, server, "right")
            with pytest.raises(openai.BadRequestError, match="No tool call found for function call output"):
                await right.responses.create(
                    model="m", input=[{"type": "function_call_output", "call_id": "x", "output": "y"}]
                )
            with pytest.raises(openai.BadRequestError, match="No tool output found for function call x"):
                await right.responses.create(
                    model="m", input=[{"type": "function_call", "call_id": "x", "name": "a", "arguments": "{}"}]
                )
            with pytest.raises(openai.BadRequestError, match=r"tools\[0\].name"):
                await right.responses.create(
                    model="m",
                    input="hi",
                    tools=[{"type": "function", "name": "a.b", "parameters": {"type": "object"}, "strict": False}],
                )
            with pytest.raises(openai.NotFoundError):
                await right.embeddings.create(model="m", input="x")

    async def test_it_fails_as_told(self, http: httpx2.AsyncClient):
        async with ResponsesServer([fails(429, retry_after=7), fails(500), breaks("cut"), breaks("cut")]) as server:
            asked = sdk(http, server)
            with pytest.raises(openai.RateLimitError) as limited:
                await asked.responses.create(model="m", input="hi")
            assert limited.value.response.headers["retry-after"] == "7"
            with pytest.raises(openai.InternalServerError):
                await asked.responses.create(model="m", input="hi")
            with pytest.raises(openai.APIConnectionError):
                await asked.responses.create(model="m", input="hi")
            with pytest.raises((openai.APIConnectionError, httpx2.RemoteProtocolError)):
                async with asked.responses.stream(model="m", input="hi") as stream:
                    await stream.get_final_response()


class TestTheWire:
    """What the server is sent."""

    async def test_settings_and_tools_go_out_as_given_and_nothing_is_kept_there(self, http: httpx2.AsyncClient):
        sent = await body(http, replace(HELLO, tools=(PING,), temperature=0.2, max_tokens=50))
        assert (sent["model"], sent["temperature"], sent["max_output_tokens"]) == ("gpt-5.1", 0.2, 50)
        assert (sent["stream"], sent["store"]) == (True, False)
        tool = {"type": "function", "name": "net__ping", "description": "Ping a host.", "strict": False}
        assert sent["tools"] == [{**tool, "parameters": PING.input_schema}]

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
        sent = (await body(http, replace(HELLO, messages=messages)))["input"]
        assert sent[0] == {"role": "system", "content": "one\n\ntwo"}
        assert sent[1] == {"role": "user", "content": 'go\n\n```json\n{\n "a": "ä"\n}\n```'}
        called = [item for item in sent if item.get("type") == "function_call"]
        assert [(item["call_id"], item["name"]) for item in called] == [("c1", "net__ping"), ("c2", "net__ping")]
        assert [json.loads(item["arguments"]) for item in called] == [{"host": "a"}, {"malformed": "{oops"}]
        told = [item["output"] for item in sent if item.get("type") == "function_call_output"]
        assert told == ["[t1c0]\n1 ms", "[t1c1] (failed)\nnot JSON"]
        assert sent[-1] == {"role": "user", "content": "late"}

    async def test_a_schema_is_the_format_too_but_not_beside_tools(self, http: httpx2.AsyncClient):
        properties: JsonObject = {"a": {"type": "integer", "default": 3}}
        schema: JsonObject = {"title": "My Answer", "type": "object", "properties": properties}
        alone = await body(http, replace(HELLO, output_schema=schema))
        beside = await body(http, replace(HELLO, output_schema=schema, tools=(PING,)))
        form = {"type": "json_schema", "name": "My_Answer", "schema": schema, "strict": False}
        assert alone["text"]["format"] == form
        assert "format" not in beside.get("text", {})

    async def test_a_server_that_cannot_be_told_the_shape_is_asked_without_from_then_on(self, http: httpx2.AsyncClient):
        request = replace(HELLO, output_schema={"type": "object"})
        async with ResponsesServer([fails(400, "Unsupported: json_schema"), says("{}"), says("{}")]) as server:
            model = OpenAIModel(http, KEY, server.url, "responses")
            for _ in range(2):
                assert [event async for event in model.stream(request)][-1].text == "{}"
            assert ["format" in seen.body.get("text", {}) for seen in server.requests] == [True, False, False]


class TestAnswers:
    @pytest.mark.parametrize(
        ("reason", "finish"), [("max_output_tokens", "length"), ("content_filter", "content_filter")]
    )
    async def test_it_says_why_it_ended(self, http: httpx2.AsyncClient, reason: str, finish: str):
        async with ResponsesServer([says("one", finish=reason)]) as server:
            assert (await reply(http, server)).finish_reason == finish

    async def test_tokens_of_the_cache_are_counted(self, http: httpx2.AsyncClient):
        async with ResponsesServer([says("one two", cached=1000, reasoning=7)]) as server:
            used = (await reply(http, server)).usage
        assert (used.cached_tokens, used.reasoning_tokens, used.output_tokens) == (1000, 7, 9)


RUBBISH = [
    "null",
    "[]",
    "7",
    "{}",
    '{"type": "response.created"}',
    '{"type": "response.created", "response": null}',
    '{"type": "response.output_text.delta", "delta": 7}',
    '{"type": "response.function_call_arguments.delta", "item_id": "x", "output_index": 0, "delta": "{"}',
    '{"type": "response.completed", "response": {"usage": "much"}}',
    '{"type": "response.failed", "response": {"status": "failed", "error": {"code": "x", "message": "y"}}}',
]


class TestFailures:
    @pytest.mark.parametrize("raw", RUBBISH)
    async def test_rubbish_is_an_error_of_ours(self, http: httpx2.AsyncClient, raw: str):
        async with ResponsesServer([Step(raw=(raw,))]) as server:
            with pytest.raises((ModelRefused, ModelUnavailable)):
                await reply(http, server)

    async def test_a_used_up_quota_is_not_waited_for(self, http: httpx2.AsyncClient):
        async with ResponsesServer([fails(429, "You exceeded your quota", code="insufficient_quota")]) as server:
            with pytest.raises(ModelRefused, match="quota"):
                await reply(http, server)
