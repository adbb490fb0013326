"""The toolset `system`: this machine's processors, memory, disks and processes."""

from collections.abc import Callable, Sequence
from types import ModuleType
from typing import Annotated, Literal

from pydantic import Field

from ripieno.domain.effects import EffectClass
from ripieno.domain.tools import ToolResult
from ripieno.ports import Clock
from ripieno.tools.failures import ToolMissing
from ripieno.tools.functions import tool


def system_tools(clock: Clock) -> Sequence[Callable[..., ToolResult]]:
    """All five of them."""

    @tool(effect=EffectClass.READ, timeout=20, keywords=("uptime", "boot", "reboot", "restart", "up since"))
    def uptime() -> ToolResult:
        """Tell since when this machine runs and whether updates want a restart."""
        return _machine().uptime(clock.now())

    return [cpu, memory, disk, processes, uptime]


@tool(effect=EffectClass.READ, timeout=20, keywords=("cpu", "processor", "load", "load average", "cores", "machine"))
def cpu() -> ToolResult:
    """Measure how busy the processors of this machine are, and its load average."""
    return _machine().cpu()


@tool(effect=EffectClass.READ, timeout=20, keywords=("memory", "ram", "swap", "machine"))
def memory() -> ToolResult:
    """Tell how much memory and swap of this machine is used and available."""
    return _machine().memory()


@tool(effect=EffectClass.READ, timeout=20, keywords=("disk", "disk space", "storage", "file system", "full", "machine"))
def disk() -> ToolResult:
    """Tell how full each disk and file system of this machine is, in bytes and inodes."""
    return _machine().disk()


@tool(effect=EffectClass.READ, timeout=30, keywords=("process", "processes", "running programs", "zombie", "top"))
def processes(sort: Literal["cpu", "memory"] = "cpu", limit: Annotated[int, Field(ge=1, le=50)] = 5) -> ToolResult:
    """List the processes of this machine that use most CPU or memory.

    Args:
        sort: What to sort by.
        limit: How many to list, 1 to 50.
    """
    return _machine().processes(sort, limit)


def _machine() -> ModuleType:
    try:
        from ripieno.tools.builtin import machine  # noqa: PLC0415 - needs an optional library
    except ImportError:
        raise ToolMissing("The library psutil is not installed.", "pip install 'ripieno[it]'") from None
    return machine
