"""Starts other programs: found on the PATH, with argument lists, a time limit, bounded output and a clean environment.

They get nothing of this process's environment, so that no credential of the server reaches them, and end with it
however it ends.
"""

import asyncio
import contextlib
import os
import shutil
import signal
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from ripieno.tools import launcher
from ripieno.tools.failures import ToolMissing

_CHUNK = 64 * 1024
_SECONDS_TO_DIE = 5.0


@dataclass(frozen=True, slots=True)
class Program:
    """A program and how to get it."""

    name: str
    hint: str

    def find(self) -> str:
        """Its absolute path: beside this Python, or on the PATH.

        Raises:
            ToolMissing: It is not installed.
        """
        beside = shutil.which(self.name, path=str(Path(sys.executable).parent))
        found = beside or shutil.which(self.name)
        if found is None:
            raise ToolMissing(f"The program {self.name} is not installed here.", self.hint)
        return found


@dataclass(frozen=True, slots=True)
class Limits:
    """How long a program may run, and how many bytes of each of its outputs are kept."""

    seconds: float = 30.0
    output_bytes: int = 2_000_000


@dataclass(frozen=True, slots=True)
class Finished:
    """What came of a program. `code` is None when it ran out of time and was killed."""

    code: int | None
    output: str
    errors: str
    truncated: bool


@dataclass(slots=True)
class _Kept:
    """The first bytes of a stream. The rest is read and dropped, so that the program never blocks on a full pipe."""

    limit: int
    content: bytearray = field(default_factory=bytearray)
    truncated: bool = False

    async def drain(self, stream: asyncio.StreamReader | None) -> None:
        while stream and (chunk := await stream.read(_CHUNK)):
            room = self.limit - len(self.content)
            self.content += chunk[:room]
            self.truncated = self.truncated or len(chunk) > room

    def text(self) -> str:
        return self.content.decode("utf-8", "replace")


async def run(
    program: Program, arguments: Sequence[str], limits: Limits = Limits(), folder: Path | None = None
) -> Finished:
    """Run a program to its end, or kill it and its children when its time is over.

    Raises:
        ToolMissing: The program is not installed.
    """
    process = await asyncio.create_subprocess_exec(
        *launcher.command(program.find(), *arguments),
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
        cwd=folder,
        env=_environment(),
        start_new_session=True,
    )
    output, errors = _Kept(limits.output_bytes), _Kept(limits.output_bytes)
    code = None
    try:
        async with asyncio.timeout(limits.seconds), asyncio.TaskGroup() as group:
            group.create_task(output.drain(process.stdout))
            group.create_task(errors.drain(process.stderr))
            code = await process.wait()
    except TimeoutError:
        code = None
    finally:
        if process.returncode is None or code is None:
            await _kill(process)
    return Finished(code, output.text(), errors.text(), output.truncated)


async def _kill(process: asyncio.subprocess.Process) -> None:
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(process.pid, signal.SIGKILL)
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(_SECONDS_TO_DIE), asyncio.TaskGroup() as group:
            group.create_task(_Kept(0).drain(process.stdout))
            group.create_task(_Kept(0).drain(process.stderr))
            await process.wait()


def _environment() -> Mapping[str, str]:
    return {"PATH": os.defpath, "HOME": str(Path.home()), "LC_ALL": "C.UTF-8", "TZ": "UTC"}
