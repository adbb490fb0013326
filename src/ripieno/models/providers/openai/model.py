"""`ports.Model` on OpenAI's chat completions, for any base URL that speaks them."""

import httpx2

from ripieno.models.wire.lazy import LazyModel
from ripieno.models.wire.server import Server


class OpenAIModel(LazyModel):
    """`ports.Model` for OpenAI, or for a server with its chat completions."""

    def __init__(self, client: httpx2.AsyncClient, api_key: str, base_url: str) -> None:
        super().__init__("ripieno.models.wire.chat", client, Server("openai", base_url, api_key))
