"""Anthropic's Messages API. Importing this costs seconds; see `model`."""

import httpx2
from anthropic import AnthropicError, AsyncAnthropic
from pydantic_ai.models.anthropic import AnthropicModel, AnthropicModelSettings
from pydantic_ai.providers.anthropic import AnthropicProvider
from pydantic_ai.settings import ModelSettings

from ripieno.domain.messages import ModelRequest
from ripieno.models.wire import caching
from ripieno.models.wire.exchange import Exchange, basic_settings
from ripieno.models.wire.server import Server
from ripieno.models.wire.strictness import is_closed

OFFICIAL = ".anthropic.com"


def opened(client: httpx2.AsyncClient, server: Server) -> Exchange:
    """The models of a server."""
    return Exchange(server, _Messages(client, server))


class _Messages:
    """`exchange.Dialect`."""

    errors: tuple[type[Exception], ...] = (AnthropicError,)
    unsent: tuple[type[Exception], ...] = ()
    strict = True  # the only kind of format that the API has
    marked = True

    def __init__(self, client: httpx2.AsyncClient, server: Server) -> None:
        # A server without keys still gets one: without, the SDK would look for one in the environment.
        key = server.api_key or "none"
        # The SDK sends keys as bearer tokens; other servers look for them where they used to be.
        headers = {} if f".{server.host}".endswith(OFFICIAL) else {"X-Api-Key": key}
        sdk = AsyncAnthropic(
            api_key=key,
            base_url=server.url,
            http_client=client,
            max_retries=0,
            default_headers=headers,
            open_telemetry=False,
        )
        self._provider = AnthropicProvider(anthropic_client=sdk)
        self._models: dict[str, AnthropicModel] = {}

    def model(self, name: str) -> AnthropicModel:
        if name not in self._models:
            self._models[name] = AnthropicModel(name, provider=self._provider)
        return self._models[name]

    def takes_format(self, request: ModelRequest, name: str) -> bool:
        """Where the model has formats, and the schema says the same in the subset that they are written in."""
        formats = self.model(name).profile.get("supports_json_schema_output", False)
        return formats and request.output_schema is not None and is_closed(request.output_schema)

    def settings(self, request: ModelRequest, name: str) -> ModelSettings:
        settings = AnthropicModelSettings(**basic_settings(request))
        if caching.pays(request):
            settings["anthropic_cache_tool_definitions"] = True
            settings["anthropic_cache_instructions"] = True
            settings["anthropic_cache_messages"] = True
        refused = self.model(name).profile.get("anthropic_disallows_sampling_settings", False)
        if refused and "temperature" in settings:
            del settings["temperature"]  # newer models refuse it
        return settings
