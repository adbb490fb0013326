"""What a process and all below it use, read from `/proc`: for machines where no control group counts it."""

import contextlib
import os
from collections.abc import Iterator
from pathlib import Path

_PAGE = os.sysconf("SC_PAGE_SIZE")
_TICKS = os.sysconf("SC_CLK_TCK")
_STATE, _USED = 0, slice(11, 15)  # fields of /proc/PID/stat behind the name


def below(pid: int) -> Iterator[int]:
    """A process and its descendants. Who loses its parent in a PID namespace becomes a child of the first one there."""
    yield pid
    with contextlib.suppress(OSError):
        for task in Path(f"/proc/{pid}/task").iterdir():
            for child in (task / "children").read_text().split():
                yield from below(int(child))


def memory(pid: int) -> int:
    """Bytes that are resident in all of them; what they share is counted for each."""
    total = 0
    for each in below(pid):
        with contextlib.suppress(OSError, IndexError):
            total += int(Path(f"/proc/{each}/statm").read_text().split()[1]) * _PAGE
    return total


def processor_seconds(pid: int) -> float:
    """What all of them have used, and their children for whom they have waited."""
    total = 0
    for each in below(pid):
        with contextlib.suppress(OSError, IndexError):
            total += sum(map(int, _fields(each)[_USED]))
    return total / _TICKS


def is_alive(pid: int) -> bool:
    """Whether it still runs; one that only waits to be buried does not."""
    try:
        return _fields(pid)[_STATE] not in {"Z", "X"}
    except (OSError, IndexError):
        return False


def _fields(pid: int) -> list[str]:
    return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
