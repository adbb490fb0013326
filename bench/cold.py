"""`cold`: what it costs to import, to start, and to sit idle."""

import os
import re
import signal
import socket
import statistics
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

import psutil

from bench.programs import ROOT, BenchFailed, run_json
from bench.report import Aim, Report, Table
from bench.sizes import Size

MODULES = ("ripieno.cli", "ripieno.server.app", "ripieno.bootstrap")
SHOWN = 12
"""How many packages the table of imports names."""

START_SECONDS = 30.0
POLL_SECONDS = 0.005
IDLE_SECONDS = 1.0

TIMED_IMPORT = """
import json, sys, time
began = time.perf_counter()
__import__(sys.argv[1])
print(json.dumps(time.perf_counter() - began))
"""


@dataclass(frozen=True, slots=True)
class Start:
    """One start of `ripieno serve`, in seconds and megabytes (millions of bytes)."""

    healthy: float
    cpu: float
    rss_mb: float
    stopped: float


def measure(folder: Path, size: Size) -> Report:
    """Import and start, several times.

    Raises:
        BenchFailed: Something does not import, or the server does not become healthy or does not stop.
    """
    imports = {name: _import_ms(name, size.of(2, 5, 9)) for name in MODULES}
    starts = [_start(folder / str(number)) for number in range(size.of(2, 4, 9))]
    packages = _packages()
    return _report(imports, starts[1:], packages)  # the first one may have had to compile


def _import_ms(module: str, times: int) -> float:
    return statistics.median(run_json(["-c", TIMED_IMPORT, module], START_SECONDS) * 1000 for _ in range(times))


def _packages() -> Counter[str]:
    """Milliseconds of each top-level package's own code when the server's modules are imported."""
    command = [sys.executable, "-X", "importtime", "-c", f"import {', '.join(MODULES)}"]
    told = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=START_SECONDS, check=False)
    found: Counter[str] = Counter()
    for own, name in re.findall(r"^import time:\s+(\d+) \|\s+\d+ \|\s+(\S+)$", told.stderr, re.MULTILINE):
        found[name.partition(".")[0]] += int(own) / 1000
    return found


def _start(folder: Path) -> Start:
    """Start the shipped server on an empty folder and stop it again."""
    folder.mkdir()
    port = _free_port()
    environ = {
        name: value
        for name, value in os.environ.items()
        if not name.startswith(("RIPIENO_", "OPENAI_", "ANTHROPIC_", "OLLAMA_"))
    }
    began = time.perf_counter()
    command = [Path(sys.executable).with_name("ripieno"), "serve", "--port", str(port)]
    with (folder / "log").open("w") as log:
        process = subprocess.Popen(command, cwd=folder, env=environ, stdout=log, stderr=log)
    try:
        _until_healthy(process, f"http://127.0.0.1:{port}/health", folder / "log")
        healthy = time.perf_counter() - began
        times = psutil.Process(process.pid).cpu_times()
        time.sleep(IDLE_SECONDS)
        rss = psutil.Process(process.pid).memory_info().rss / 1e6
        began = time.perf_counter()
        process.send_signal(signal.SIGTERM)
        process.wait(START_SECONDS)
        return Start(healthy, times.user + times.system, rss, time.perf_counter() - began)
    except subprocess.TimeoutExpired:
        raise BenchFailed(f"the server did not stop within {START_SECONDS:g} s") from None
    finally:
        process.kill()
        process.wait()


def _until_healthy(process: "subprocess.Popen[bytes]", url: str, log: Path) -> None:
    ends = time.monotonic() + START_SECONDS
    while time.monotonic() < ends and process.poll() is None:
        try:
            with urllib.request.urlopen(url, timeout=5) as answer:  # noqa: S310 - our own address
                if answer.status == 200:
                    return
        except urllib.error.URLError:
            time.sleep(POLL_SECONDS)
    raise BenchFailed(f"the server did not become healthy; its log:\n{log.read_text()[-2000:]}")


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def _report(imports: dict[str, float], starts: list[Start], packages: Counter[str]) -> Report:
    median = statistics.median
    healthy, rss = median(one.healthy for one in starts), median(one.rss_mb for one in starts)
    rows = [
        *((f"import {name}", f"{ms:.0f} ms") for name, ms in imports.items()),
        ("ripieno serve: until /health is 200", f"{healthy:.2f} s"),
        ("ripieno serve: CPU until then", f"{median(one.cpu for one in starts):.2f} s"),
        ("ripieno serve: resident memory, idle", f"{rss:.0f} MB"),
        ("ripieno serve: SIGTERM to exit, idle", f"{median(one.stopped for one in starts):.2f} s"),
    ]
    top = [(name, f"{ms:.0f}") for name, ms in packages.most_common(SHOWN)]
    tables = [
        Table(("measured", "median"), rows),
        Table((f"the {SHOWN} dearest packages to import", "own ms"), top),
    ]
    aims = [
        Aim("start until healthy", healthy, 2, "s", at_most=True),
        Aim("resident memory, idle", rss, 150, "MB", at_most=True),
    ]
    notes = (
        f"{len(starts)} starts, each on an empty folder, migrations included; files are in the page cache.",
        "Own ms: a package's own code, without what it imports; measured with -X importtime, which slows it down.",
    )
    numbers = {
        "import_ms": imports,
        "healthy_s": [one.healthy for one in starts],
        "cpu_s": [one.cpu for one in starts],
        "rss_mb": [one.rss_mb for one in starts],
        "stopped_s": [one.stopped for one in starts],
        "package_ms": dict(packages.most_common()),
    }
    return Report("cold: import, start, memory", tables, aims, notes, numbers)
