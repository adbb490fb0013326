"""The program `ripieno` as people start it: real processes in a folder of their own."""

import contextlib
import json
import os
import pty
import select
import signal
import subprocess
import sys
from collections.abc import Generator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

PROGRAM = [sys.executable, "-c", "from ripieno.cli import main; main()"]
SECONDS = 60
FOREIGN = ("RIPIENO_", "OPENAI_", "ANTHROPIC_", "OLLAMA_", "AWS_", "BEDROCK_")
SAVE = 'Save the text "Hello from Ripieno" as hello.txt'


def environment(more: Mapping[str, str] | None = None) -> dict[str, str]:
    """This process's, without what would steer the program or call a real model."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith(FOREIGN)}
    return {**kept, "COLUMNS": "120", **(more or {})}


@dataclass
class Ended:
    """How a command ended."""

    code: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        return json.loads(self.out)


def ripieno(folder: Path, *arguments: str, env: Mapping[str, str] | None = None, given: str = "") -> Ended:
    """Run a command without a terminal, to its end; `given` is on its standard input."""
    done = subprocess.run(
        [*PROGRAM, *arguments],
        cwd=folder,
        env=environment(env),
        input=given,
        capture_output=True,
        text=True,
        timeout=SECONDS,
        check=False,
    )
    return Ended(done.returncode, done.stdout, done.stderr)


@dataclass
class Server:
    """A running `ripieno serve`."""

    process: subprocess.Popen[str]
    url: str
    folder: Path
    banner: list[str] = field(default_factory=list[str])


@contextlib.contextmanager
def serving(folder: Path, *arguments: str, env: Mapping[str, str] | None = None) -> Generator[Server]:
    """Start a server on a free port, and end it with SIGTERM."""
    process = subprocess.Popen(
        [*PROGRAM, "serve", "--port", "0", *arguments],
        cwd=folder,
        env=environment(env),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    with process:
        assert process.stdout is not None
        try:
            first = process.stdout.readline()
            assert " serves on " in first, process.communicate()
            server = Server(process, first.split(" serves on ")[1].split()[0], folder, [first])
            while not server.banner[-1].startswith("  docs"):
                server.banner.append(process.stdout.readline())
            yield server
        finally:
            process.send_signal(signal.SIGTERM)
            process.communicate(timeout=SECONDS)


class Terminal:
    """A command on a pseudo-terminal."""

    def __init__(self, folder: Path, *arguments: str, env: Mapping[str, str] | None = None) -> None:
        self.text = ""
        ours, theirs = pty.openpty()
        self._descriptor = ours
        self._process = subprocess.Popen(
            [*PROGRAM, *arguments],
            cwd=folder,
            env=environment({"TERM": "xterm-256color", **(env or {})}),
            stdin=theirs,
            stdout=theirs,
            stderr=theirs,
            start_new_session=True,
        )
        os.close(theirs)

    def until(self, words: str) -> None:
        """Read until the program has written these words after what was read before."""
        start = len(self.text)
        while words not in self.text[start:]:
            assert self._read(), f"{words!r} did not come:\n{self.text}"

    def type(self, text: str) -> None:
        """Press keys."""
        os.write(self._descriptor, text.encode())

    def interrupt(self) -> None:
        """Press Ctrl-C."""
        self._process.send_signal(signal.SIGINT)

    def end(self) -> int:
        """Read to the end, and answer the exit code."""
        while self._read():
            pass
        os.close(self._descriptor)
        return self._process.wait(timeout=SECONDS)

    def _read(self) -> bool:
        ready, _, _ = select.select([self._descriptor], [], [], SECONDS)
        assert ready, f"nothing came for {SECONDS} seconds:\n{self.text}"
        try:
            piece = os.read(self._descriptor, 65536)
        except OSError:  # Linux says so when the other side is closed
            return False
        self.text += piece.decode(errors="replace")
        return bool(piece)
