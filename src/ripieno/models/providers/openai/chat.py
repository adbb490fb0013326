"""One server that speaks chat completions. Importing this costs seconds; see `model`."""

from collections.abc import AsyncIterator
from urllib.parse import urlsplit, urlunsplit

import httpx2
from openai import AsyncOpenAI
from pydantic_ai.messages import PartDeltaEvent, PartStartEvent, TextPart, TextPartDelta
from pydantic_ai.models import ModelRequestParameters
from pydantic_ai.models.openai import OpenAIChatModel
from pydantic_ai.output import OutputObjectDefinition
from pydantic_ai.profiles.openai import OpenAIModelProfile
from pydantic_ai.providers.openai import OpenAIProvider
from pydantic_ai.settings import ModelSettings

from ripieno.domain.errors import ModelRefused, ModelUnavailable
from ripieno.domain.messages import ModelEvent, ModelRequest, TextDelta
from ripieno.models.providers.openai import failures
from ripieno.models.providers.openai.conversion import definitions, to_reply, to_wire

OFFICIAL = (".openai.com", ".openai.azure.com")


class Chat:
    """A server and what was learnt about it."""

    def __init__(self, client: httpx2.AsyncClient, api_key: str, base_url: str) -> None:
        self._api_key = api_key
        self._base_url = _without_login(base_url)
        # A server without keys still gets one: an empty one makes no valid header.
        sdk = AsyncOpenAI(api_key=api_key or "none", base_url=base_url, http_client=client, max_retries=0)
        self._provider = OpenAIProvider(openai_client=sdk)
        self._models: dict[str, OpenAIChatModel] = {}
        self._without_format: set[str] = set()

    async def stream(self, request: ModelRequest) -> AsyncIterator[ModelEvent]:
        """Answer once. A server that refuses the response format is asked again without, and so from then on."""
        name = request.model.partition(":")[2] or request.model
        formatted = self._asks_for_format(request, name)
        try:
            async for event in self._attempt(request, name, formatted=formatted):
                yield event
        except ModelRefused as error:
            if not formatted or not failures.about_format(error):
                raise
            self._without_format.add(name)
            async for event in self._attempt(request, name, formatted=False):
                yield event

    def _asks_for_format(self, request: ModelRequest, name: str) -> bool:
        """Whether to send the schema as `response_format` too.

        Not beside tools: several servers then let the model do nothing but fill the schema. The instructions hold the
        schema in any case.
        """
        return request.output_schema is not None and not request.tools and name not in self._without_format

    async def _attempt(self, request: ModelRequest, name: str, *, formatted: bool) -> AsyncIterator[ModelEvent]:
        began = False
        try:
            model = self._model(name)
            asked = (to_wire(request), _settings(request), _parameters(request, formatted))
            async with model.request_stream(*asked) as stream:
                async for event in stream:
                    began = True
                    if isinstance(event, PartStartEvent) and isinstance(event.part, TextPart):
                        text = event.part.content
                    elif isinstance(event, PartDeltaEvent) and isinstance(event.delta, TextPartDelta):
                        text = event.delta.content_delta
                    else:
                        continue
                    if text:
                        yield TextDelta(text)
                response = stream.get()
        except failures.EXPECTED as error:
            raise failures.translated(error, self._api_key, began=began) from None
        if response.finish_reason == "error":
            raise ModelUnavailable("the provider says that it failed while it answered")
        yield to_reply(response, request.tools, name, self._base_url)

    def _model(self, name: str) -> OpenAIChatModel:
        if name not in self._models:
            official = f".{urlsplit(self._base_url).hostname or ''}".endswith(OFFICIAL)
            profile = OpenAIModelProfile(
                json_schema_transformer=None,  # schemas go out as they are
                supports_json_schema_output=True,
                openai_chat_supports_max_completion_tokens=official,  # elsewhere `max_tokens` is the one understood
                openai_chat_streaming_requires_finish_reason=True,  # a stream without one was cut
            )
            self._models[name] = OpenAIChatModel(name, provider=self._provider, profile=profile)
        return self._models[name]


def _settings(request: ModelRequest) -> ModelSettings:
    settings = ModelSettings(timeout=request.timeout)
    if request.temperature is not None:
        settings["temperature"] = request.temperature
    if request.max_tokens is not None:
        settings["max_tokens"] = request.max_tokens
    return settings


def _parameters(request: ModelRequest, formatted: bool) -> ModelRequestParameters:
    tools = definitions(request.tools)
    if not formatted or request.output_schema is None:
        return ModelRequestParameters(function_tools=tools)
    name = "".join(sign if sign.isalnum() else "_" for sign in str(request.output_schema.get("title", "answer")))[:64]
    shape = OutputObjectDefinition(json_schema=request.output_schema, name=name, strict=False)
    return ModelRequestParameters(function_tools=tools, output_mode="native", output_object=shape)


def _without_login(base_url: str) -> str:
    parts = urlsplit(base_url)
    return urlunsplit(parts._replace(netloc=parts.netloc.rpartition("@")[2]))
