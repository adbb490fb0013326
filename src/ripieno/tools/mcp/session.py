"""One connection to a running server, from its handshake to its end. The only file that speaks to the MCP library."""

import asyncio
import contextlib
import logging
from collections.abc import AsyncGenerator, Callable, Sequence
from typing import TypeAlias

import anyio
import mcp_types as types
from anyio.streams.memory import MemoryObjectReceiveStream, MemoryObjectSendStream
from mcp.client import Client, IncomingMessage
from mcp.shared.exceptions import MCPError
from mcp.shared.message import SessionMessage
from mcp_types.version import MODERN_PROTOCOL_VERSIONS

from ripieno import __version__
from ripieno.domain.jsons import JsonObject
from ripieno.domain.tools import ToolResult, ToolSpec, ToolStatus
from ripieno.tools.mcp import mapping
from ripieno.tools.mcp.config import ServerConfig
from ripieno.tools.mcp.outages import ServerLost
from ripieno.tools.mcp.process import ServerProcess
from ripieno.tools.names import is_tool_name

_log = logging.getLogger(__name__)

_PAGES = 100  # of a tool list: a server that pages for ever is cut off

Incoming: TypeAlias = SessionMessage | Exception


class Session:
    """A server that has shaken hands."""

    def __init__(self, client: Client, config: ServerConfig) -> None:
        self._client = client
        self._config = config

    async def tools(self) -> Sequence[ToolSpec]:
        """The tools the server has now, of those that are allowed."""
        found: list[types.Tool] = []
        cursor: str | None = None
        for _ in range(_PAGES):
            page = await self._client.list_tools(cursor=cursor, cache_mode="refresh")
            found += page.tools
            cursor = page.next_cursor
            if cursor is None:
                break
        allowed = [tool for tool in found if mapping.is_allowed(self._config, tool)]
        named = [tool for tool in allowed if is_tool_name(f"{self._config.name}.{tool.name}")]
        for tool in allowed:
            if tool not in named:
                _log.warning("server %s: tool %r has a name that models cannot use", self._config.name, tool.name)
        return tuple(mapping.spec(self._config, tool) for tool in named)

    async def call(self, tool: str, arguments: JsonObject, idempotency_key: str) -> ToolResult:
        """Call a tool by the server's own name for it.

        Raises:
            ServerLost: The connection ended first.
        """
        meta: types.RequestParamsMeta | None = {"idempotencyKey": idempotency_key} if idempotency_key else None
        try:
            return mapping.result(await self._client.call_tool(tool, arguments, meta=meta))
        except MCPError as error:
            if error.code == types.CONNECTION_CLOSED:
                raise self._lost() from None
            return ToolResult(ToolStatus.ERROR, error.message)
        except (anyio.ClosedResourceError, anyio.BrokenResourceError):
            raise self._lost() from None
        except RuntimeError as error:  # how the library says that a result breaks the tool's schema
            _log.warning("server %s: %s", self._config.name, error)
            return ToolResult(ToolStatus.INVALID_RESULT, f"{tool} broke its own output schema.")

    async def changes(self, changed: Callable[[], None]) -> None:
        """Tell of every change of the tool list, until the connection ends; older servers do by themselves."""
        if self._client.protocol_version not in MODERN_PROTOCOL_VERSIONS:
            return
        with contextlib.suppress(MCPError, RuntimeError, TimeoutError):  # a server need not offer it
            async with self._client.listen(tools_list_changed=True) as subscription:
                async for _ in subscription:
                    changed()

    def _lost(self) -> ServerLost:
        return ServerLost(f"server {self._config.name} was lost during the call")


@contextlib.asynccontextmanager
async def connected(
    config: ServerConfig, process: ServerProcess, changed: Callable[[], None]
) -> AsyncGenerator[Session]:
    """Shake hands with a started server; `changed` is called when it says that its tools have changed.

    Raises:
        Exception: Whatever went wrong, as the library puts it.
    """

    async def notice(message: IncomingMessage) -> None:
        if isinstance(message, types.ToolListChangedNotification):
            changed()

    client = Client(
        _streams(process),
        message_handler=notice,
        client_info=types.Implementation(name="ripieno", version=__version__),
    )
    async with client:
        yield Session(client, config)


@contextlib.asynccontextmanager
async def _streams(
    process: ServerProcess,
) -> AsyncGenerator[tuple[MemoryObjectReceiveStream[Incoming], MemoryObjectSendStream[SessionMessage]]]:
    """The process's lines as the streams that the library works on."""
    incoming, received = anyio.create_memory_object_stream[Incoming](0)
    sent, outgoing = anyio.create_memory_object_stream[SessionMessage](0)
    async with asyncio.TaskGroup() as group:
        pumps = [group.create_task(_read(process, incoming)), group.create_task(_write(process, outgoing))]
        try:
            yield received, sent
        finally:
            for pump in pumps:
                pump.cancel()
            for stream in (incoming, received, sent, outgoing):
                stream.close()


async def _read(process: ServerProcess, incoming: MemoryObjectSendStream[Incoming]) -> None:
    with incoming, contextlib.suppress(anyio.BrokenResourceError, anyio.ClosedResourceError):
        while (line := await process.line()) is not None:
            try:
                message = types.jsonrpc_message_adapter.validate_json(line, by_name=False)
            except ValueError:
                process.note(b"\nnot a message: " + line[:200])
                continue
            await incoming.send(SessionMessage(message))


async def _write(process: ServerProcess, outgoing: MemoryObjectReceiveStream[SessionMessage]) -> None:
    with outgoing:
        async for session_message in outgoing:
            await process.send(session_message.message.model_dump_json(by_alias=True, exclude_unset=True).encode())
