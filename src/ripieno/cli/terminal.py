"""The person at the keyboard: lines as they are typed, and an editor for what is longer."""

import asyncio
import os
import subprocess
import sys
import tempfile
from collections.abc import Callable, Generator
from contextlib import contextmanager
from pathlib import Path

LINE_BYTES = 65_536
EDITOR = '${VISUAL:-${EDITOR:-vi}} "$0"'
NO_MORE = ""
"""What is heard when the input has ended (Ctrl-D)."""


def interactive() -> bool:
    """Whether a person can both see a question and answer it."""
    return sys.stdin.isatty() and sys.stdout.isatty()


@contextmanager
def typed(hear: Callable[[str], None]) -> Generator[None]:
    """Call `hear` with each line that is typed (with its line end), and with `NO_MORE` at the end of the input.

    Nothing blocks and no thread waits, so that a question can be taken back while it stands there.
    """
    loop = asyncio.get_running_loop()
    descriptor = sys.stdin.fileno()

    def ready() -> None:
        text = os.read(descriptor, LINE_BYTES).decode(errors="replace")
        if not text:
            loop.remove_reader(descriptor)
        hear(text)

    loop.add_reader(descriptor, ready)
    try:
        yield
    finally:
        loop.remove_reader(descriptor)


async def edited(text: str) -> str:
    """What a person makes of a text in their editor: `$VISUAL`, `$EDITOR`, else vi.

    Raises:
        OSError: The editor cannot be started, or says that it failed.
    """
    return await asyncio.to_thread(_edited, text)


def _edited(text: str) -> str:
    with tempfile.TemporaryDirectory(prefix="ripieno-") as folder:
        file = Path(folder) / "arguments.json"
        file.write_text(text)
        done = subprocess.run(["sh", "-c", EDITOR, str(file)], check=False)
        if done.returncode:
            raise OSError(f"it ended with {done.returncode}")
        return file.read_text()
