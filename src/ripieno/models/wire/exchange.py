"""One request over a wire of pydantic-ai, and its answer; importing this costs seconds, see `lazy`."""

from collections.abc import AsyncIterator
from typing import Any, Protocol

from pydantic_ai.messages import ModelResponse, PartDeltaEvent, PartStartEvent, TextPart, TextPartDelta
from pydantic_ai.messages import ModelResponseStreamEvent as WireEvent
from pydantic_ai.models import Model as WireModel
from pydantic_ai.models import ModelRequestParameters
from pydantic_ai.output import OutputObjectDefinition
from pydantic_ai.profiles import ModelProfile
from pydantic_ai.settings import ModelSettings

from ripieno.domain.errors import ModelRefused, ModelUnavailable, UnsupportedInput
from ripieno.domain.messages import ModelEvent, ModelRequest, TextDelta
from ripieno.models.closing import closing
from ripieno.models.wire import attached, failures
from ripieno.models.wire.conversion import definitions, to_reply, to_wire
from ripieno.models.wire.server import Server

IMAGES = frozenset({"image/png", "image/jpeg", "image/gif", "image/webp"})
SOUNDS = frozenset({"audio/wav", "audio/mpeg"})
PDF = "application/pdf"


class Dialect(Protocol):
    """What one provider's wire has of its own.

    `errors` are what its SDK raises, and `unsent` those of them before anything is sent; `strict` goes with a schema,
    `marked` says that failed results can be marked.
    """

    errors: tuple[type[Exception], ...]
    unsent: tuple[type[Exception], ...]
    strict: bool
    marked: bool

    def model(self, name: str) -> WireModel[Any]:
        """The model of that name."""
        ...

    def takes_format(self, request: ModelRequest, name: str) -> bool:
        """Whether the schema of the answer can go out as the server's own response format."""
        ...

    def settings(self, request: ModelRequest, name: str) -> ModelSettings:
        """What else the request says."""
        ...


class Exchange:
    """`ports.Model` on a server, and what was learnt about it."""

    def __init__(self, server: Server, dialect: Dialect) -> None:
        self._server = server
        self._dialect = dialect
        self._without_format: set[str] = set()

    async def stream(self, request: ModelRequest) -> AsyncIterator[ModelEvent]:
        """Answer once. A server that refuses the response format is asked again without, and so from then on."""
        name = request.model.partition(":")[2] or request.model
        self._check_input(request, name)
        formatted = self._asks_for_format(request, name)
        try:
            async with closing(self._attempt(request, name, formatted=formatted)) as events:
                async for event in events:
                    yield event
        except ModelRefused as error:
            if failures.about_input(error) and any(attached.attachments(request)):
                raise UnsupportedInput(error.detail) from None
            if not formatted or not failures.about_format(error):
                raise
            self._without_format.add(name)
            async with closing(self._attempt(request, name, formatted=False)) as events:
                async for event in events:
                    yield event

    def _check_input(self, request: ModelRequest, name: str) -> None:
        profile = self._dialect.model(name).profile
        for each in attached.attachments(request):
            if not attached.is_text(each) and not takes(profile, attached.media_type(each)):
                raise attached.unsupported(each, request.model)

    def _asks_for_format(self, request: ModelRequest, name: str) -> bool:
        """Whether to send the schema as the server's own response format too.

        Not beside tools: several servers then let the model do nothing but fill the schema. The instructions hold the
        schema in any case.
        """
        if request.output_schema is None or request.tools or name in self._without_format:
            return False
        return self._dialect.takes_format(request, name)

    async def _attempt(self, request: ModelRequest, name: str, *, formatted: bool) -> AsyncIterator[ModelEvent]:
        began = False
        messages = to_wire(request, marked=self._dialect.marked)
        asked = (messages, self._dialect.settings(request, name), self._parameters(request, formatted))
        try:
            async with self._dialect.model(name).request_stream(*asked) as stream:
                async for event in stream:
                    began = True
                    if text := _text(event):
                        yield TextDelta(text)
                response = stream.get()
            reply = to_reply(response, request.tools, name, self._server)
        except self._dialect.unsent as error:
            raise failures.unsent(error, self._server.secrets) from None
        except (*failures.EXPECTED, *self._dialect.errors) as error:
            raise failures.translated(error, self._server.secrets, began=began) from None
        _check(response, began=began)
        yield reply

    def _parameters(self, request: ModelRequest, formatted: bool) -> ModelRequestParameters:
        tools = definitions(request.tools)
        if not formatted or request.output_schema is None:
            return ModelRequestParameters(function_tools=tools)
        title = str(request.output_schema.get("title", "answer"))
        name = "".join(sign if sign.isalnum() else "_" for sign in title)[:64]
        shape = OutputObjectDefinition(json_schema=request.output_schema, name=name, strict=self._dialect.strict)
        return ModelRequestParameters(function_tools=tools, output_mode="native", output_object=shape)


def basic_settings(request: ModelRequest) -> ModelSettings:
    """What every wire is told in the same words."""
    settings = ModelSettings(timeout=request.timeout)
    if request.temperature is not None:
        settings["temperature"] = request.temperature
    if request.max_tokens is not None:
        settings["max_tokens"] = request.max_tokens
    return settings


def takes(profile: ModelProfile, media_type: str) -> bool:
    """Whether a model takes files of this type, as far as anybody knows before asking it."""
    if media_type in IMAGES:
        return profile.get("supports_image_input", True)
    if media_type in SOUNDS:
        return profile.get("supports_audio_file_input", True)
    return media_type == PDF and profile.get("supports_document_input", True)


def _text(event: WireEvent) -> str:
    if isinstance(event, PartStartEvent) and isinstance(event.part, TextPart):
        return event.part.content
    if isinstance(event, PartDeltaEvent) and isinstance(event.delta, TextPartDelta):
        return event.delta.content_delta
    return ""


def _check(response: ModelResponse, *, began: bool) -> None:
    if response.finish_reason == "error":
        raise ModelUnavailable("the provider says that it failed while it answered")
    if not began and response.finish_reason is None:
        raise ModelRefused("an answer with nothing in it")
    if response.finish_reason is None and not (response.provider_details or {}).get("finish_reason"):
        raise ModelUnavailable("the stream ended in the middle: nothing said why")
