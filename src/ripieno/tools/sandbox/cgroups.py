"""Control groups: limits on memory and processes that hold for a whole tree, where the kernel lets us have them.

Version 1 and 2 are both understood. A group of ours is made below the one that this process is in, so that limits of
the container hold as before, or below the one that an administrator gave to us.
"""

import contextlib
import errno
import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

ROOT = Path("/sys/fs/cgroup")
NEEDED = ("memory", "pids")


@dataclass(frozen=True, slots=True)
class Groups:
    """Folders that stand for one job: one in version 2, one for each controller in version 1."""

    folders: Sequence[Path]
    memory_max: Path | None = None
    events: Path | None = None
    usage: Path | None = None

    @property
    def doors(self) -> list[str]:
        """The files to which a process writes `0` to come in."""
        return [str(folder / "cgroup.procs") for folder in self.folders]

    def was_out_of_memory(self) -> bool:
        """Whether the kernel ended a process for using too much."""
        if self.events is None:
            return False
        with contextlib.suppress(OSError, ValueError, IndexError):
            for line in self.events.read_text().splitlines():
                name, _, count = line.partition(" ")
                if name == "oom_kill" and int(count):
                    return True
        return False

    def processor_seconds(self) -> float | None:
        """What all of them together used, those that have ended included."""
        if self.usage is None:
            return None
        with contextlib.suppress(OSError, ValueError, IndexError):
            text = self.usage.read_text()
            if self.usage.name == "cpuacct.usage":
                return int(text) / 1e9
            return int(dict(line.split() for line in text.splitlines())["usage_usec"]) / 1e6
        return None

    def remove(self) -> bool:
        """Take the folders away; False while something is still in them."""
        for folder in self.folders:
            try:
                folder.rmdir()
            except FileNotFoundError:
                continue
            except OSError as error:
                if error.errno == errno.EBUSY:
                    return False
                raise
        return True


class ControlGroups:
    """Makes groups, if this process may. `delegated` is a folder of version 2 that was given to us."""

    def __init__(self, root: Path = ROOT, own: Path = Path("/proc/self/cgroup"), delegated: Path | None = None) -> None:
        self._bases = [delegated] if delegated else _own(root, own)
        self._version = _version(self._bases)

    @property
    def version(self) -> int:
        """1 or 2; 0 where groups cannot be made."""
        return self._version

    def make(self, name: str, memory: int, processes: int) -> Groups | None:
        """A group with limits; None where none can be made."""
        made: list[Path] = []
        try:
            if self._version == 2:  # noqa: PLR2004 - the version
                return _second(self._bases[0] / name, memory, processes, made)
            if self._version == 1:
                return _first(self._bases, name, (memory, processes), made)
        except OSError:
            Groups(made).remove()
        return None


def _own(root: Path, own: Path) -> list[Path]:
    """Where groups may be made: of version 2 one place, of version 1 one for each controller."""
    try:
        lines = [line.split(":", 2) for line in own.read_text().splitlines()]
    except OSError:
        return []
    places = {name: place.lstrip("/") for _, names, place in lines for name in names.split(",")}
    if all((root / name).is_dir() for name in NEEDED):
        known = [name for name in (*NEEDED, "cpuacct") if (root / name).is_dir()]
        return [_there(root / name, places.get(name, "")) for name in known]
    here = _there(root, places.get("", ""))
    return [folder for folder in (here, here.parent) if _delegates(folder)][:1]


def _there(root: Path, place: str) -> Path:
    """The folder of a place; the root of the mount where the container hides it."""
    return root / place if (root / place).is_dir() else root


def _version(bases: Sequence[Path]) -> int:
    if not bases or not all(os.access(base, os.W_OK | os.X_OK) for base in bases):
        return 0
    return 2 if (bases[0] / "cgroup.controllers").exists() else 1


def _delegates(folder: Path) -> bool:
    with contextlib.suppress(OSError):
        return set(NEEDED) <= set((folder / "cgroup.subtree_control").read_text().split())
    return False


def _first(bases: Sequence[Path], name: str, limits: tuple[int, int], made: list[Path]) -> Groups:
    for base in bases:
        (base / name).mkdir()
        made.append(base / name)
    memory, processes, *accounting = made
    (memory / "memory.limit_in_bytes").write_text(str(limits[0]))
    with contextlib.suppress(OSError):  # kernels without accounting of swap
        (memory / "memory.memsw.limit_in_bytes").write_text(str(limits[0]))
    (processes / "pids.max").write_text(str(limits[1]))
    usage = next((folder / "cpuacct.usage" for folder in accounting), None)
    return Groups(made, memory / "memory.limit_in_bytes", memory / "memory.oom_control", usage)


def _second(folder: Path, memory: int, processes: int, made: list[Path]) -> Groups:
    folder.mkdir()
    made.append(folder)
    (folder / "memory.max").write_text(str(memory))
    for name, value in _optional():
        with contextlib.suppress(OSError):
            (folder / name).write_text(value)
    (folder / "pids.max").write_text(str(processes))
    return Groups(made, folder / "memory.max", folder / "memory.events", folder / "cpu.stat")


def _optional() -> Iterator[tuple[str, str]]:
    yield "memory.swap.max", "0"
    yield "memory.oom.group", "1"
