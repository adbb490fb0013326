"""One connection to a running server, from its handshake to its end: the only file that drives the MCP library."""

import asyncio
import contextlib
import logging
from collections.abc import AsyncGenerator, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import anyio
import mcp_types as types
from mcp.client import Client, IncomingMessage
from mcp.client.session import ClientRequestContext
from mcp.shared.exceptions import MCPError
from mcp_types.version import MODERN_PROTOCOL_VERSIONS

from ripieno import __version__
from ripieno.domain import inputs
from ripieno.domain.inputs import InputQuestion
from ripieno.domain.jsons import JsonObject
from ripieno.domain.mcp_servers import OfferedTool
from ripieno.domain.tools import ToolContext, ToolResult, ToolStatus
from ripieno.tools.mcp import elicitation, mapping
from ripieno.tools.mcp.config import ServerConfig
from ripieno.tools.mcp.endpoint import BROKEN, UNSENT
from ripieno.tools.mcp.log_tail import LogTail
from ripieno.tools.mcp.outages import ServerDown, ServerLost
from ripieno.tools.mcp.specs import is_allowed
from ripieno.tools.mcp.wires import Wire
from ripieno.tools.names import is_tool_name

_log = logging.getLogger(__name__)

_PAGES = 100  # of a tool list: a server that pages for ever is cut off
_TOOLS = 2000  # of one server
_ROUNDS = 10  # in which a server may ask, within one call

Progress = Callable[[], None]


@dataclass(slots=True, eq=False)
class _Call:
    """A call under way: what people said before, and what it asks now."""

    answers: Mapping[str, Any]
    questions: list[InputQuestion] = field(default_factory=list[InputQuestion])


class Session:
    """A server that has shaken hands."""

    def __init__(self, config: ServerConfig, wire: Wire, tail: LogTail) -> None:
        self._config = config
        self._wire = wire
        self._tail = tail
        self._client: Client | None = None
        self._calls: list[_Call] = []
        self._ended = asyncio.Event()
        # Before 2026-07-28 a question does not say which call it is about. A server that has asked is called by one.
        self._asks = False
        self._turn = asyncio.Lock()

    def shake(self, client: Client) -> None:
        """The library has shaken hands."""
        self._client = client

    @property
    def _live(self) -> Client:
        if self._client is None:
            raise self._lost()
        return self._client

    @property
    def revision(self) -> str:
        """The protocol revision that was agreed on."""
        return self._live.protocol_version

    @property
    def server(self) -> str:
        """What the server says it is."""
        info = self._live.server_info
        return f"{info.name} {info.version}"[:200].strip() if info else ""

    async def tools(self) -> Sequence[OfferedTool]:
        """The tools the server has now, of those that are allowed and can be used.

        Raises:
            ServerDown, ServerLost: It cannot be asked.
        """
        found: list[types.Tool] = []
        cursor: str | None = None
        for _ in range(_PAGES):
            page = await self._page(cursor)
            found += page.tools
            cursor = page.next_cursor
            if cursor is None or len(found) > _TOOLS:
                break
        allowed = [tool for tool in found[:_TOOLS] if is_allowed(self._config, tool.name)]
        return [mapping.offered(tool) for tool in self._first(allowed)]

    async def _page(self, cursor: str | None) -> types.ListToolsResult:
        try:
            return await self._live.list_tools(cursor=cursor, cache_mode="refresh")
        except MCPError as error:
            raise self._outage(error) or error from None

    def _first(self, found: Sequence[types.Tool]) -> Sequence[types.Tool]:
        """Each name once, and no name that models cannot use."""
        named: dict[str, types.Tool] = {}
        for tool in found:
            if not is_tool_name(f"{self._config.name}.{tool.name}"):
                self._tail.add("connection", f"tool {tool.name!r} is left out: models cannot use its name", "warning")
            elif tool.name in named:
                self._tail.add("connection", f"a second tool {tool.name} is left out", "warning")
            else:
                named[tool.name] = tool
        return list(named.values())

    async def call(
        self, tool: str, arguments: JsonObject, context: ToolContext, heard: Progress | None = None
    ) -> ToolResult:
        """Call a tool by the server's own name for it; `heard` is called when the server tells of progress.

        Raises:
            ServerDown: The server did not take the call.
            ServerLost: The connection ended first.
        """
        async with self._order():
            call = _Call(context.answers)
            self._calls.append(call)
            try:
                result = await self._called(tool, arguments, context, call, heard)
            finally:
                self._calls.remove(call)
                self._ended.set()
        return inputs.required(f"{self._config.name}.{tool}", call.questions) if call.questions else result

    @contextlib.asynccontextmanager
    async def _order(self) -> AsyncGenerator[None]:
        if not self._asks:
            yield
            return
        async with self._turn:
            while self._calls:
                self._ended.clear()
                await self._ended.wait()
            yield

    async def _called(
        self, tool: str, arguments: JsonObject, context: ToolContext, call: _Call, heard: Progress | None
    ) -> ToolResult:
        key = context.idempotency_key
        meta: types.RequestParamsMeta = {"idempotencyKey": key} if key else {}
        try:
            answer = await self._asked(tool, arguments, meta, call, heard)
        except MCPError as error:
            if outage := self._outage(error):
                raise outage from None
            return ToolResult(ToolStatus.ERROR, error.message)
        except (anyio.ClosedResourceError, anyio.BrokenResourceError):
            raise self._lost() from None
        except RuntimeError as error:  # how the library says that a result breaks the tool's schema
            self._tail.add("connection", str(error), "warning")
            return ToolResult(ToolStatus.INVALID_RESULT, f"{tool} broke its own output schema.")
        return ToolResult(ToolStatus.ERROR, f"{tool} asks for ever") if answer is None else mapping.result(answer)

    async def _asked(
        self,
        tool: str,
        arguments: JsonObject,
        meta: types.RequestParamsMeta,
        call: _Call,
        heard: Progress | None,
    ) -> types.CallToolResult | None:
        """The answer; None where the server asks too often. Questions that nobody has answered are left in the call."""

        async def told(progress: float, total: float | None, message: str | None) -> None:
            self._tail.add(
                "progress", f"{tool}: {progress:g}{f' of {total:g}' if total else ''} {message or ''}".strip()
            )
            if heard is not None:
                heard()

        state: str | None = None
        responses: dict[str, types.InputResponse] | None = None
        for _ in range(_ROUNDS):
            answer = await self._live.session.call_tool(
                tool,
                arguments,
                progress_callback=told,
                meta=meta or None,
                input_responses=responses,
                request_state=state,
                allow_input_required=True,
            )
            if not isinstance(answer, types.InputRequiredResult):
                return answer
            responses, state = await self._responses(answer, call), answer.request_state
            if call.questions:
                return types.CallToolResult(content=[])
        return None

    async def _responses(self, wanted: types.InputRequiredResult, call: _Call) -> dict[str, types.InputResponse] | None:
        responses: dict[str, types.InputResponse] = {}
        for key, request in (wanted.input_requests or {}).items():
            match request:
                case types.ElicitRequest(params=params):
                    responses[key] = self._said(params, call)
                case types.ListRootsRequest():
                    responses[key] = types.ListRootsResult(roots=[])
                case types.CreateMessageRequest():
                    raise MCPError(types.INVALID_REQUEST, "The server asks for a model, which it is not given.")
        if not responses:
            await anyio.sleep(0.1)
        return responses or None

    # -- what the server says by itself --------------------------------------------------------------------------

    async def elicited(self, context: ClientRequestContext, params: types.ElicitRequestParams) -> types.ElicitResult:
        """Answer a question in the middle of a call: with what a person said before, or with the wish to stop."""
        del context
        waits, self._asks = self._asks and len(self._calls) > 1, True
        if waits:  # another question waits already
            return elicitation.CANCEL
        while len(self._calls) > 1:
            self._ended.clear()
            await self._ended.wait()
        return self._said(params, self._calls[0]) if self._calls else elicitation.CANCEL

    def _said(self, params: types.ElicitRequestParams, call: _Call) -> types.ElicitResult:
        question = elicitation.question(params)
        answer = elicitation.answer(question, call.answers)
        if answer is None:
            call.questions.append(question)
        return answer or elicitation.CANCEL

    async def logged(self, params: types.LoggingMessageNotificationParams) -> None:
        """Keep a log message."""
        text = params.data if isinstance(params.data, str) else repr(params.data)
        self._tail.add("log", f"{params.logger}: {text}" if params.logger else text, params.level)

    async def changes(self, changed: Callable[[], None]) -> None:
        """Tell of every change of the tool list, until the connection ends; older servers do by themselves."""
        if self.revision not in MODERN_PROTOCOL_VERSIONS:
            return
        with contextlib.suppress(MCPError, RuntimeError, TimeoutError):  # a server need not offer it
            async with self._live.listen(tools_list_changed=True) as subscription:
                changed()  # perhaps before anybody listened
                async for _ in subscription:
                    changed()

    async def ask_for_logs(self) -> None:
        """Ask an older server for its log messages; newer ones are asked with each request."""
        offers = self._live.server_capabilities.logging is not None
        if self.revision in MODERN_PROTOCOL_VERSIONS or not offers:
            return
        request = types.SetLevelRequest(params=types.SetLevelRequestParams(level="info"))
        with contextlib.suppress(MCPError):
            await self._live.session.send_request(request, types.EmptyResult)

    # -- outages -------------------------------------------------------------------------------------------------

    def _outage(self, error: MCPError) -> ServerDown | ServerLost | None:
        """What an error says about the connection; None where the server itself said it."""
        if error.code == types.CONNECTION_CLOSED:
            return self._lost()
        if not self._wire.mark or error.error.data != self._wire.mark:
            return None
        text = f"server {self._config.name}: {error.message}"
        return ServerDown(text) if error.code == UNSENT else ServerLost(text) if error.code == BROKEN else None

    def _lost(self) -> ServerLost:
        return ServerLost(f"server {self._config.name} was lost during the call")


@contextlib.asynccontextmanager
async def connected(
    config: ServerConfig, wire: Wire, tail: LogTail, changed: Callable[[], None]
) -> AsyncGenerator[Session]:
    """Shake hands with a server; `changed` is called when it says that its tools have changed.

    Raises:
        Exception: Whatever went wrong, as the library puts it.
    """
    session = Session(config, wire, tail)

    async def notice(message: IncomingMessage) -> None:
        if isinstance(message, types.ToolListChangedNotification):
            changed()

    client = Client(
        wire.streams,
        mode="auto" if config.protocol == "auto" else "legacy",
        message_handler=notice,
        logging_callback=session.logged,
        log_level="info",
        elicitation_callback=session.elicited,
        client_info=types.Implementation(name="ripieno", version=__version__),
    )
    async with client:
        session.shake(client)
        await session.ask_for_logs()
        yield session
