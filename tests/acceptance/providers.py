"""Every provider with a server for it, for tests of what they have in common."""

from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, replace

import httpx2

from ripieno.domain.messages import ModelEvent, ModelRequest, Reply, SystemMessage, UserMessage
from ripieno.models.providers.anthropic import AnthropicModel
from ripieno.models.providers.bedrock import Account, BedrockModel
from ripieno.models.providers.ollama import OllamaModel
from ripieno.models.providers.openai import OpenAIModel
from ripieno.ports import Model
from tests.wire.anthropic_server import AnthropicServer
from tests.wire.bedrock_server import BedrockServer
from tests.wire.ollama_server import OllamaServer
from tests.wire.openai_server import OpenAIServer
from tests.wire.provider import Provider
from tests.wire.responses_server import ResponsesServer

KEY = "sk-very-secret-1234"
HELLO = ModelRequest("", (SystemMessage("Be brief."), UserMessage("hello")), timeout=20)


@dataclass(frozen=True)
class Bed:
    """A provider of ours, and a server for it."""

    model: Callable[[httpx2.AsyncClient, str, str], Model]
    server: type[Provider]
    name: str
    counts_reasoning: bool = True


def bedrock(client: httpx2.AsyncClient, key: str, url: str) -> Model:  # noqa: ARG001 - it has a client of its own
    return BedrockModel(Account(api_key=key, base_url=url, timeout=20))


def responses(client: httpx2.AsyncClient, key: str, url: str) -> Model:
    return OpenAIModel(client, key, url, "responses")


ALL = {
    "openai": Bed(OpenAIModel, OpenAIServer, "openai:gpt-4o-mini"),
    "responses": Bed(responses, ResponsesServer, "openai:gpt-5.1"),
    "anthropic": Bed(AnthropicModel, AnthropicServer, "anthropic:claude-sonnet-4-6"),
    "bedrock": Bed(bedrock, BedrockServer, "bedrock:us.amazon.nova-lite-v1:0", counts_reasoning=False),
    "ollama": Bed(OllamaModel, OllamaServer, "ollama:llama3.2"),
}


@dataclass(frozen=True)
class Asker:
    """Somebody who asks a provider."""

    bed: Bed
    http: httpx2.AsyncClient

    def model(self, server: Provider) -> Model:
        return self.bed.model(self.http, KEY, server.url)

    def stream(self, server: Provider, request: ModelRequest = HELLO) -> AsyncIterator[ModelEvent]:
        return self.model(server).stream(replace(request, model=self.bed.name))

    async def events(self, server: Provider, request: ModelRequest = HELLO) -> list[ModelEvent]:
        return [event async for event in self.stream(server, request)]

    async def reply(self, server: Provider, request: ModelRequest = HELLO) -> Reply:
        last = (await self.events(server, request))[-1]
        assert isinstance(last, Reply)
        return last
