"""OpenAI's chat completions, for every server that speaks them. Importing this costs seconds; see `lazy`."""

import httpx2
from openai import AsyncOpenAI, OpenAIError
from pydantic_ai.models.openai import OpenAIChatModel
from pydantic_ai.profiles.openai import OpenAIModelProfile
from pydantic_ai.providers.openai import OpenAIProvider
from pydantic_ai.settings import ModelSettings

from ripieno.domain.messages import ModelRequest
from ripieno.models.wire.exchange import Exchange, basic_settings
from ripieno.models.wire.server import Server

OFFICIAL = (".openai.com", ".openai.azure.com")


def opened(client: httpx2.AsyncClient, server: Server) -> Exchange:
    """The models of a server."""
    return Exchange(server, _Chat(client, server))


def provider(client: httpx2.AsyncClient, server: Server) -> OpenAIProvider:
    """The server, for the wire library."""
    # A server without keys still gets one: an empty one makes no valid header.
    key = server.api_key or "none"
    sdk = AsyncOpenAI(api_key=key, base_url=server.url, http_client=client, max_retries=0)
    return OpenAIProvider(openai_client=sdk)


def reasoned_settings(request: ModelRequest, profile: OpenAIModelProfile) -> ModelSettings:
    """What a model is told; one that reasons knows no temperature."""
    settings = basic_settings(request)
    quiet = profile.get("openai_supports_reasoning_effort_none", False)
    reasons = profile.get("openai_supports_reasoning", False)
    if "temperature" in settings and reasons and not (quiet and not profile.get("thinking_enabled_by_default", False)):
        del settings["temperature"]
    return settings


class _Chat:
    """`exchange.Dialect`."""

    errors: tuple[type[Exception], ...] = (OpenAIError,)
    unsent: tuple[type[Exception], ...] = ()
    strict = False
    marked = False

    def __init__(self, client: httpx2.AsyncClient, server: Server) -> None:
        self._official = f".{server.host}".endswith(OFFICIAL)
        self._files = server.provider != "ollama"
        self._provider = provider(client, server)
        self._models: dict[str, OpenAIChatModel] = {}

    def model(self, name: str) -> OpenAIChatModel:
        if name not in self._models:
            profile = OpenAIModelProfile(
                json_schema_transformer=None,  # schemas go out as they are
                supports_json_schema_output=True,
                openai_chat_supports_max_completion_tokens=self._official,  # elsewhere `max_tokens` is understood
                openai_chat_streaming_requires_finish_reason=True,  # a stream without one was cut
                supports_document_input=self._files,  # Ollama takes images and nothing else
                supports_audio_file_input=self._files,
            )
            self._models[name] = OpenAIChatModel(name, provider=self._provider, profile=profile)
        return self._models[name]

    def takes_format(self, request: ModelRequest, name: str) -> bool:  # noqa: ARG002 - see `about_format`
        return True

    def settings(self, request: ModelRequest, name: str) -> ModelSettings:
        return reasoned_settings(request, self.model(name).profile)
