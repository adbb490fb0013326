"""`ports.Model` on OpenAI's chat completions or its Responses API, for any base URL that speaks them."""

from typing import Literal

import httpx2

from ripieno.models.wire.lazy import LazyModel
from ripieno.models.wire.server import Server


class OpenAIModel(LazyModel):
    """`ports.Model` for OpenAI, or for a server with its chat completions, or with its Responses API."""

    def __init__(
        self, client: httpx2.AsyncClient, api_key: str, base_url: str, api: Literal["chat", "responses"] = "chat"
    ) -> None:
        super().__init__(f"ripieno.models.wire.{api}", client, Server("openai", base_url, api_key))
