import sys
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import NamedTuple

import psutil
import pytest

from ripieno.clock import SystemClock
from ripieno.domain.tools import ToolCall, ToolContext, ToolResult, ToolStatus
from ripieno.tools.builtin import machine
from ripieno.tools.builtin.system import system_tools
from ripieno.tools.functions import FunctionToolset


class Usage(NamedTuple):
    total: int
    used: int
    free: int
    percent: float


class Files(NamedTuple):
    f_files: int
    f_favail: int


GIB = 1024**3


async def call(tool: str, **arguments: object) -> ToolResult:
    toolset = FunctionToolset("system", system_tools(SystemClock()))
    return await toolset.call(ToolCall("1", f"system.{tool}", arguments), ToolContext("t", Path("unused")))


async def test_this_machine_is_measured():
    cpu = await call("cpu")
    assert cpu.data["cores"] >= 1
    assert "load average" in cpu.text
    memory = await call("memory")
    assert memory.data["total_bytes"] > memory.data["available_bytes"] > 0
    disk = await call("disk")
    assert "/" in [item["mount"] for item in disk.data["file_systems"]]
    uptime = await call("uptime")
    assert uptime.data["seconds"] > 0
    assert "since" in uptime.text


async def test_processes_of_this_machine():
    by_memory = await call("processes", sort="memory", limit=3)
    used = [item["memory_bytes"] for item in by_memory.data["top"]]
    assert used == sorted(used, reverse=True)
    assert len(used) <= 3
    by_cpu = await call("processes")
    assert "that use most cpu" in by_cpu.text
    assert (await call("processes", sort="age")).status is ToolStatus.INVALID_ARGUMENTS
    assert (await call("processes", limit=0)).status is ToolStatus.INVALID_ARGUMENTS


async def test_command_lines_are_not_told():
    mark = "--password=hunter2"
    process = psutil.Popen([sys.executable, "-c", "import sys; sys.stdin.read()", mark], stdin=-1)
    try:
        result = await call("processes", sort="memory", limit=50)
    finally:
        process.kill()
        process.communicate()
    assert "hunter2" not in result.text
    assert "hunter2" not in str(result.data)


@pytest.mark.parametrize("tool", ["cpu", "memory", "disk", "processes", "uptime"])
async def test_without_psutil_the_tools_are_unavailable(monkeypatch: pytest.MonkeyPatch, tool: str):
    monkeypatch.delitem(sys.modules, "ripieno.tools.builtin.machine")
    monkeypatch.delattr("ripieno.tools.builtin.machine")
    monkeypatch.setitem(sys.modules, "psutil", None)
    result = await call(tool)
    assert (result.status, result.hint) == (ToolStatus.UNAVAILABLE, "pip install 'ripieno[it]'")


@pytest.fixture
def fill(monkeypatch: pytest.MonkeyPatch) -> Callable[[str, object], None]:
    """Makes psutil report something."""

    def put(name: str, value: object) -> None:
        def report(*_: object, **__: object) -> object:
            return value

        monkeypatch.setattr(psutil, name, report)

    return put


def test_busy_processors_are_a_warning(fill: Callable[[str, object], None]):
    fill("cpu_percent", 97.2)
    fill("cpu_count", 2)
    fill("getloadavg", (9.0, 8.0, 7.0))
    assert machine.cpu().text.splitlines() == [
        "warning: CPU 97 % busy over 0.5 s on 2 cores",
        "warning: load average 9.00, 8.00, 7.00 over 1, 5 and 15 minutes: more than the 2 cores can do",
    ]


def test_full_memory_is_a_warning(fill: Callable[[str, object], None]):
    fill("virtual_memory", SimpleNamespace(total=8 * GIB, available=GIB // 2, percent=94.0))
    fill("swap_memory", SimpleNamespace(total=2 * GIB, used=GIB, percent=50.0))
    assert machine.memory().text.splitlines() == [
        "warning: memory 94 % used: 7.5 GiB of 8.0 GiB",
        "warning: swap 50 % used: 1.0 GiB of 2.0 GiB",
    ]


def test_full_disks_come_first_and_inodes_count(
    tmp_path: Path, fill: Callable[[str, object], None], monkeypatch: pytest.MonkeyPatch
):
    usage = {"/": Usage(100 * GIB, 22 * GIB, 78 * GIB, 22.0), str(tmp_path): Usage(10 * GIB, 9 * GIB, GIB, 91.0)}
    files = {"/": Files(100, 5), str(tmp_path): Files(0, 0)}

    def mounted(point: str, kind: str, device: str = "/dev/x") -> SimpleNamespace:
        return SimpleNamespace(mountpoint=point, fstype=kind, device=device)

    monkeypatch.setattr(machine, "_mounts", lambda: iter(usage))
    monkeypatch.setattr(psutil, "disk_usage", usage.__getitem__)
    monkeypatch.setattr("os.statvfs", files.__getitem__)
    assert machine.disk().text.splitlines() == [
        f"warning: disk {tmp_path} 91 % full: 9.0 GiB of 10 GiB used",
        "disk / 22 % full: 22 GiB of 100 GiB used",
        "warning: disk / has 95 % of its inodes used",
    ]
    monkeypatch.undo()
    fill("disk_partitions", [mounted("/gone", "ext4"), mounted(str(tmp_path), "squashfs"), mounted("/", "ext4")])
    assert [item["mount"] for item in machine.disk().data["file_systems"]] == ["/"]


def test_zombies_are_a_warning(fill: Callable[[str, object], None]):
    def process(pid: int, status: str) -> SimpleNamespace:
        return SimpleNamespace(
            pid=pid,
            oneshot=lambda: open("/dev/null"),  # noqa: PTH123 - any context manager will do
            name=lambda: f"p{pid}",
            username=lambda: "anna",
            status=lambda: status,
            cpu_percent=lambda: 1.5 * pid,
            memory_info=lambda: SimpleNamespace(rss=1024),
        )

    def gone() -> float:
        raise psutil.NoSuchProcess(9)

    ended = process(9, "running")
    ended.cpu_percent = gone
    fill("process_iter", [process(1, "running"), process(2, psutil.STATUS_ZOMBIE), ended])
    assert machine.processes("cpu", 1).text.splitlines() == [
        "warning: 1 zombie process that nobody has reaped",
        "2 processes; the 1 that use most cpu:",
        "1. p2 (pid 2, user anna): 3 % of a core, 1.0 KiB memory",
    ]


def test_a_restart_is_noticed(fill: Callable[[str, object], None], tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    now = datetime(2026, 1, 2, tzinfo=UTC)
    fill("boot_time", (now - timedelta(minutes=5)).timestamp())
    (tmp_path / "reboot-required").touch()
    monkeypatch.setattr(machine, "_REBOOT_WANTED", tmp_path / "reboot-required")
    assert machine.uptime(now).text.splitlines() == [
        "warning: restarted recently: up for 5 min, since 2026-01-01 23:55 UTC",
        "warning: installed updates ask for a restart",
    ]
    fill("boot_time", (now - timedelta(days=5)).timestamp())
    assert machine.uptime(now).text.startswith("up for 5 d, since 2025-12-28")
