"""A model whose wire format is loaded by its first call, because the libraries behind it take seconds to import."""

import asyncio
import importlib
from collections.abc import AsyncIterator
from typing import cast

from ripieno.domain.errors import ModelRefused, ModelUnavailable
from ripieno.domain.messages import ModelEvent, ModelRequest
from ripieno.models.closing import closing
from ripieno.models.wire.server import Server
from ripieno.ports import Model


class LazyModel:
    """`ports.Model` for a server whose wire format is in the module `wire`, which has `opened(way, server)`.

    `way` is the only way out, an HTTP client for most, and is not closed here; the SDK behind it does no retries.
    `request.timeout` bounds the whole call, the time between two pieces of the answer included.
    """

    def __init__(self, wire: str, way: object, server: Server) -> None:
        self._wire = wire
        self._way = way
        self._server = server
        self._model: Model | None = None
        self._loading = asyncio.Lock()

    async def stream(self, request: ModelRequest) -> AsyncIterator[ModelEvent]:
        """Answer.

        Raises:
            ModelUnavailable: 408, 409, 429, 5xx, no connection, a stream that breaks off, `request.timeout`.
            ModelRefused: Any other refusal, or an answer that is none.
        """
        model = await self._loaded()
        deadline = asyncio.get_running_loop().time() + request.timeout
        async with closing(model.stream(request)) as events:
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

    async def _loaded(self) -> Model:
        async with self._loading:
            if self._model is None:
                try:
                    wire = await asyncio.to_thread(importlib.import_module, self._wire)
                except ImportError:
                    extra = self._server.provider
                    detail = f"{extra} needs packages that are not installed: pip install 'ripieno[{extra}]'"
                    raise ModelRefused(detail) from None
                self._model = cast("Model", wire.opened(self._way, self._server))
            return self._model
