"""What is Anthropic's own: its server against the official SDK, what goes over its wire, its failures."""

import json
from collections.abc import AsyncIterator
from dataclasses import replace
from typing import Any

import anthropic
import httpx2
import pytest
from anthropic.types import MessageParam

from ripieno.domain.errors import ModelRefused, ModelUnavailable
from ripieno.domain.jsons import JsonObject
from ripieno.domain.messages import AssistantMessage, ModelRequest, Reply, SystemMessage, ToolMessage, UserMessage
from ripieno.domain.teams import Plan
from ripieno.domain.tools import ToolCall, ToolSpec
from ripieno.domain.usage import Usage
from ripieno.models.providers.anthropic import AnthropicModel
from ripieno.models.providers.prices import cost_usd
from tests.wire.anthropic_server import AnthropicServer
from tests.wire.script import Step, breaks, calls, fails, says

KEY = "sk-ant-very-secret-1234"
PING = ToolSpec("net.ping", "Ping a host.", {"type": "object", "properties": {"host": {"type": "string"}}})
HELLO = ModelRequest("anthropic:claude-sonnet-4-6", (SystemMessage("Be brief."), UserMessage("hello")), timeout=20)
HI: list[MessageParam] = [{"role": "user", "content": "hi"}]

pytestmark = pytest.mark.acceptance


@pytest.fixture
async def http() -> AsyncIterator[httpx2.AsyncClient]:
    async with httpx2.AsyncClient(trust_env=False) as client:
        yield client


def sdk(http: httpx2.AsyncClient, server: AnthropicServer, key: str = KEY) -> anthropic.AsyncAnthropic:
    return anthropic.AsyncAnthropic(api_key=key, base_url=server.url, http_client=http, max_retries=0)


async def reply(http: httpx2.AsyncClient, server: AnthropicServer, request: ModelRequest = HELLO) -> Reply:
    last = [event async for event in AnthropicModel(http, KEY, server.url).stream(request)][-1]
    assert isinstance(last, Reply)
    return last


async def body(http: httpx2.AsyncClient, request: ModelRequest) -> dict[str, Any]:
    async with AnthropicServer([says("fine")]) as server:
        await reply(http, server, request)
        assert server.requests[0].headers["x-api-key"] == KEY
        assert server.requests[0].headers["authorization"] == f"Bearer {KEY}"
        return server.requests[0].body


class TestTheServer:
    """Driven with the official SDK, so that it is a fair stand-in."""

    async def test_it_answers_whole_and_streamed(self, http: httpx2.AsyncClient):
        answer = calls(("a", {"x": 1}), ("b", {}), text="one two", cached=4, written=2)
        async with AnthropicServer([answer, answer]) as server:
            asked = sdk(http, server)
            whole = await asked.messages.create(model="m", max_tokens=9, messages=HI)
            async with asked.messages.stream(model="m", max_tokens=9, messages=HI) as stream:
                streamed = await stream.get_final_message()
        assert [block.to_dict() for block in streamed.content if block.type == "tool_use"] == [
            block.to_dict() for block in whole.content if block.type == "tool_use"
        ]
        assert (streamed.content[0].type, streamed.usage) == ("text", whole.usage)
        assert streamed.stop_reason == whole.stop_reason
        assert [block.type for block in whole.content] == ["text", "tool_use", "tool_use"]
        assert (whole.stop_reason, whole.usage.cache_read_input_tokens) == ("tool_use", 4)

    async def test_it_refuses_what_a_real_server_refuses(self, http: httpx2.AsyncClient):
        result: list[MessageParam] = [
            {"role": "user", "content": [{"type": "tool_result", "tool_use_id": "x", "content": "y"}]}
        ]
        called: list[MessageParam] = [
            *HI,
            {"role": "assistant", "content": [{"type": "tool_use", "id": "x", "name": "a", "input": {}}]},
            *HI,
        ]
        async with AnthropicServer(key="right") as server:
            with pytest.raises(anthropic.AuthenticationError):
                await sdk(http, server, "wrong").messages.create(model="m", max_tokens=9, messages=HI)
            right = sdk(http, server, "right")
            blank: list[MessageParam] = [{"role": "user", "content": " "}]
            for messages, said in (
                (result, "unexpected `tool_use_id`"),
                (called, "without `tool_result` blocks immediately after"),
                (list[MessageParam](), "at least one message"),
                (blank, "must be non-empty"),
            ):
                with pytest.raises(anthropic.BadRequestError, match=said):
                    await right.messages.create(model="m", max_tokens=9, messages=messages)
            with pytest.raises(anthropic.BadRequestError, match="additionalProperties"):
                await right.messages.create(
                    model="m",
                    max_tokens=9,
                    messages=HI,
                    output_config={"format": {"type": "json_schema", "schema": {"type": "object"}}},
                )
            with pytest.raises(anthropic.BadRequestError, match="name"):
                await right.messages.create(
                    model="m", max_tokens=9, messages=HI, tools=[{"name": "a.b", "input_schema": {"type": "object"}}]
                )
            with pytest.raises(anthropic.NotFoundError):
                await right.messages.batches.retrieve("x")
            assert [model.id async for model in right.models.list()] == ["fake"]

    async def test_it_fails_as_told(self, http: httpx2.AsyncClient):
        async with AnthropicServer([fails(429, retry_after=7), fails(529), breaks("cut"), breaks("error")]) as server:
            asked = sdk(http, server)
            with pytest.raises(anthropic.RateLimitError) as limited:
                await asked.messages.create(model="m", max_tokens=9, messages=HI)
            assert limited.value.response.headers["retry-after"] == "7"
            with pytest.raises(anthropic.InternalServerError) as overloaded:
                await asked.messages.create(model="m", max_tokens=9, messages=HI)
            assert overloaded.value.status_code == 529
            with pytest.raises(anthropic.APIConnectionError):
                await asked.messages.create(model="m", max_tokens=9, messages=HI)
            with pytest.raises(anthropic.APIStatusError, match="fell over"):
                async with asked.messages.stream(model="m", max_tokens=9, messages=HI) as stream:
                    await stream.get_final_message()


class TestTheWire:
    """What the server is sent."""

    async def test_settings_and_tools_go_out_as_given(self, http: httpx2.AsyncClient):
        sent = await body(http, replace(HELLO, tools=(PING,), temperature=0.2, max_tokens=50))
        assert (sent["model"], sent["temperature"], sent["max_tokens"]) == ("claude-sonnet-4-6", 0.2, 50)
        assert sent["system"] == "Be brief."
        assert sent["stream"] is True
        assert sent["tools"] == [
            {"name": "net__ping", "description": "Ping a host.", "input_schema": PING.input_schema}
        ]

    async def test_a_long_conversation_of_an_agent_is_kept_by_the_provider(self, http: httpx2.AsyncClient):
        kept = {"type": "ephemeral", "ttl": "5m"}
        long = (SystemMessage("Be brief. " * 500), UserMessage("hello"))
        sent = await body(http, replace(HELLO, messages=long, tools=(replace(PING, name="net.dig"), PING)))
        assert [tool.get("cache_control") for tool in sent["tools"]] == [None, kept]
        assert sent["system"][-1]["cache_control"] == kept
        assert sent["messages"][-1]["content"][-1]["cache_control"] == kept
        wordy = replace(PING, description="Ping a host. " * 400)
        for request, marks in (
            (replace(HELLO, messages=long), 0),
            (replace(HELLO, tools=(PING,)), 0),
            (replace(HELLO, tools=(wordy,)), 3),
        ):
            assert json.dumps(await body(http, request)).count("cache_control") == marks

    async def test_a_model_without_a_temperature_is_told_none(self, http: httpx2.AsyncClient):
        sent = await body(http, replace(HELLO, model="anthropic:claude-opus-5-5", temperature=0.2))
        assert "temperature" not in sent

    async def test_results_of_parallel_calls_go_back_together(self, http: httpx2.AsyncClient):
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
        sent = await body(http, replace(HELLO, messages=messages, tools=(PING,)))
        assert sent["system"] == "one\n\ntwo"
        first, said, results, *_ = sent["messages"]
        assert first["content"][0]["text"] == 'go\n\n```json\n{\n "a": "ä"\n}\n```'
        assert [block.get("input") for block in said["content"]] == [None, {"host": "a"}, {"malformed": "{oops"}]
        assert [(block["tool_use_id"], block["is_error"]) for block in results["content"][:2]] == [
            ("c1", False),
            ("c2", True),
        ]
        assert results["content"][1]["content"] == [{"type": "text", "text": "[t1c1] (failed)\nnot JSON"}]
        assert "late" in json.dumps(sent["messages"][-1])

    async def test_a_closed_schema_is_the_format_too_but_not_beside_tools(self, http: httpx2.AsyncClient):
        schema = Plan.model_json_schema()
        alone = await body(http, replace(HELLO, output_schema=schema))
        beside = await body(http, replace(HELLO, output_schema=schema, tools=(PING,)))
        assert alone["output_config"]["format"]["type"] == "json_schema"
        assert "output_config" not in beside

    @pytest.mark.parametrize("model", ["claude-sonnet-4-6", "claude-of-old"])
    async def test_an_open_schema_or_an_old_model_has_the_instructions_alone(
        self, http: httpx2.AsyncClient, model: str
    ):
        closed: JsonObject = {"type": "object", "properties": {"a": {"type": "integer"}}}
        schema = {"type": "object"} if model == "claude-sonnet-4-6" else closed
        sent = await body(http, replace(HELLO, model=f"anthropic:{model}", output_schema=schema))
        assert "output_config" not in sent
        assert json.dumps(schema) in sent["system"]

    async def test_a_server_that_cannot_be_told_the_shape_is_asked_without_from_then_on(self, http: httpx2.AsyncClient):
        request = replace(HELLO, output_schema={"type": "object", "properties": {"a": {"type": "integer"}}})
        script = [fails(400, "output_config: Extra inputs are not permitted"), says("{}"), says("{}")]
        async with AnthropicServer(script) as server:
            model = AnthropicModel(http, KEY, server.url)
            for _ in range(2):
                assert [event async for event in model.stream(request)][-1].text == "{}"
            assert ["output_config" in seen.body for seen in server.requests] == [True, False, False]

    async def test_a_schema_over_the_limits_is_in_the_instructions_alone(self, http: httpx2.AsyncClient):
        many: JsonObject = {f"p{at}": {"type": "integer"} for at in range(60)}
        sent = await body(http, replace(HELLO, output_schema={"type": "object", "properties": many}))
        assert "output_config" not in sent
        assert "p59" in sent["system"]


class TestAnswers:
    async def test_tokens_of_the_cache_are_counted_and_paid(self, http: httpx2.AsyncClient):
        async with AnthropicServer([says("one two", cached=1000, written=2000)]) as server:
            last = await reply(http, server)
        assert last.usage == Usage(3001, 2, cached_tokens=1000, calls=1)
        assert last.metadata["cache_write_tokens"] == 2000
        at_home = replace(last, metadata={**last.metadata, "base_url": "https://api.anthropic.com"})
        unwritten = replace(at_home, metadata={"base_url": "https://api.anthropic.com"})
        assert await cost_usd(at_home) > await cost_usd(unwritten) > 0
        assert await cost_usd(last) == 0.0

    @pytest.mark.parametrize(
        ("reason", "finish"), [("max_tokens", "length"), ("refusal", "content_filter"), ("something_new", "stop")]
    )
    async def test_it_says_why_it_ended(self, http: httpx2.AsyncClient, reason: str, finish: str):
        async with AnthropicServer([says("one", finish=reason)]) as server:
            assert (await reply(http, server)).finish_reason == finish


RUBBISH = [
    ["null"],
    ["[]"],
    ["{}"],
    ['{"type": "message_start"}'],
    ['{"type": "message_start", "message": 7}'],
    ['{"type": "message_start", "message": {"usage": "much"}}'],
    ['{"type": "content_block_delta", "index": 0, "delta": {"type": "text_delta", "text": "x"}}'],
    ['{"type": "message_delta", "delta": null, "usage": {}}'],
]
START = (
    '{"type": "message_start", "message": {"id": "m", "model": "m", "usage": {"input_tokens": 1, "output_tokens": 1}}}'
)


class TestFailures:
    async def test_an_empty_purse_is_not_waited_for(self, http: httpx2.AsyncClient):
        for step in (fails(400, "Your credit balance is too low to access the API."), fails(402, "no credit")):
            async with AnthropicServer([step]) as server:
                with pytest.raises(ModelRefused, match="credit"):
                    await reply(http, server)

    async def test_an_error_inside_the_stream_is_what_it_would_be_outside(self, http: httpx2.AsyncClient):
        bad = json.dumps({"type": "error", "error": {"type": "invalid_request_error", "message": "too strange"}})
        async with AnthropicServer([Step(raw=(START, bad)), breaks("error")]) as server:
            with pytest.raises(ModelRefused, match="too strange"):
                await reply(http, server)
            with pytest.raises(ModelUnavailable, match="529: the engine fell over"):
                await reply(http, server)

    @pytest.mark.parametrize("raw", [*RUBBISH, *([START, *each] for each in RUBBISH)])
    async def test_rubbish_is_an_error_of_ours(self, http: httpx2.AsyncClient, raw: list[str]):
        async with AnthropicServer([Step(raw=tuple(raw))]) as server:
            with pytest.raises((ModelRefused, ModelUnavailable)):
                await reply(http, server)
