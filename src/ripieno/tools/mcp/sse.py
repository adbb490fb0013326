"""The transport of revision 2024-11-05: a stream of server-sent events, and posts to where the stream says."""

import asyncio
from collections.abc import AsyncGenerator
from http import HTTPStatus

import anyio
import httpx2
import mcp_types as types
from anyio.streams.memory import MemoryObjectSendStream
from mcp.shared.message import SessionMessage

from ripieno.domain.errors import RipienoError, ToolUnavailable
from ripieno.tools.mcp.endpoint import BROKEN, HttpEnding
from ripieno.tools.mcp.process import MAX_LINE
from ripieno.tools.mcp.wires import Ends, Incoming, Streams, pumped


def events(client: httpx2.AsyncClient, address: str, ending: HttpEnding, mark: str) -> Streams:
    """The server's words as events, ours as posts."""
    endpoint: asyncio.Future[httpx2.URL] = asyncio.get_running_loop().create_future()

    async def read(ends: Ends) -> None:
        with ends.incoming as incoming:
            try:
                await _read(client, address, incoming, endpoint)
                ending.hang_up("its stream ended")
            except (anyio.BrokenResourceError, anyio.ClosedResourceError):
                return
            except (httpx2.HTTPError, httpx2.InvalidURL, ToolUnavailable) as error:
                ending.hang_up(error.detail if isinstance(error, RipienoError) else f"its stream broke: {error}")

    async def write(ends: Ends) -> None:
        where = await endpoint
        with ends.outgoing as outgoing:
            async with asyncio.TaskGroup() as group:
                async for message in outgoing:
                    group.create_task(_post(client, where, message, (ends, mark)))

    return pumped(read, write)


async def _read(
    client: httpx2.AsyncClient,
    address: str,
    incoming: MemoryObjectSendStream[Incoming],
    endpoint: asyncio.Future[httpx2.URL],
) -> None:
    async for event in _told(client, address):
        if event.event == "endpoint" and not endpoint.done():
            endpoint.set_result(_within(httpx2.URL(address), event.data))
        elif event.event == "message" and event.data:
            await incoming.send(_message(event.data))


async def _told(client: httpx2.AsyncClient, address: str) -> AsyncGenerator[httpx2.ServerSentEvent]:
    async with client.stream("GET", address, headers={"accept": "text/event-stream"}) as response:
        if response.status_code != HTTPStatus.OK:
            raise ToolUnavailable(f"it answered HTTP {response.status_code}")
        async for event in httpx2.EventSource(response, max_event_size=MAX_LINE):
            yield event


def _message(text: str) -> SessionMessage | Exception:
    try:
        return SessionMessage(types.jsonrpc_message_adapter.validate_json(text, by_name=False))
    except ValueError as error:
        return error


async def _post(client: httpx2.AsyncClient, where: httpx2.URL, message: SessionMessage, back: tuple[Ends, str]) -> None:
    """Send one message; where that fails, what was asked is answered with an error, marked as ours."""
    ends, mark = back
    body = message.message.model_dump_json(by_alias=True, exclude_unset=True)
    response = await client.post(where, content=body, headers={"content-type": "application/json"})
    if response.is_success or not isinstance(message.message, types.JSONRPCRequest):
        return
    try:
        found = types.jsonrpc_message_adapter.validate_json(response.content, by_name=False)
    except ValueError:
        found = None
    known = types.ErrorData(code=BROKEN, message=f"the server answered HTTP {response.status_code}", data=mark)
    error = found.error if isinstance(found, types.JSONRPCError) else known
    reply = types.JSONRPCError(jsonrpc="2.0", id=message.message.id, error=error)
    try:
        await ends.incoming.send(SessionMessage(reply))
    except (anyio.BrokenResourceError, anyio.ClosedResourceError):
        return


def _within(own: httpx2.URL, said: str) -> httpx2.URL:
    """Where messages go; a server does not send them elsewhere."""
    where = own.join(said)
    if (where.scheme, where.host, where.port) != (own.scheme, own.host, own.port):
        raise ToolUnavailable("it wants messages to go to another origin")
    return where
