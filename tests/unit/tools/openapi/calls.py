"""A toolset before a server of the test's own, which answers in this process."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx2

from ripieno.domain.jsons import JsonObject
from ripieno.domain.principals import Principal
from ripieno.domain.tools import ToolCall, ToolContext, ToolResult
from ripieno.testing.fake_clock import FakeClock
from ripieno.testing.memory_secrets import MemorySecrets
from ripieno.tools import schemas
from ripieno.tools.openapi.addresses import place_of
from ripieno.tools.openapi.config import parsed
from ripieno.tools.openapi.reading import read
from ripieno.tools.openapi.toolset import Means, OpenApiToolset

Answer = Callable[[httpx2.Request], httpx2.Response]

OWNER = Principal("alice", "acme")


class Caller:
    """Calls tools of a document; keeps the requests that arrived."""

    def __init__(self, document: JsonObject, answer: Answer, **config: Any) -> None:
        self.requests: list[httpx2.Request] = []
        self.clock = FakeClock()
        self.secrets = MemorySecrets(self.clock)
        self._answer = answer
        client = httpx2.AsyncClient(transport=httpx2.MockTransport(self._arrived), follow_redirects=True)
        api = read(document, "t")
        means = Means(self.secrets, self.clock, schemas.check)
        self.toolset = OpenApiToolset("t", api, place_of(api, parsed(config), ""), client, means)

    async def keep(self, name: str, value: str) -> None:
        """Set a secret of the tenant that calls."""
        await self.secrets.put(OWNER, name, value)

    async def call(self, tool: str, arguments: JsonObject | None = None, **context: Any) -> ToolResult:
        """Call a tool of the toolset."""
        call = ToolCall("c1", f"t.{tool}", arguments or {})
        return await self.toolset.call(call, ToolContext("acme", Path(), **context))

    def _arrived(self, request: httpx2.Request) -> httpx2.Response:
        self.requests.append(request)
        return self._answer(request)


def ok(request: httpx2.Request) -> httpx2.Response:
    """Answers that all is well."""
    del request
    return httpx2.Response(200, json={"ok": True})
