"""A server process and its three pipes: lines in, lines out, and what it says on the side."""

import asyncio
import contextlib
import os
import shutil
import signal
from collections import deque
from collections.abc import Callable
from typing import cast

from ripieno.domain.errors import ToolUnavailable
from ripieno.tools import launcher
from ripieno.tools.mcp.config import ServerConfig

MAX_LINE = 32 * 1024 * 1024
"""Bytes of one message; a server that sends more is ended."""

_STDIN, _STDOUT, _STDERR = range(3)
_WAITING = 64  # lines that may wait before the server has to
_GRACE = 1.0  # seconds to end when asked, and again when told
_REAPING = 5.0  # seconds for the system to tell us of a death by force
_LINGER = 0.5  # seconds for the last output of a dead server whose pipe somebody else holds open

_INHERITED = ("HOME", "LANG", "LC_ALL", "LOGNAME", "PATH", "SHELL", "TERM", "TMPDIR", "TZ", "USER")


def _unheard(text: bytes) -> None:
    del text


class ServerProcess(asyncio.SubprocessProtocol):
    """The process of one connection. `closed` is set when nothing more will come, `ending` says why."""

    def __init__(self, said: Callable[[bytes], None] = _unheard) -> None:
        self._said = said
        self.closed = asyncio.Event()
        self.ending = "it ended"
        self._exited = asyncio.Event()
        self._writable = asyncio.Event()
        self._writable.set()
        self._arrived = asyncio.Event()
        self._lines: deque[bytes] = deque()
        self._buffer = bytearray()
        self._transport: asyncio.SubprocessTransport | None = None

    async def line(self) -> bytes | None:
        """The next line, without its end; None when there are no more."""
        while not self._lines and not self.closed.is_set():
            self._arrived.clear()
            await self._arrived.wait()
        if not self._lines:
            return None
        line = self._lines.popleft()
        if not self._lines:
            self._reading(paused=False)
        return line

    async def send(self, line: bytes) -> None:
        """Write a line; waits while the server does not read."""
        await self._writable.wait()
        pipe = self._started.get_pipe_transport(_STDIN)
        if not self.closed.is_set():
            cast("asyncio.WriteTransport", pipe).write(line + b"\n")

    def note(self, text: bytes) -> None:
        """Pass on what the server says on the side."""
        self._said(text)

    def hang_up(self, reason: str = "") -> None:
        """Treat the connection as ended."""
        if not self.closed.is_set():
            self.ending = reason or self.ending
        self.closed.set()
        self._arrived.set()
        self._writable.set()

    async def stop(self) -> None:
        """End the server and all its children: by closing its input, else by a signal, else by force."""
        self.hang_up()
        try:
            cast("asyncio.WriteTransport", self._started.get_pipe_transport(_STDIN)).close()
            for number in (signal.SIGTERM, signal.SIGKILL):
                await self._exit(_GRACE)
                self._signal(number)
            await self._exit(_REAPING)
        finally:
            self._signal(signal.SIGKILL)
            self._started.close()

    # -- what asyncio tells --------------------------------------------------------------------------------------

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.SubprocessTransport", transport)

    def pipe_data_received(self, fd: int, data: bytes) -> None:
        if fd != _STDOUT:
            self.note(data)
            return
        first, *rest = data.split(b"\n")
        self._buffer += first
        for part in rest:
            self._lines.append(bytes(self._buffer))
            self._buffer = bytearray(part)
        if len(self._buffer) > MAX_LINE:
            self._buffer.clear()
            self.hang_up(f"it sent a message of more than {MAX_LINE} bytes")
        if len(self._lines) > _WAITING:
            self._reading(paused=True)
        self._arrived.set()

    def pipe_connection_lost(self, fd: int, exc: Exception | None) -> None:
        del exc
        if fd != _STDERR:
            self.hang_up()

    def pause_writing(self) -> None:
        self._writable.clear()

    def resume_writing(self) -> None:
        self._writable.set()

    def process_exited(self) -> None:
        self._exited.set()
        asyncio.get_running_loop().call_later(_LINGER, self.hang_up)

    # -- details -------------------------------------------------------------------------------------------------

    @property
    def _started(self) -> asyncio.SubprocessTransport:
        if self._transport is None:
            raise ToolUnavailable("the server was not started")
        return self._transport

    async def _exit(self, seconds: float) -> None:
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(self._exited.wait(), seconds)

    def _reading(self, *, paused: bool) -> None:
        pipe = cast("asyncio.ReadTransport | None", self._started.get_pipe_transport(_STDOUT))
        if pipe is None or pipe.is_closing():
            return
        if paused:
            pipe.pause_reading()
        else:
            pipe.resume_reading()

    def _signal(self, number: signal.Signals) -> None:
        """To the whole group: it outlives its leader, and a shell or `npx` between us would not pass it on."""
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(self._started.get_pid(), number)


async def start(config: ServerConfig, said: Callable[[bytes], None] = _unheard) -> ServerProcess:
    """Start a server in a session of its own with a clean environment; it dies with this process.

    `said` is called with what it writes on standard error.

    Raises:
        ToolUnavailable: There is no such program, or it cannot be started.
    """
    environment = {**_inherited(), **config.env}
    if shutil.which(config.command, path=environment.get("PATH")) is None:
        raise ToolUnavailable(f"there is no program {config.command}")
    try:
        _, process = await asyncio.get_running_loop().subprocess_exec(
            lambda: ServerProcess(said),
            *launcher.command(config.command, *config.args),
            env=environment,
            cwd=config.cwd,
            start_new_session=True,
        )
    except (OSError, ValueError) as error:
        raise ToolUnavailable(f"{config.command} cannot be started: {error}") from None
    return process


def _inherited() -> dict[str, str]:
    return {name: os.environ[name] for name in _INHERITED if name in os.environ}  # noqa: TID251 - the child's, not ours
