"""Servers under measurement, each in a process of its own."""

import asyncio
import json
import sqlite3
import subprocess
import sys
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import psutil

from bench.goals import ENTRIES
from bench.programs import ROOT, BenchFailed

START_SECONDS = 30.0
STOP_SECONDS = 30.0


class ScriptedServer:
    """A running `bench.scripted_server`. `commits` is filled when it has stopped."""

    def __init__(self, process: asyncio.subprocess.Process, folder: Path, url: str) -> None:
        self.url = url
        self.commits: dict[str, list[int]] = {}
        self._folder = folder
        self._process = process
        self._facts = psutil.Process(process.pid)

    def cpu_seconds(self) -> float:
        """What the process has used so far, all threads, in user and system mode."""
        times = self._facts.cpu_times()
        return times.user + times.system

    def check(self, runs: int) -> None:
        """Look into the server's database.

        Raises:
            BenchFailed: Not exactly so many runs ended well, or one lacks entries.
        """
        with sqlite3.connect(self._folder / "data" / "ripieno.db") as connection:
            (whole,) = connection.execute(
                "SELECT count(*) FROM runs WHERE status = 'completed' AND last_seq ="
                " (SELECT count(*) FROM entries WHERE run_id = runs.id) AND last_seq = ?",
                (ENTRIES,),
            ).fetchone()
        if whole != runs:
            raise BenchFailed(f"{whole} of {runs} runs are whole in the server's database")

    async def stop(self) -> None:
        """Let the server end by itself, and take what it says at its end."""
        try:
            async with asyncio.timeout(STOP_SECONDS):
                told, _ = await self._process.communicate(b"")
        except TimeoutError:
            raise BenchFailed(f"the server did not stop within {STOP_SECONDS:g} s") from None
        if self._process.returncode:
            raise BenchFailed(f"the server ended with code {self._process.returncode}; its own words are above")
        self.commits = json.loads(told)


@asynccontextmanager
async def scripted_server(folder: Path, slots: int) -> AsyncGenerator[ScriptedServer]:
    """Start the server; it is killed if it was not stopped when the block ends."""
    arguments = [sys.executable, "-m", "bench.scripted_server", str(folder), str(slots)]
    pipe = subprocess.PIPE
    process = await asyncio.create_subprocess_exec(*arguments, cwd=ROOT, stdin=pipe, stdout=pipe, limit=2**26)
    try:
        yield ScriptedServer(process, folder, (await _first_line(process))["url"])
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()


async def _first_line(process: asyncio.subprocess.Process) -> Any:
    assert process.stdout is not None
    try:
        async with asyncio.timeout(START_SECONDS):
            line = await process.stdout.readline()
            if not line:
                await process.wait()
    except TimeoutError:
        line = b""
    if not line:
        raise BenchFailed("the server did not start; its own words are above")
    return json.loads(line)
