"""Gives birth to many short-lived processes quickly.

A process that has imported everything once forks for each life, so that a life begins in a few milliseconds instead of
a second. Each life is a real process with a process id and a store of its own, and dies a real death.

The mother's protocol is JSON lines: a `Life` comes in on standard input, `{"pid"}` and later `{"code"}` go out.
"""

import asyncio
import gc
import json
import os
import signal
import subprocess
import sys
import threading
import traceback
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import IO, NoReturn, Self, cast

from ripieno.domain.jsons import Json, decode, encode
from ripieno.testing.crashtest.life import live
from ripieno.testing.crashtest.plans import Life


class Overdue(Exception):
    """A life that did not end in its time; it was killed."""


class Child:
    """A process that lives. `pid` is its process id, for signals."""

    def __init__(self, pid: int, news: IO[bytes]) -> None:
        self.pid = pid
        self._news = news

    def send(self, number: signal.Signals) -> None:
        """Send a signal; a process that is gone does not mind."""
        with suppress(ProcessLookupError):
            os.kill(self.pid, number)

    def ended(self, seconds: float = 60.0) -> int:
        """Wait for its end: the exit code, or minus the signal that killed it. Raises `Overdue`."""
        late = threading.Event()

        def kill() -> None:
            late.set()
            self.send(signal.SIGKILL)

        alarm = threading.Timer(seconds, kill)
        alarm.start()
        code: int = json.loads(self._news.readline())["code"]
        alarm.cancel()
        if late.is_set():
            raise Overdue
        return code


class Nursery:
    """One mother. She has one child at a time. `path` is where rigs are imported from."""

    def __init__(self, path: Sequence[Path] = ()) -> None:
        program = [sys.executable, "-m", "ripieno.testing.crashtest.nursery", *map(str, path)]
        # A session of its own: Ctrl-C in a terminal is for the one who asked for the lives.
        self._mother = subprocess.Popen(
            program, stdin=subprocess.PIPE, stdout=subprocess.PIPE, start_new_session=True, bufsize=0
        )

    def bear(self, life: Life) -> Child:
        """Begin a life."""
        life.folder.mkdir(parents=True, exist_ok=True)
        orders, news = cast("IO[bytes]", self._mother.stdin), cast("IO[bytes]", self._mother.stdout)
        orders.write(json.dumps(encode(life)).encode() + b"\n")
        return Child(json.loads(news.readline())["pid"], news)

    def close(self) -> None:
        """End the mother, and the child that she may have."""
        with suppress(ProcessLookupError):
            os.killpg(self._mother.pid, signal.SIGKILL)
        with self._mother:
            self._mother.wait()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


def main() -> None:
    """Be a mother until the input ends."""
    sys.path[:0] = sys.argv[1:]
    gc.freeze()
    for line in iter(sys.stdin.buffer.readline, b""):
        life = decode(Life, json.loads(line))
        pid = os.fork()
        if pid == 0:
            _live_and_die(life)
        _say({"pid": pid})
        _say({"code": os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])})


def _live_and_die(life: Life) -> NoReturn:
    code = 1
    try:
        with (life.folder / "log").open("ab") as log, Path(os.devnull).open("rb") as nothing:
            os.dup2(nothing.fileno(), 0)
            os.dup2(log.fileno(), 1)
            os.dup2(log.fileno(), 2)
        code = asyncio.run(live(life))
    except BaseException:  # noqa: BLE001 - the edge of a process: the log is all that can be told
        traceback.print_exc()
    finally:
        sys.stderr.flush()
        os._exit(code)


def _say(document: Json) -> None:
    sys.stdout.write(json.dumps(document) + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    main()
