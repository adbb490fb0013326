"""One server, kept alive: a task of its own starts it, watches it, and starts it again when it is lost.

Callers never touch the connection themselves: each call is a task beside the connection, so that the end of a server
cancels calls but no caller.
"""

import asyncio
import logging
from collections.abc import Sequence
from typing import TYPE_CHECKING

from ripieno.domain.errors import RipienoError
from ripieno.domain.jsons import JsonObject
from ripieno.domain.tools import ToolContext, ToolResult, ToolSpec
from ripieno.ports import Clock
from ripieno.tools.failures import failed, not_sent
from ripieno.tools.mcp import process
from ripieno.tools.mcp.config import ServerConfig
from ripieno.tools.mcp.outages import ServerDown, ServerLost
from ripieno.tools.mcp.process import ServerProcess

if TYPE_CHECKING:
    from ripieno.tools.mcp.session import Session

_log = logging.getLogger(__name__)

_FIRST_PAUSE = 0.2  # seconds before the second start; doubled each time
_LONGEST_PAUSE = 30.0
_QUOTED = 500  # characters of the server's last words in the log
_HEALTHY = 10.0  # seconds after which a server is forgiven its earlier deaths


class Connection:
    """Keeps one server running for as long as `run` does."""

    def __init__(self, config: ServerConfig, clock: Clock) -> None:
        self._config = config
        self._clock = clock
        self._live: _Live | None = None
        self._up = asyncio.Event()
        self._tried = asyncio.Event()
        self._problem = "it has not been started"
        self._said = ""
        self.specs: Sequence[ToolSpec] | None = None

    async def run(self) -> None:
        """Start the server, and again whenever it ends, for ever. Pauses grow while it fails."""
        failures = 0
        while True:
            began = self._clock.monotonic()
            # In a task of its own, because the library may cancel the task that its connection broke in.
            async with asyncio.TaskGroup() as group:
                attempt = group.create_task(self._connect())
            if attempt.cancelled():
                self._problem = "its connection broke"
            self._tried.set()
            _log.warning("MCP server %s: %s. It said: %s", self._config.name, self._problem, self._said or "nothing")
            failures = 0 if self._clock.monotonic() - began > _HEALTHY else failures + 1
            pause = min(_FIRST_PAUSE * 2 ** min(failures, 10), _LONGEST_PAUSE)
            await self._clock.sleep(pause * (0.75 + self._clock.now().microsecond / 2_000_000))

    async def listed(self, seconds: float) -> Sequence[ToolSpec]:
        """The tools as last listed; waits for the first connection.

        Raises:
            ServerDown: The server never was there.
        """
        if self.specs is None:
            try:
                await asyncio.wait_for(self._tried.wait(), seconds)
            except TimeoutError:
                raise ServerDown(f"server {self._config.name} has not answered yet") from None
        if self.specs is None:
            raise self._down()
        return self.specs

    async def call(self, tool: str, arguments: JsonObject, context: ToolContext, wait: float) -> ToolResult:
        """Call a tool; waits up to `wait` seconds for a server that is just being started.

        Raises:
            ServerDown: It did not come.
            ServerLost: It was there and went away during the call.
        """
        try:
            await asyncio.wait_for(self._up.wait(), wait)
        except TimeoutError:
            raise self._down() from None
        if self._live is None:
            raise self._down()
        if not context.may_begin():
            return not_sent(tool)
        return await self._live.call(tool, arguments, context.idempotency_key)

    async def _connect(self) -> None:
        # The library costs half a second to import, and most installations have no server.
        from ripieno.tools.mcp.session import connected  # noqa: PLC0415

        server = None
        self._said = ""
        try:
            server = await process.start(self._config)
            changed = asyncio.Event()
            starting = asyncio.timeout(self._config.connect_timeout)
            async with starting, connected(self._config, server, changed.set) as session:
                self.specs = await session.tools()
                starting.reschedule(None)
                await self._serve(server, session, changed)
            self._problem = server.ending
        except (Exception, BaseExceptionGroup) as error:  # noqa: BLE001 - a server can break in any way it likes
            self._problem = self._reason(error, server)
        finally:
            self._live = None
            self._up.clear()
            if server is not None:
                await server.stop()
                self._said = " ".join(server.tail.split())[-_QUOTED:]

    def _reason(self, error: BaseException, server: ServerProcess | None) -> str:
        if isinstance(error, TimeoutError):
            return f"it did not answer within {self._config.connect_timeout:.3g} s"
        if isinstance(error, RipienoError):
            return error.detail
        if server is not None and server.closed.is_set():
            return server.ending
        return f"its connection broke ({type(error).__name__})"

    async def _serve(self, server: ServerProcess, session: "Session", changed: asyncio.Event) -> None:
        """Let calls through until the server has ended."""
        async with asyncio.TaskGroup() as group:
            live = _Live(session, group, changed)
            self._live = live
            self._up.set()
            self._tried.set()
            upkeep = [
                group.create_task(session.changes(changed.set)),
                group.create_task(self._refresh(server, live, changed)),
            ]
            await server.closed.wait()
            self._live = None
            self._up.clear()
            for task in (*upkeep, *live.calls):
                task.cancel()

    async def _refresh(self, server: ServerProcess, live: "_Live", changed: asyncio.Event) -> None:
        """List the tools anew when they changed, and after a call that was given up: does the server still answer?"""
        while True:
            await changed.wait()
            changed.clear()
            try:
                async with asyncio.timeout(self._config.probe_timeout):
                    specs = await live.session.tools()
            except TimeoutError:
                if not live.calls:  # else it may be busy with those, and they have time-outs of their own
                    server.hang_up("it stopped answering")
            except Exception as error:  # noqa: BLE001 - the tools of before are better than none
                _log.warning("MCP server %s cannot list its tools", self._config.name, exc_info=error)
            else:
                self.specs = self.specs if specs == self.specs else specs

    def _down(self) -> ServerDown:
        return ServerDown(f"server {self._config.name} is not available: {self._problem}")


class _Live:
    """A server that can be called now, and the calls that are under way."""

    def __init__(self, session: "Session", group: asyncio.TaskGroup, doubt: asyncio.Event) -> None:
        self.session = session
        self.calls: set[asyncio.Task[ToolResult | ServerLost]] = set()
        self._group = group
        self._doubt = doubt

    async def call(self, tool: str, arguments: JsonObject, idempotency_key: str) -> ToolResult:
        task = self._group.create_task(self._ask(tool, arguments, idempotency_key))
        self.calls.add(task)
        task.add_done_callback(self.calls.discard)
        try:
            await asyncio.wait({task})
        except asyncio.CancelledError:
            task.cancel()
            self._doubt.set()
            raise
        if task.cancelled():
            raise ServerLost("the server was lost during the call")
        answer = task.result()
        if isinstance(answer, ServerLost):
            raise answer
        return answer

    async def _ask(self, tool: str, arguments: JsonObject, idempotency_key: str) -> ToolResult | ServerLost:
        """What became of the call; an exception here would end the connection and all its calls."""
        try:
            return await self.session.call(tool, arguments, idempotency_key)
        except ServerLost as error:
            return error
        except Exception as error:  # noqa: BLE001 - whatever one call does wrong concerns that call alone
            return failed(tool, error)
