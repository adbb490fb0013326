"""Servers over HTTP: one guarded client for a server, and the transport on it."""

from collections.abc import AsyncGenerator, Generator
from contextlib import AsyncExitStack, asynccontextmanager

import httpx2
from mcp.client.streamable_http import streamable_http_client

from ripieno.domain import ids
from ripieno.domain.errors import ToolUnavailable
from ripieno.ports import Clock
from ripieno.tools.egress.guard import guarded_client
from ripieno.tools.egress.policy import EgressPolicy
from ripieno.tools.mcp.config import Bearer, ClientCredentials, ServerConfig
from ripieno.tools.mcp.credentials import ClientCredentialsAuth
from ripieno.tools.mcp.endpoint import CalmTransport, HttpEnding
from ripieno.tools.mcp.process import MAX_LINE
from ripieno.tools.mcp.sse import events
from ripieno.tools.mcp.wires import Streams, Wire

TOKEN_BYTES = 100_000
TOKEN_SECONDS = 30.0


@asynccontextmanager
async def opened(config: ServerConfig, clock: Clock) -> AsyncGenerator[Wire]:
    """A client for one server, open to its own origin alone, and the transport on it.

    Raises:
        ToolUnavailable: The URL is not one.
    """
    ending, mark = HttpEnding(), clock.new_id(ids.RUN)
    timeout = httpx2.Timeout(config.connect_timeout, read=None, write=config.timeout)
    async with AsyncExitStack() as stack:
        policy = EgressPolicy(
            allow_domains=(), allow_origins=(_origin(config.url),), max_bytes=None, total_timeout=None
        )
        client = guarded_client(policy, around=lambda inner: CalmTransport(inner, mark))
        await stack.enter_async_context(client)
        client.timeout = timeout
        client.follow_redirects = False
        client.headers.update(config.headers)
        if config.auth is not None:
            client.auth = await _auth(config.auth, clock, stack)
        if config.transport == "sse":
            yield Wire(ending, events(client, config.url, ending, mark), mark)
        else:
            streams: Streams = streamable_http_client(config.url, http_client=client, max_sse_event_size=MAX_LINE)  # pyright: ignore[reportAssignmentType]
            yield Wire(ending, streams, mark)


async def _auth(given: Bearer | ClientCredentials, clock: Clock, stack: AsyncExitStack) -> httpx2.Auth:
    if isinstance(given, Bearer):
        return _Bearing(given.token)
    policy = EgressPolicy(
        allow_domains=(),
        allow_origins=(_origin(given.token_url),),
        max_bytes=TOKEN_BYTES,
        total_timeout=TOKEN_SECONDS,
    )
    client = await stack.enter_async_context(guarded_client(policy))
    return ClientCredentialsAuth(given, client, clock)


class _Bearing(httpx2.Auth):
    def __init__(self, token: str) -> None:
        self._token = token

    def auth_flow(self, request: httpx2.Request) -> Generator[httpx2.Request, httpx2.Response]:
        request.headers["authorization"] = f"Bearer {self._token}"
        yield request


def _origin(address: str) -> str:
    try:
        url = httpx2.URL(address)
    except httpx2.InvalidURL:
        raise ToolUnavailable("its url is not one") from None
    return f"{url.scheme}://{url.netloc.decode()}"
