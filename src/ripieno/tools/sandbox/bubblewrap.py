"""The driver on bubblewrap: namespaces, a system-call filter, an unprivileged user, and limits on the whole tree.

Nothing of this machine is there but `/usr` and a few files of `/etc`, for reading. The work folder is in memory and of
a fixed size; files come in and go out as packets, so that no link or name in it ever means anything out here.
"""

import json
import os
import shutil
import sys
from collections.abc import AsyncGenerator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

from ripieno.ports import Clock
from ripieno.tools.sandbox import inside, seccomp, stage
from ripieno.tools.sandbox.cgroups import ControlGroups, Groups
from ripieno.tools.sandbox.contract import PROXY_PORT, WORK, Description, Job, Limits, Outcome, SandboxRefused
from ripieno.tools.sandbox.packets import MOST_FILES, memory_file, packed, taken
from ripieno.tools.sandbox.users import Users
from ripieno.tools.sandbox.watching import Watched

_SOCKET = "/run/egress.sock"
_INSIDE = Path(inside.__file__).read_text()
_ETC = ("ld.so.cache", "alternatives", "ssl/certs", "ca-certificates", "mime.types")
_SMALL = 16 << 20  # bytes of folders for scraps
_OWN_PROCESSES = 4  # bubblewrap's and ours
_ENVIRONMENT = {
    "PATH": "/usr/local/bin:/usr/bin:/bin",
    "HOME": WORK,
    "LANG": "C.UTF-8",
    "TMPDIR": "/tmp",  # noqa: S108 - the sandbox's own
    "PYTHONDONTWRITEBYTECODE": "1",
}
_PROBE = Limits(seconds=20.0, memory=128 << 20, processes=8, disk=1 << 20)


def python_below_usr() -> str | None:
    """A Python that a job can see."""
    own = str(Path(sys.executable).resolve())
    if own.startswith("/usr/"):
        return own
    return shutil.which("python3", path="/usr/local/bin:/usr/bin")


@dataclass(frozen=True, slots=True)
class Means:
    """What the driver works with."""

    clock: Clock
    groups: ControlGroups = field(default_factory=ControlGroups)
    users: Users = field(default_factory=Users)
    program: str | None = field(default_factory=lambda: shutil.which("bwrap"))
    python: str | None = field(default_factory=python_below_usr)


class BubblewrapSandbox:
    """`contract.Sandbox`."""

    def __init__(self, means: Means) -> None:
        self._means = means
        self._proven = False

    async def describe(self) -> Description:
        await self._prove()
        means = self._means
        holds = [
            "no network but through the egress proxy, no files but /usr, no other processes are seen",
            f"system calls are filtered ({len(self._filter()) // 8} lines)",
            "the work folder has a fixed size and is in memory",
        ]
        weak: list[str] = []
        if means.users.change:
            holds.append("each job has a user of its own, without any right on this machine")
        if means.groups.version:
            holds.append(f"memory and processes are limited by control groups, version {means.groups.version}")
        else:
            holds.append("processes are limited for each job, data memory for each process")
            weak.append(
                "no control groups can be made here: the memory of the whole tree is summed ten times a second, and"
                " the tree is killed when it is over, so it may be over for a moment"
            )
        return Description("bubblewrap", holds, weak)

    async def run(self, job: Job, limits: Limits) -> Outcome:
        await self._prove()
        return await self._run(job, limits)

    @asynccontextmanager
    async def confined(
        self, command: Sequence[str], limits: Limits, proxy: Path | None = None, readable: Sequence[Path] = ()
    ) -> AsyncGenerator[Sequence[str]]:
        await self._prove()
        name = self._name()
        groups = self._means.groups.make(name, limits.memory, limits.processes + _OWN_PROCESSES)
        order = {"command": list(command), "given": None, "taken": None, "bridge": _bridge(proxy)}
        inner = command if proxy is None else self._inner(order)
        try:
            yield self._staged(self._bubble(inner, limits, proxy, readable), limits, groups, endless=True)
        finally:
            await self._removed(groups)

    # -- how a job runs ------------------------------------------------------------------------------------------

    async def _run(self, job: Job, limits: Limits) -> Outcome:
        given, answer = memory_file(packed(job.files)), memory_file()
        groups = self._means.groups.make(self._name(), limits.memory, limits.processes + _OWN_PROCESSES)
        try:
            order = {
                "command": list(job.command),
                "given": given,
                "taken": answer,
                "most_bytes": limits.disk,
                "most_files": MOST_FILES,
                "bridge": _bridge(job.proxy),
            }
            command = self._staged(self._bubble(self._inner(order), limits, job.proxy), limits, groups)
            watched = Watched(self._means.clock, limits, groups)
            ended = await watched.run(command, environment(job), job.stdin, (given, answer))
            code, files, left_out = taken(answer, limits.disk)
        finally:
            os.close(given)
            os.close(answer)
            await self._removed(groups)
        if ended.by_limit:
            return Outcome(ended.ending, None, ended.output, ended.errors)
        new = {path: content for path, content in files.items() if job.files.get(path) != content}
        return Outcome(ended.ending, ended.code if code is None else code, ended.output, ended.errors, new, left_out)

    def _inner(self, order: Mapping[str, object]) -> Sequence[str]:
        return (str(self._means.python), "-I", "-S", "-c", _INSIDE, json.dumps(order))

    def _bubble(
        self, inner: Sequence[str], limits: Limits, proxy: Path | None, readable: Sequence[Path] = ()
    ) -> Sequence[str]:
        etc = [part for name in _ETC for part in ("--ro-bind-try", f"/etc/{name}", f"/etc/{name}")]
        way_out = ["--ro-bind", str(proxy), _SOCKET] if proxy else []
        more = [part for path in readable for part in ("--ro-bind", str(path), str(path))]
        return (
            str(self._means.program),
            *("--unshare-user", "--unshare-ipc", "--unshare-pid", "--unshare-uts", "--unshare-cgroup-try"),
            *("--unshare-net", "--disable-userns", "--die-with-parent", "--new-session", "--cap-drop", "ALL"),
            *("--uid", "65534", "--gid", "65534", "--hostname", "sandbox"),
            *("--ro-bind", "/usr", "/usr"),
            *(part for link in _links() for part in ("--symlink", f"usr/{link}", f"/{link}")),
            *etc,
            *("--proc", "/proc", "--dev", "/dev"),
            *("--size", str(_SMALL), "--tmpfs", "/dev/shm", "--remount-ro", "/dev"),  # noqa: S108 - the sandbox's own
            *("--size", str(_SMALL), "--tmpfs", "/tmp"),  # noqa: S108 - the sandbox's own
            *("--size", str(limits.disk), "--tmpfs", WORK),
            *more,
            *way_out,
            *("--remount-ro", "/", "--chdir", WORK, "--seccomp", "{seccomp}", "--"),
            *inner,
        )

    def _staged(
        self, bubble: Sequence[str], limits: Limits, groups: Groups | None, *, endless: bool = False
    ) -> Sequence[str]:
        most = {
            "CORE": 0,
            "FSIZE": limits.disk + (1 << 20),
            "NOFILE": limits.open_files,
            "NPROC": limits.processes + _OWN_PROCESSES,
            "MEMLOCK": 64 << 10,
            "MSGQUEUE": 0,
        }
        if not endless:
            most["CPU"] = limits.cpu_seconds + 1
        if groups is None:
            most["DATA"] = limits.memory
        order = {
            "doors": groups.doors if groups else [],
            "uid": self._means.users.next(),
            "limits": most,
            "seccomp": self._filter().hex(),
            "command": list(bubble),
        }
        return (sys.executable, "-I", "-S", stage.__file__, json.dumps(order))

    def _filter(self) -> bytes:
        made = seccomp.program()
        if made is None:
            raise SandboxRefused("There is no system-call filter for this kind of processor.")
        return made

    def _name(self) -> str:
        return self._means.clock.new_id(f"ripieno_{os.getpid()}")

    async def _removed(self, groups: Groups | None) -> None:
        if groups is None:
            return
        for _ in range(200):
            if groups.remove():
                return
            await self._means.clock.sleep(0.01)

    # -- whether it may run at all -------------------------------------------------------------------------------

    async def _prove(self) -> None:
        """Once: everything is there, and a job that looks around sees what it should.

        Raises:
            SandboxRefused: Something is missing.
        """
        if self._proven:
            return
        means = self._means
        if means.program is None:
            raise SandboxRefused("bubblewrap is not installed here.", "Install the package bubblewrap.")
        if means.python is None:
            raise SandboxRefused("There is no Python below /usr, which jobs need.", "Install the package python3.")
        if means.users.problem:
            raise SandboxRefused(means.users.problem)
        self._filter()
        done = await self._run(Job((means.python, "-I", "-S", "-c", _LOOK)), _PROBE)
        if done.output.strip() != b"safe":
            said = (done.errors or done.output).decode(errors="replace").strip()[-300:]
            raise SandboxRefused(
                f"bubblewrap cannot make a safe sandbox here: {said or 'it ended without a word'}",
                "It needs user namespaces; containers often forbid them.",
            )
        self._proven = True


_LOOK = """
import os
facts = {line.split(":")[0]: line.split()[1] for line in open("/proc/self/status") if len(line.split()) > 1}
wrong = [name for name, value in (("CapEff", "0" * 16), ("NoNewPrivs", "1"), ("Seccomp", "2")) if facts[name] != value]
try:
    os.close(os.open("/proc/sys/kernel/core_pattern", os.O_WRONLY))
    wrong.append("core_pattern")
except OSError:
    pass
if os.listdir("/sys/class/net") != ["lo"] if os.path.isdir("/sys/class/net") else False:
    wrong.append("network")
print("unsafe: " + ", ".join(wrong) if wrong else "safe")
"""


def environment(job: Job) -> dict[str, str]:
    """What a job gets of variables: nothing of this process's."""
    proxy = proxy_variables() if job.proxy else {}
    return {**_ENVIRONMENT, **proxy, **job.environment}


def proxy_variables() -> dict[str, str]:
    """Variables by which programs find the proxy; most know either the small or the capital ones."""
    url = f"http://127.0.0.1:{PROXY_PORT}"
    names = ("http_proxy", "https_proxy", "all_proxy")
    return {spelt: url for name in names for spelt in (name, name.upper())} | {"NO_PROXY": "", "no_proxy": ""}


def _bridge(proxy: Path | None) -> list[object] | None:
    return [PROXY_PORT, _SOCKET] if proxy else None


def _links() -> list[str]:
    return [name for name in ("bin", "sbin", "lib", "lib32", "lib64", "libx32") if Path("/usr", name).is_dir()]
