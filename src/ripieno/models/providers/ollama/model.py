"""`ports.Model` on Ollama, by the chat completions that it speaks beside its own wire."""

from urllib.parse import urlsplit, urlunsplit

import httpx2

from ripieno.models.wire.lazy import LazyModel
from ripieno.models.wire.server import Server

VERSION = "/v1"


class OllamaModel(LazyModel):
    """`ports.Model` for an Ollama server; `base_url` goes with or without `/v1`."""

    def __init__(self, client: httpx2.AsyncClient, api_key: str, base_url: str) -> None:
        parts = urlsplit(base_url.rstrip("/"))
        whole = parts.path if parts.path.endswith(VERSION) else f"{parts.path}{VERSION}"
        server = Server("ollama", urlunsplit(parts._replace(path=whole)), api_key)
        super().__init__("ripieno.models.wire.chat", client, server)
