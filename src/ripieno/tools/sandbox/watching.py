"""Runs the process of a sandbox under limits that it cannot set for itself, and leaves nothing of it behind."""

import asyncio
import contextlib
import os
import signal
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from ripieno.ports import Clock
from ripieno.tools.failures import ToolFailed
from ripieno.tools.sandbox import trees
from ripieno.tools.sandbox.cgroups import Groups
from ripieno.tools.sandbox.contract import Ending, Limits

_CHUNK = 64 * 1024
_LOOK = 0.1  # seconds between two looks at what is used
_SECONDS_TO_DIE = 5.0
_OUT_OF_TIME = 128 + signal.SIGXCPU


@dataclass(frozen=True, slots=True)
class Ended:
    """How the process ended, and what it said."""

    ending: Ending
    code: int | None
    output: bytes
    errors: bytes

    @property
    def by_limit(self) -> bool:
        return self.ending not in {Ending.EXITED, Ending.KILLED}


class _LimitMet(Exception):
    def __init__(self, ending: Ending) -> None:
        self.ending = ending


@dataclass(slots=True)
class _Kept:
    """What is read of both streams, up to a limit for both."""

    room: int
    streams: tuple[bytearray, bytearray] = field(default_factory=lambda: (bytearray(), bytearray()))

    async def drain(self, number: int, stream: asyncio.StreamReader) -> None:
        while chunk := await stream.read(_CHUNK):
            self.streams[number].extend(chunk[: self.room])
            self.room -= min(self.room, len(chunk))
            if not self.room:
                raise _LimitMet(Ending.OUTPUT)


class Watched:
    """One process with all below it."""

    def __init__(self, clock: Clock, limits: Limits, groups: Groups | None) -> None:
        self._clock = clock
        self._limits = limits
        self._groups = groups

    async def run(
        self, command: Sequence[str], environment: Mapping[str, str], stdin: bytes, descriptors: Sequence[int]
    ) -> Ended:
        """Run it to its end or to a limit's."""
        try:
            process = await self._started(command, environment, descriptors)
        except OSError as error:
            raise ToolFailed(f"The job cannot be started: {(error.strerror or 'no reason').lower()}.") from None
        kept = _Kept(self._limits.output)
        ending = Ending.EXITED
        try:
            ending = await self._to_its_end(process, kept, stdin)
        finally:
            await self._end(process)
        code = process.returncode
        if ending is Ending.EXITED and code is not None and code < 0:
            ending, code = Ending.KILLED, 128 - code
        return Ended(self._judged(ending, code), code, bytes(kept.streams[0]), bytes(kept.streams[1]))

    @staticmethod
    async def _started(
        command: Sequence[str], environment: Mapping[str, str], descriptors: Sequence[int]
    ) -> asyncio.subprocess.Process:
        return await asyncio.create_subprocess_exec(
            *command,
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
            env=dict(environment),
            pass_fds=descriptors,
            start_new_session=True,
            cwd="/",
        )

    async def _to_its_end(self, process: asyncio.subprocess.Process, kept: _Kept, stdin: bytes) -> Ending:
        try:
            async with asyncio.timeout(self._limits.seconds):
                await self._with_its_outputs(process, kept, stdin)
        except TimeoutError:
            return Ending.TIME
        except _LimitMet as met:
            return met.ending
        return Ending.EXITED

    async def _with_its_outputs(self, process: asyncio.subprocess.Process, kept: _Kept, stdin: bytes) -> None:
        try:
            async with asyncio.TaskGroup() as group:
                watcher = group.create_task(self._watch(process.pid))
                group.create_task(_feed(process, stdin))
                streams = [stream for stream in (process.stdout, process.stderr) if stream]
                outputs = [group.create_task(kept.drain(number, stream)) for number, stream in enumerate(streams)]
                await process.wait()
                await asyncio.wait(outputs)  # whoever still holds them is killed with the namespace
                watcher.cancel()
        except* _LimitMet as met:
            raise _first(met) from None

    async def _watch(self, pid: int) -> None:
        """Raise when the whole tree uses too much."""
        while True:
            await self._clock.sleep(_LOOK)
            if self._groups and self._groups.was_out_of_memory():  # the kernel ended one of them, or all
                raise _LimitMet(Ending.MEMORY)
            used = self._groups.processor_seconds() if self._groups else None
            if (trees.processor_seconds(pid) if used is None else used) > self._limits.cpu_seconds:
                raise _LimitMet(Ending.CPU)
            if self._groups is None and trees.memory(pid) > self._limits.memory:
                raise _LimitMet(Ending.MEMORY)

    def _judged(self, ending: Ending, code: int | None) -> Ending:
        """What the kernel did may look like an exit."""
        if ending in {Ending.EXITED, Ending.KILLED} and code:
            if self._groups and self._groups.was_out_of_memory():
                return Ending.MEMORY
            if code == _OUT_OF_TIME:
                return Ending.CPU
        return ending

    async def _end(self, process: asyncio.subprocess.Process) -> None:
        """Kill what is left: with the first process of a PID namespace the kernel kills all others in it."""
        tree = list(trees.below(process.pid)) if process.returncode is None else []
        # First the namespace's first: its parent, bubblewrap, then buries it and ends by itself.
        for pid in (*tree[1:2], process.pid):
            if process.returncode is None:
                with contextlib.suppress(ProcessLookupError, PermissionError):
                    os.kill(pid, signal.SIGKILL)
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(_SECONDS_TO_DIE), asyncio.TaskGroup() as group:
                    for stream in (process.stdout, process.stderr):
                        group.create_task(_drop(stream))
                    await process.wait()
                    while any(map(trees.is_alive, tree)):
                        await self._clock.sleep(0.005)
                return


async def _feed(process: asyncio.subprocess.Process, stdin: bytes) -> None:
    pipe = process.stdin
    if pipe is None:
        return
    with contextlib.suppress(ConnectionError):
        pipe.write(stdin)
        await pipe.drain()
    with contextlib.suppress(ConnectionError):
        pipe.close()
        await pipe.wait_closed()


async def _drop(stream: asyncio.StreamReader | None) -> None:
    while stream and await stream.read(_CHUNK):
        pass


def _first(met: BaseExceptionGroup[_LimitMet]) -> BaseException:
    error: BaseException = met
    while isinstance(error, BaseExceptionGroup):
        error = error.exceptions[0]
    return error
