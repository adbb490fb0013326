"""Looks at this machine. Needs psutil, so that only `system` imports it, and late."""

import os
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import psutil

from ripieno.domain.jsons import JsonObject
from ripieno.domain.tools import ToolResult
from ripieno.tools.builtin.wording import counted, report, size, span

SAMPLE_SECONDS = 0.5
BUSY_PERCENT = 90
FULL_PERCENT = 85
OVERLOAD = 1.5
SWAPPING_PERCENT = 50
RESTARTED_SECONDS = 3600
_REBOOT_WANTED = Path("/run/reboot-required")
_NO_REAL_DISKS = {"squashfs", "iso9660", "tmpfs", "devtmpfs"}


def cpu() -> ToolResult:
    """How busy the processors are, over half a second, and the load."""
    busy = psutil.cpu_percent(interval=SAMPLE_SECONDS)
    cores = psutil.cpu_count() or 1
    loads = psutil.getloadavg()
    used = f"CPU {busy:.0f} % busy over {SAMPLE_SECONDS} s on {counted(cores, 'core')}"
    load = f"load average {loads[0]:.2f}, {loads[1]:.2f}, {loads[2]:.2f} over 1, 5 and 15 minutes"
    lines = [
        f"warning: {used}" if busy >= BUSY_PERCENT else used,
        f"warning: {load}: more than the {counted(cores, 'core')} can do" if loads[1] > OVERLOAD * cores else load,
    ]
    return report(lines, {"busy_percent": busy, "cores": cores, "load": list(loads)})


def memory() -> ToolResult:
    """Main memory and swap."""
    main, swap = psutil.virtual_memory(), psutil.swap_memory()
    text = f"memory {main.percent:.0f} % used: {size(main.total - main.available)} of {size(main.total)}"
    swapped = f"swap {swap.percent:.0f} % used: {size(swap.used)} of {size(swap.total)}" if swap.total else "no swap"
    lines = [
        f"warning: {text}" if main.percent >= BUSY_PERCENT else f"{text}, {size(main.available)} available",
        f"warning: {swapped}" if swap.total and swap.percent >= SWAPPING_PERCENT else swapped,
    ]
    data = {
        "total_bytes": main.total,
        "available_bytes": main.available,
        "used_percent": main.percent,
        "swap_total_bytes": swap.total,
        "swap_used_bytes": swap.used,
    }
    return report(lines, data)


def disk() -> ToolResult:
    """Each file system: how full, also in files."""
    found = [_file_system(mount) for mount in _mounts()]
    systems = [item for item in found if item is not None]
    lines: list[str] = []
    for item in sorted(systems, key=lambda each: -each["used_percent"]):
        text = f"disk {item['mount']} {item['used_percent']:.0f} % full: "
        text += f"{size(item['used_bytes'])} of {size(item['total_bytes'])} used"
        lines.append(f"warning: {text}" if item["used_percent"] >= FULL_PERCENT else text)
        if item["files_percent"] >= FULL_PERCENT:
            lines.append(f"warning: disk {item['mount']} has {item['files_percent']:.0f} % of its inodes used")
    return report(lines or ["no file system can be read here"], {"file_systems": systems})


def _mounts() -> Iterator[str]:
    """One mount point for each device; the root always."""
    yield "/"
    seen = {str(Path("/").stat().st_dev)}
    for partition in psutil.disk_partitions(all=False):
        try:
            device = str(Path(partition.mountpoint).stat().st_dev)
        except OSError:
            continue
        is_folder = Path(partition.mountpoint).is_dir()
        if partition.fstype not in _NO_REAL_DISKS and is_folder and not seen & {device, partition.device}:
            yield partition.mountpoint
        seen |= {device, partition.device}


def _file_system(mount: str) -> JsonObject | None:
    try:
        used, files = psutil.disk_usage(mount), os.statvfs(mount)
    except OSError:
        return None
    return {
        "mount": mount,
        "total_bytes": used.total,
        "used_bytes": used.used,
        "free_bytes": used.free,
        "used_percent": used.percent,
        "files_percent": 100 * (1 - files.f_favail / files.f_files) if files.f_files else 0.0,
    }


def processes(sort: str, limit: int) -> ToolResult:
    """The processes that use most. Names only: command lines may hold passwords."""
    running = list(psutil.process_iter())
    for process in running:
        _percent(process)  # the first call only starts the measurement
    psutil.cpu_percent(interval=SAMPLE_SECONDS)
    facts = [item for process in running if (item := _process(process))]
    zombies = sum(item["status"] == psutil.STATUS_ZOMBIE for item in facts)
    key = "cpu_percent" if sort == "cpu" else "memory_bytes"
    top = sorted(facts, key=lambda item: (-item[key], item["pid"]))[:limit]
    lines = [f"{counted(len(facts), 'process', 'processes')}; the {len(top)} that use most {sort}:"]
    if zombies:
        lines.insert(0, f"warning: {counted(zombies, 'zombie process', 'zombie processes')} that nobody has reaped")
    for place, item in enumerate(top, 1):
        used = f"{item['cpu_percent']:.0f} % of a core, {size(item['memory_bytes'])} memory"
        lines.append(f"{place}. {item['name']} (pid {item['pid']}, user {item['user']}): {used}")
    return report(lines, {"count": len(facts), "zombies": zombies, "top": top})


def _percent(process: psutil.Process) -> float:
    try:
        return process.cpu_percent()
    except psutil.Error:
        return 0.0


def _process(process: psutil.Process) -> JsonObject | None:
    try:
        with process.oneshot():
            return {
                "pid": process.pid,
                "name": process.name(),
                "user": process.username(),
                "status": str(process.status()),
                "cpu_percent": process.cpu_percent(),
                "memory_bytes": process.memory_info().rss,
            }
    except (psutil.Error, KeyError):  # it ended meanwhile, or its user has no name
        return None


def uptime(now: datetime) -> ToolResult:
    """Since when the machine runs, and whether it wants to be restarted."""
    booted = datetime.fromtimestamp(psutil.boot_time(), UTC)
    seconds = max(0.0, (now - booted).total_seconds())
    text = f"up for {span(seconds)}, since {booted:%Y-%m-%d %H:%M} UTC"
    wanted = _REBOOT_WANTED.exists()
    lines = [
        f"warning: restarted recently: {text}" if seconds < RESTARTED_SECONDS else text,
        "warning: installed updates ask for a restart" if wanted else "",
    ]
    return report(lines, {"boot_time": booted.isoformat(), "seconds": round(seconds), "restart_wanted": wanted})
