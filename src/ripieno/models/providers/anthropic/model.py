"""`ports.Model` on Anthropic's Messages API, for any base URL that speaks it."""

import httpx2

from ripieno.models.wire.lazy import LazyModel
from ripieno.models.wire.server import Server


class AnthropicModel(LazyModel):
    """`ports.Model` for Anthropic, or for a server with its Messages API; `base_url` goes without `/v1`."""

    def __init__(self, client: httpx2.AsyncClient, api_key: str, base_url: str) -> None:
        server = Server("anthropic", base_url, api_key)
        super().__init__("ripieno.models.providers.anthropic.messages", client, server)
