"""What a sandbox is asked for and what it answers, whichever driver there is."""

from collections.abc import Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path
from typing import Protocol

from ripieno.tools.failures import ToolMissing

WORK = "/work"
"""The folder that a job starts in and may write to, as it sees it."""

PROXY_PORT = 3128
"""Where a job with network finds its proxy, on its own 127.0.0.1."""


@dataclass(frozen=True, slots=True)
class Limits:
    """What a job may use, all its processes together where the driver says so.

    `memory`, `disk` and `output` are bytes; `output` is of standard output and standard error together. `seconds` is
    wall-clock time. `disk` is the size of the work folder, and of all files that come out of it.
    """

    memory: int = 256 << 20
    cpu_seconds: int = 30
    seconds: float = 30.0
    processes: int = 64
    output: int = 1_000_000
    disk: int = 64 << 20
    open_files: int = 256


@dataclass(frozen=True, slots=True)
class Job:
    """A command to run. `files` are put into the work folder, by relative path.

    `proxy` is the socket of an egress proxy on this machine: the only way out that the job gets. Without it there is
    no network at all.
    """

    command: Sequence[str]
    files: Mapping[str, bytes] = field(default_factory=dict[str, bytes])
    stdin: bytes = b""
    environment: Mapping[str, str] = field(default_factory=dict[str, str])
    proxy: Path | None = None


class Ending(StrEnum):
    """Why a job ended."""

    EXITED = "exited"
    KILLED = "killed"
    TIME = "time"
    CPU = "cpu"
    MEMORY = "memory"
    OUTPUT = "output"


@dataclass(frozen=True, slots=True)
class Outcome:
    """What came of a job.

    `code` is its exit code, 128 and the signal's number where one ended it, None where a limit did. `files` are those
    in the work folder that are new or changed, `left_out` names those that are not among them, and why. Nothing of a
    job that a limit ended comes out but what it wrote to its outputs.
    """

    ending: Ending
    code: int | None
    output: bytes
    errors: bytes
    files: Mapping[str, bytes] = field(default_factory=dict[str, bytes])
    left_out: Mapping[str, str] = field(default_factory=dict[str, str])


@dataclass(frozen=True, slots=True)
class Description:
    """What a driver is: `holds` and `does_not_hold` are sentences for whoever runs the server."""

    driver: str
    holds: Sequence[str] = ()
    does_not_hold: Sequence[str] = ()


class SandboxRefused(ToolMissing):
    """There is no safe way to run the job here, so it is not run."""


class Sandbox(Protocol):
    """Runs commands where they can harm nothing."""

    async def describe(self) -> Description:
        """What holds here. Raises `SandboxRefused` when the driver cannot be safe on this machine."""
        ...

    async def run(self, job: Job, limits: Limits) -> Outcome:
        """Run a job to its end, or to a limit's; nothing of it is left then. Raises `SandboxRefused`."""
        ...

    def confined(
        self, command: Sequence[str], limits: Limits, proxy: Path | None = None, readable: Sequence[Path] = ()
    ) -> AbstractAsyncContextManager[Sequence[str]]:
        """A command line that runs another one inside, for whoever starts programs and speaks with them over pipes.

        It gets the environment that the starter gives, and sees the folders `readable`. What is left of it ends with
        the block. Of the limits, those of time, output and processor time do not apply. Raises `SandboxRefused`.
        """
        ...
