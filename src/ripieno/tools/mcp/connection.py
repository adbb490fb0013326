"""One server, kept connected: a task of its own connects to it, watches it, and does so again when it is lost.

Callers never touch the connection themselves: each call is a task beside the connection, so that the end of a server
cancels calls but no caller.
"""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Literal, TypeAlias, cast

from ripieno.domain.errors import RipienoError
from ripieno.domain.jsons import JsonObject
from ripieno.domain.mcp_servers import EVERYBODY, OfferedTool
from ripieno.domain.tools import ToolContext, ToolResult, ToolSpec
from ripieno.ports import Clock, Secrets
from ripieno.tools.failures import failed, not_sent
from ripieno.tools.mcp.config import ServerConfig
from ripieno.tools.mcp.credentials import resolved
from ripieno.tools.mcp.log_tail import LogTail
from ripieno.tools.mcp.outages import ServerDown, ServerLost
from ripieno.tools.mcp.specs import spec

if TYPE_CHECKING:
    from ripieno.tools.mcp.session import Session
    from ripieno.tools.mcp.wires import Ending

_log = logging.getLogger(__name__)

_FIRST_PAUSE = 0.2  # seconds before the second start; doubled each time
_LONGEST_PAUSE = 30.0
_QUOTED = 500  # characters of the server's last words in the log
_HEALTHY = 10.0  # seconds after which a server is forgiven its earlier deaths
_PROBE_PAUSE = 30.0  # seconds after which a server over HTTP is asked whether it is still there

State: TypeAlias = Literal["connecting", "ready", "down"]
Admit: TypeAlias = Callable[[Sequence[OfferedTool]], Awaitable[Sequence[OfferedTool]]]


async def everything(offered: Sequence[OfferedTool]) -> Sequence[OfferedTool]:
    """Take over all that is offered."""
    return offered


@dataclass(frozen=True, slots=True)
class Means:
    """What a connection needs beside the clock: the secrets of a tenant, and who says which tools are taken over."""

    secrets: Secrets | None = None
    tenant: str = EVERYBODY
    admit: Admit = everything
    scrub: Callable[[str], str] = str


ALONE = Means()


@dataclass(frozen=True, slots=True)
class Health:
    """How a connection stands, in this process. `error` is what ended the last one."""

    state: State
    since: datetime
    error: str = ""
    revision: str = ""
    server: str = ""
    tools: int = 0
    calls: int = 0
    failures: int = 0
    connections: int = 0


class Connection:
    """Keeps one server connected for as long as `run` does."""

    def __init__(self, config: ServerConfig, clock: Clock, means: Means = ALONE) -> None:
        self._config = config
        self._clock = clock
        self._means = means
        self._live: _Live | None = None
        self._up = asyncio.Event()
        self.tried = asyncio.Event()
        self._again = asyncio.Event()
        self._slots = asyncio.Semaphore(config.concurrency)
        self._problem = "it has not been started"
        self._state: tuple[State, datetime] = ("connecting", clock.now())
        self._told = ("", "")
        self._calls = self._failures = self._connections = 0
        self._offered: Sequence[OfferedTool] | None = None
        self.specs: Sequence[ToolSpec] | None = None
        self.tail = LogTail(clock, means.scrub)

    # -- keeping it ----------------------------------------------------------------------------------------------

    async def run(self) -> None:
        """Connect, and again whenever the connection ends, for ever. Pauses grow while it fails."""
        failures = 0
        while True:
            began = self._clock.monotonic()
            self._turn("connecting")
            # In a task of its own, because the library may cancel the task that its connection broke in.
            async with asyncio.TaskGroup() as group:
                attempt = group.create_task(self._connect())
            if attempt.cancelled():
                self._problem = "its connection broke"
            self._turn("down")
            self.tried.set()
            problem = self._means.scrub(self._problem)
            self.tail.add("connection", problem, "warning")
            _log.warning("MCP server %s: %s. It said: %s", self._config.name, problem, self._last_words())
            failures = 0 if self._clock.monotonic() - began > _HEALTHY else failures + 1
            pause = min(_FIRST_PAUSE * 2 ** min(failures, 10), _LONGEST_PAUSE)
            await self._rest(pause * (0.75 + self._clock.now().microsecond / 2_000_000))

    def reconnect(self) -> None:
        """Let go of the connection, if there is one, and connect at once."""
        self._again.set()
        if self._live is not None:
            self._live.ending.hang_up("somebody asked to connect anew")

    async def recheck(self) -> None:
        """Look again which of the offered tools are taken over."""
        if self._offered is not None:
            await self._take(self._offered)

    def health(self) -> Health:
        """How it stands."""
        state, since = self._state
        error = "" if state == "ready" else self._means.scrub(self._problem)
        tools = len(self.specs or ())
        return Health(state, since, error, *self._told, tools, self._calls, self._failures, self._connections)

    # -- using it ------------------------------------------------------------------------------------------------

    async def listed(self, seconds: float) -> Sequence[ToolSpec]:
        """The tools as last listed; waits for the first connection.

        Raises:
            ServerDown: The server never was there.
        """
        if self.specs is None:
            try:
                await asyncio.wait_for(self.tried.wait(), seconds)
            except TimeoutError:
                raise ServerDown(f"server {self._config.name} has not answered yet") from None
        if self.specs is None:
            raise self._down()
        return self.specs

    async def call(self, tool: str, arguments: JsonObject, context: ToolContext, wait: float) -> ToolResult:
        """Call a tool; waits up to `wait` seconds for a server that is just being connected to.

        A call that the server did not take is made once more when it is there again.

        Raises:
            ServerDown: It did not come.
            ServerLost: It was there and went away during the call.
            TimeoutError: It did not answer, and told of no progress.
        """
        async with self._slots:
            self._calls += 1
            try:
                result = await self._called(tool, arguments, context, wait)
            except (ServerDown, ServerLost, TimeoutError):
                self._failures += 1
                raise
            self._failures += not result.ok
            return result

    async def _called(self, tool: str, arguments: JsonObject, context: ToolContext, wait: float) -> ToolResult:
        live = await self._reached(wait)
        if not context.may_begin():
            return not_sent(tool)
        try:
            return await live.call(tool, arguments, context)
        except ServerDown:
            live.doubt.set()
            await _within(live.over, wait)
            again = await self._reached(wait)
            if again is live or not context.may_begin():
                raise
        return await again.call(tool, arguments, context)

    async def _reached(self, wait: float) -> "_Live":
        await _within(self._up, wait)
        if self._live is None:
            raise self._down()
        return self._live

    # -- inside --------------------------------------------------------------------------------------------------

    async def _connect(self) -> None:
        # The library costs half a second to import, and most installations have no server.
        from ripieno.tools.mcp.opening import opened  # noqa: PLC0415
        from ripieno.tools.mcp.session import connected  # noqa: PLC0415

        ending: Ending | None = None
        try:
            config = self._config
            if self._means.secrets is not None:
                config = await resolved(config, self._means.secrets, self._means.tenant)
            async with (
                asyncio.timeout(config.connect_timeout) as starting,
                opened(config, self._clock, self.tail) as wire,
            ):
                ending, changed = wire.ending, asyncio.Event()
                async with connected(config, wire, self.tail, changed.set) as session:
                    await self._take(await session.tools())
                    starting.reschedule(None)
                    await self._serve(session, ending, changed)
            self._problem = ending.ending
        except (Exception, BaseExceptionGroup) as error:  # noqa: BLE001 - a server can break in any way it likes
            self._problem = self._reason(error, ending)
        finally:
            self._live = None
            self._up.clear()

    async def _serve(self, session: "Session", ending: "Ending", changed: asyncio.Event) -> None:
        """Let calls through until the server has ended."""
        self._told = (session.revision, session.server)
        self._connections += 1
        self._turn("ready")
        self.tail.add("connection", f"connected to {session.server or 'a server'}, revision {session.revision}")
        async with asyncio.TaskGroup() as group:
            live = _Live(session, ending, group, changed, self._config.timeout)
            self._live = live
            self._up.set()
            self.tried.set()
            upkeep = [
                group.create_task(session.changes(changed.set)),
                group.create_task(self._refresh(live, changed)),
            ]
            await ending.closed.wait()
            self._live = None
            self._up.clear()
            live.over.set()
            for task in (*upkeep, *live.calls):
                task.cancel()

    async def _refresh(self, live: "_Live", changed: asyncio.Event) -> None:
        """List the tools anew when they changed, and after a call that was given up: does the server still answer?"""
        pause = None if self._config.transport == "stdio" else _PROBE_PAUSE
        while True:
            await _within(changed, pause)
            changed.clear()
            try:
                async with asyncio.timeout(self._config.probe_timeout):
                    await self._take(await live.session.tools())
            except TimeoutError:
                if not live.calls:  # else it may be busy with those, and they have time-outs of their own
                    live.ending.hang_up("it stopped answering")
            except (ServerDown, ServerLost) as error:
                live.ending.hang_up(error.detail)
            except Exception as error:  # noqa: BLE001 - the tools of before are better than none
                _log.warning("MCP server %s cannot list its tools", self._config.name, exc_info=error)

    async def _take(self, offered: Sequence[OfferedTool]) -> None:
        taken = await self._means.admit(offered)
        specs = tuple(spec(self._config, tool) for tool in taken)
        self._offered = offered
        self.specs = self.specs if specs == self.specs else specs

    async def _rest(self, seconds: float) -> None:
        await _within(self._again, seconds)
        self._again.clear()

    def _turn(self, state: State) -> None:
        self._state = (state, self._clock.now())

    def _reason(self, error: BaseException, ending: "Ending | None") -> str:
        first = _first(error)
        if isinstance(first, TimeoutError):
            return f"it did not answer within {self._config.connect_timeout:.3g} s"
        if isinstance(first, RipienoError):
            return first.detail
        if ending is not None and ending.closed.is_set():
            return ending.ending
        if type(first).__name__ == "MCPError":  # the library is not imported where no server is
            return str(first)[:_QUOTED]
        return f"its connection broke ({type(first).__name__})"

    def _last_words(self) -> str:
        said = " ".join(line.text for line in self.tail.lines if line.source == "stderr")
        return said[-_QUOTED:] or "nothing"

    def _down(self) -> ServerDown:
        return ServerDown(f"server {self._config.name} is not available: {self._means.scrub(self._problem)}")


class _Live:
    """A server that can be called now, and the calls that are under way. `doubt` asks whether it still answers."""

    def __init__(
        self, session: "Session", ending: "Ending", group: asyncio.TaskGroup, doubt: asyncio.Event, seconds: float
    ) -> None:
        self.session = session
        self.ending = ending
        self.calls: set[asyncio.Task[ToolResult | ServerDown | ServerLost]] = set()
        self.doubt = doubt
        self.over = asyncio.Event()
        self._group = group
        self._seconds = seconds

    async def call(self, tool: str, arguments: JsonObject, context: ToolContext) -> ToolResult:
        """Call a tool, for as long as it goes on."""
        async with asyncio.timeout(self._seconds) as timer:

            def progress() -> None:
                if not timer.expired():
                    timer.reschedule(asyncio.get_running_loop().time() + self._seconds)

            task = self._group.create_task(self._ask(tool, arguments, context, progress))
            self.calls.add(task)
            task.add_done_callback(self.calls.discard)
            try:
                await asyncio.wait({task})
            except asyncio.CancelledError:
                task.cancel()
                self.doubt.set()
                raise
        if task.cancelled():
            raise ServerLost("the server was lost during the call")
        answer = task.result()
        if isinstance(answer, ServerDown | ServerLost):
            raise answer
        return answer

    async def _ask(
        self, tool: str, arguments: JsonObject, context: ToolContext, progress: Callable[[], None]
    ) -> ToolResult | ServerDown | ServerLost:
        """What became of the call; an exception here would end the connection and all its calls."""
        try:
            return await self.session.call(tool, arguments, context, progress)
        except (ServerDown, ServerLost) as error:
            return error
        except Exception as error:  # noqa: BLE001 - whatever one call does wrong concerns that call alone
            return failed(tool, error)


async def _within(event: asyncio.Event, seconds: float | None) -> None:
    """Wait for an event, but not for longer."""
    try:
        async with asyncio.timeout(seconds):
            await event.wait()
    except TimeoutError:
        return


def _first(error: BaseException) -> BaseException:
    """The first cause in groups of them."""
    found = error
    while isinstance(found, BaseExceptionGroup):
        found = cast("BaseExceptionGroup[BaseException]", found).exceptions[0]
    return found
