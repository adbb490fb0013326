"""OpenAI's Responses API. Importing this costs seconds; see `lazy`.

Nothing is kept on the server: the conversation is in the journal, and goes out whole each time.
"""

import httpx2
from openai import OpenAIError
from pydantic_ai.models.openai import OpenAIResponsesModel, OpenAIResponsesModelSettings
from pydantic_ai.profiles.openai import OpenAIModelProfile
from pydantic_ai.settings import ModelSettings

from ripieno.domain.messages import ModelRequest
from ripieno.models.wire.chat import provider, reasoned_settings
from ripieno.models.wire.exchange import Exchange
from ripieno.models.wire.server import Server


def opened(client: httpx2.AsyncClient, server: Server) -> Exchange:
    """The models of a server."""
    return Exchange(server, _Responses(client, server))


class _Responses:
    """`exchange.Dialect`."""

    errors: tuple[type[Exception], ...] = (OpenAIError,)
    unsent: tuple[type[Exception], ...] = ()
    strict = False
    marked = False

    def __init__(self, client: httpx2.AsyncClient, server: Server) -> None:
        self._provider = provider(client, server)
        self._models: dict[str, OpenAIResponsesModel] = {}

    def model(self, name: str) -> OpenAIResponsesModel:
        if name not in self._models:
            profile = OpenAIModelProfile(
                json_schema_transformer=None,  # schemas go out as they are
                supports_json_schema_output=True,
                openai_supports_encrypted_reasoning_content=False,  # journals hold no reasoning to send back
            )
            self._models[name] = OpenAIResponsesModel(name, provider=self._provider, profile=profile)
        return self._models[name]

    def takes_format(self, request: ModelRequest, name: str) -> bool:  # noqa: ARG002 - see `about_format`
        return True

    def settings(self, request: ModelRequest, name: str) -> ModelSettings:
        settings = reasoned_settings(request, self.model(name).profile)
        return OpenAIResponsesModelSettings(**settings, openai_store=False)
