"""What the figures were measured on."""

import os
import platform
import sqlite3
import statistics
import tempfile
import time
from pathlib import Path

SYNCS = 200


def facts(folder: Path) -> dict[str, str]:
    """The machine, the versions, and the disk that `folder` is on."""
    return {
        "machine": f"{len(os.sched_getaffinity(0))} cores, {_cpu()}, {_memory()}",
        "system": f"{platform.system()} {platform.release()}, Python {platform.python_version()}, "
        f"SQLite {sqlite3.sqlite_version}",
        "disk": f"{_file_system(folder)}, fsync of 4 kB takes {_sync_ms(folder):.2f} ms (median)",
        "busy": f"{os.getloadavg()[0]:.1f} processes on average in the minute before (0 is best)",
        "at": time.strftime("%Y-%m-%d %H:%M", time.gmtime()) + " UTC",
    }


def _cpu() -> str:
    for line in Path("/proc/cpuinfo").read_text().splitlines():
        if line.startswith("model name"):
            return line.partition(":")[2].strip()
    return platform.machine()


def _memory() -> str:
    return f"{os.sysconf('SC_PAGE_SIZE') * os.sysconf('SC_PHYS_PAGES') / 2**30:.0f} GiB"


def _file_system(folder: Path) -> str:
    """The type of the file system whose mount point is the longest that holds the folder."""
    mounts = [line.split()[1:3] for line in Path("/proc/mounts").read_text().splitlines()]
    holding = [(len(point), kind) for point, kind in mounts if folder.resolve().is_relative_to(point)]
    return max(holding)[1]


def _sync_ms(folder: Path) -> float:
    times: list[float] = []
    with tempfile.TemporaryFile(dir=folder) as file:
        for _ in range(SYNCS):
            file.write(b"x" * 4096)
            file.flush()
            began = time.perf_counter()
            os.fsync(file.fileno())
            times.append((time.perf_counter() - began) * 1000)
    return statistics.median(times)
