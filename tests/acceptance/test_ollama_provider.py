"""What is Ollama's own: its address with or without `/v1`, thoughts beside the answer, models that were not pulled."""

from collections.abc import AsyncIterator

import httpx2
import openai
import pytest

from ripieno.clock import SystemClock
from ripieno.domain.errors import ModelRefused
from ripieno.domain.messages import ModelRequest, Reply, UserMessage
from ripieno.domain.tools import ToolCall, ToolSpec
from ripieno.models.prompted import PromptedModel
from ripieno.models.providers.ollama import OllamaModel
from tests.wire.ollama_server import OllamaServer
from tests.wire.script import says

HELLO = ModelRequest("ollama:qwen3", (UserMessage("hello"),), timeout=20)

pytestmark = pytest.mark.acceptance


@pytest.fixture
async def http() -> AsyncIterator[httpx2.AsyncClient]:
    async with httpx2.AsyncClient(trust_env=False) as client:
        yield client


async def test_the_server_is_one_for_the_official_sdk(http: httpx2.AsyncClient):
    async with OllamaServer([says("one two")]) as server:
        sdk = openai.AsyncOpenAI(api_key="none", base_url=f"{server.url}/v1", http_client=http, max_retries=0)
        streamed = await sdk.chat.completions.create(
            model="qwen3", messages=[{"role": "user", "content": "hi"}], stream=True
        )
        chunks = [chunk async for chunk in streamed]
        with pytest.raises(openai.NotFoundError, match="try pulling it first"):
            await sdk.chat.completions.create(model="other", messages=[{"role": "user", "content": "hi"}])
    assert "".join(chunk.choices[0].delta.content or "" for chunk in chunks) == "one two"
    assert (chunks[0].choices[0].delta.model_extra or {})["reasoning"] == "Hm."


@pytest.mark.parametrize("tail", ["", "/", "/v1", "/v1/"])
async def test_the_address_goes_with_or_without_its_version(http: httpx2.AsyncClient, tail: str):
    async with OllamaServer([says("one two")]) as server:
        model = OllamaModel(http, "", f"{server.url}{tail}")
        last = [event async for event in model.stream(HELLO)][-1]
    assert isinstance(last, Reply)
    assert (last.text, last.provider, last.model) == ("one two", "ollama", "qwen3")
    assert last.metadata["base_url"] == f"{server.url}/v1"


async def test_a_model_that_was_not_pulled_is_named(http: httpx2.AsyncClient):
    request = ModelRequest("ollama:other", HELLO.messages, timeout=20)
    async with OllamaServer() as server:
        with pytest.raises(ModelRefused, match='404: model "other" not found, try pulling it first'):
            _ = [event async for event in OllamaModel(http, "", server.url).stream(request)]


async def test_a_model_without_tools_of_its_own_calls_them_in_words(http: httpx2.AsyncClient):
    ping = ToolSpec("net.ping", "Ping a host.", {"type": "object"})
    request = ModelRequest("ollama:qwen3", HELLO.messages, (ping,), output_schema={"type": "object"}, timeout=20)
    wishes = [says("I would ping it."), says('```json\n{"tool_calls": [{"name": "net.ping"}]}\n```')]
    async with OllamaServer(wishes) as server:
        model = PromptedModel(OllamaModel(http, "", server.url), ["ollama:*"], SystemClock())
        first, second = [[event async for event in model.stream(request)][-1] for _ in wishes]
        bodies = [seen.body for seen in server.requests]
    assert isinstance(first, Reply)
    assert isinstance(second, Reply)
    assert (first.text, first.tool_calls) == ("I would ping it.", ())
    assert second.tool_calls == (ToolCall("call_1_0", "net.ping"),)
    assert all(body.keys().isdisjoint({"tools", "response_format"}) for body in bodies)
