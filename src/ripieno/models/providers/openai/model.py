"""`ports.Model` on OpenAI's chat completions, for any base URL that speaks them.

This file is light; the wire format (`chat`) costs seconds to import and is loaded, in a thread, by the first call.
"""

import asyncio
import importlib
from collections.abc import AsyncIterator
from typing import TYPE_CHECKING, cast

import httpx2

from ripieno.domain.errors import ModelUnavailable
from ripieno.domain.messages import ModelEvent, ModelRequest
from ripieno.models.closing import closing

if TYPE_CHECKING:
    from ripieno.models.providers.openai.chat import Chat


class OpenAIModel:
    """`ports.Model` for a server with OpenAI's chat completions.

    `client` is the only way out and is not closed here; the SDK behind it does no retries. `request.timeout` bounds
    the whole call, the time between two pieces of the answer included.
    """

    def __init__(self, client: httpx2.AsyncClient, api_key: str, base_url: str) -> None:
        self._client = client
        self._api_key = api_key
        self._base_url = base_url
        self._chat: Chat | None = None
        self._loading = asyncio.Lock()

    async def stream(self, request: ModelRequest) -> AsyncIterator[ModelEvent]:
        """Answer.

        Raises:
            ModelUnavailable: 408, 409, 429, 5xx, no connection, a stream that breaks off, `request.timeout`.
            ModelRefused: Any other refusal, or an answer that is none.
        """
        chat = await self._loaded()
        deadline = asyncio.get_running_loop().time() + request.timeout
        async with closing(chat.stream(request)) as events:
            while True:
                # The time-out must not be open during a yield: it would cancel whatever the reader does then.
                try:
                    async with asyncio.timeout_at(deadline):
                        event = await anext(events, None)
                except TimeoutError:
                    raise ModelUnavailable(f"no whole answer within {request.timeout:g} s") from None
                if event is None:
                    return
                yield event

    async def _loaded(self) -> "Chat":
        async with self._loading:
            if self._chat is None:
                wire = await asyncio.to_thread(importlib.import_module, "ripieno.models.providers.openai.chat")
                self._chat = cast("Chat", wire.Chat(self._client, self._api_key, self._base_url))
            return self._chat
