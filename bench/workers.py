"""Worker processes under measurement, and the platform that gives them work without working itself."""

import asyncio
import json
import subprocess
import sys
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import asdict

import asyncpg

from bench import scripted
from bench.programs import ROOT, BenchFailed

START_SECONDS = 60.0
STOP_SECONDS = 60.0
POLL_SECONDS = 0.02


class ScriptedWorker:
    """A running `bench.scripted_worker`."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self._process = process

    async def begin(self) -> None:
        """Let it work; returns when it does. Raises `BenchFailed`."""
        assert self._process.stdin is not None
        self._process.stdin.write(b"\n")
        await self.said("works")

    async def said(self, word: str) -> None:
        """Wait for its next word. Raises `BenchFailed`."""
        assert self._process.stdout is not None
        line = b""
        try:
            async with asyncio.timeout(START_SECONDS):
                line = await self._process.stdout.readline()
        except TimeoutError:
            pass
        if word.encode() not in line:
            raise BenchFailed("a worker did not start; its own words are above")

    async def kill(self) -> None:
        """SIGKILL."""
        self._process.kill()
        await self._process.wait()

    async def stop(self) -> None:
        """Let it drain and end. Raises `BenchFailed`."""
        try:
            async with asyncio.timeout(STOP_SECONDS):
                await self._process.communicate(b"")
        except TimeoutError:
            raise BenchFailed(f"a worker did not stop within {STOP_SECONDS:g} s") from None
        if self._process.returncode:
            raise BenchFailed(f"a worker ended with code {self._process.returncode}; its own words are above")


@asynccontextmanager
async def scripted_worker(place: scripted.Place) -> AsyncGenerator[ScriptedWorker]:
    """Start a worker, which waits until it is told to begin; it is killed if it runs when the block ends."""
    given = json.dumps({**asdict(place), "folder": str(place.folder)})
    arguments = [sys.executable, "-m", "bench.scripted_worker", given]
    pipe = subprocess.PIPE
    process = await asyncio.create_subprocess_exec(*arguments, cwd=ROOT, stdin=pipe, stdout=pipe)
    worker = ScriptedWorker(process)
    try:
        await worker.said("ready")
        yield worker
    finally:
        if process.returncode is None:
            await worker.kill()


@asynccontextmanager
async def connected(url: str) -> AsyncGenerator["asyncpg.Connection[asyncpg.Record]"]:
    """A connection to look into the database from outside."""
    connection = await asyncpg.connect(url)
    try:
        yield connection
    finally:
        await connection.close()


async def until(met: Callable[[], Awaitable[bool]], seconds: float, what: str) -> None:
    """Ask until the answer is yes.

    Raises:
        BenchFailed: It is not within `seconds`.
    """
    try:
        async with asyncio.timeout(seconds):
            while not await met():  # noqa: ASYNC110 - a database tells nobody
                await asyncio.sleep(POLL_SECONDS)
    except TimeoutError:
        raise BenchFailed(f"{what}: not within {seconds:g} s") from None
