"""Attempts to get out of the sandbox, to see what is not its own, and to use more than it may, on bubblewrap."""

import os
import platform
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from ripieno.clock import SystemClock
from ripieno.tools.failures import ToolFailed
from ripieno.tools.sandbox import seccomp, trees
from ripieno.tools.sandbox.bubblewrap import BubblewrapSandbox, Means
from ripieno.tools.sandbox.cgroups import ROOT, ControlGroups
from ripieno.tools.sandbox.contract import Ending, Job, Limits, Outcome

LEFTOVER = f"sandbox-leftover-{os.getpid()}"
"""In the command line of what a job leaves behind; other processes test sandboxes too."""

pytestmark = [pytest.mark.acceptance, pytest.mark.needs("bwrap")]

FORBIDDEN = (
    "this machine forbids user namespaces to bubblewrap, so the driver refuses to run anything (tested elsewhere)"
)
SMALL = Limits(memory=96 << 20, cpu_seconds=10, seconds=20.0, processes=24, disk=4 << 20, output=200_000)


@pytest.fixture(params=["control groups as they are", "no control groups"])
def sandbox(request: pytest.FixtureRequest, tmp_path: Path) -> BubblewrapSandbox:
    bare = [
        shutil.which("bwrap") or "",
        "--unshare-user",
        "--unshare-net",
        "--unshare-pid",
        "--ro-bind",
        "/",
        "/",
        "true",
    ]
    if subprocess.run(bare, check=False, capture_output=True).returncode:
        pytest.skip(FORBIDDEN)
    groups = ControlGroups() if request.param.endswith("are") else ControlGroups(root=tmp_path, own=tmp_path / "none")
    return BubblewrapSandbox(Means(SystemClock(), groups))


@pytest.fixture(autouse=True)
def nothing_left() -> Iterator[None]:
    yield
    mine = f"**/ripieno_{os.getpid()}_*"
    assert not (ROOT.is_dir() and list(ROOT.glob(mine)))
    ends = time.monotonic() + 20
    while left := [pid for pid in _processes() if LEFTOVER.encode() in pid]:  # the kernel ends them in its own time
        assert time.monotonic() < ends, left
        time.sleep(0.01)


def _processes() -> Iterator[bytes]:
    for process in Path("/proc").glob("[0-9]*"):
        try:
            yield (process / "cmdline").read_bytes()
        except OSError:
            continue


def python(code: str, **job: object) -> Job:
    return Job(("python3", "-I", "-c", code), **job)  # pyright: ignore[reportArgumentType]


def tried(what: str) -> str:
    """A program that tries something and says what came of it."""
    _, clone, refused = seccomp.MACHINES[platform.machine()]
    return f"""
import ctypes, os, socket
libc = ctypes.CDLL(None, use_errno=True)
NR = { ({**refused, **seccomp.COMMON, "clone": clone})!r}

def refused(result):
    if result == -1:
        raise OSError(ctypes.get_errno(), "refused")

try:
    {what}
except OSError as error:
    print("refused", error.errno)
else:
    print("DONE")
"""


ESCAPES = {
    "mount": "refused(libc.mount(b'none', b'/work', b'tmpfs', 0, None))",
    "remount": "refused(libc.mount(None, b'/', None, 32, None))",
    "unmount": "refused(libc.umount2(b'/proc', 2))",
    "pivot": "refused(libc.syscall(NR['pivot_root'], b'/work', b'/work'))",
    "chroot": "os.chroot('/usr')",
    "core pattern": "os.open('/proc/sys/kernel/core_pattern', os.O_WRONLY)",
    "host name": "open('/proc/sys/kernel/hostname', 'w').write('mine')",
    "sysrq": "os.open('/proc/sysrq-trigger', os.O_WRONLY)",
    "trace a process": "refused(libc.ptrace(16, 1, 0, 0))",
    "memory of another": "refused(libc.syscall(NR['process_vm_writev'], 1, None, 0, None, 0, 0))",
    "root's own": "os.setuid(0)",
    "user namespace": "refused(libc.unshare(0x10000000))",
    "clone into one": "refused(libc.syscall(NR['clone'], 0x10000000 | 17, 0, 0, 0, 0))",
    "network namespace": "refused(libc.unshare(0x40000000))",
    "enter a namespace": "refused(libc.setns(os.open('/proc/1/ns/mnt', os.O_RDONLY), 0))",
    "device node": "os.mknod('/work/sda', 0o600 | 0o060000, os.makedev(8, 0))",
    "keyring": "refused(libc.syscall(NR['add_key'], b'user', b'mine', b'x', 1, -2))",
    "read keyrings": "refused(libc.syscall(NR['keyctl'], 0, -3, 1))",
    "eBPF": "refused(libc.syscall(NR['bpf'], 0, None, 0))",
    "io_uring": "refused(libc.syscall(NR['io_uring_setup'], 1, None))",
    "performance events": "refused(libc.syscall(NR['perf_event_open'], None, 0, -1, -1, 0))",
    "kernel module": "refused(libc.syscall(NR['finit_module'], 0, b'', 0))",
    "user faults": "refused(libc.syscall(NR['userfaultfd'], 0))",
    "file by handle": "refused(libc.syscall(NR['open_by_handle_at'], 0, None, 0))",
    "read /etc/shadow": "open('/etc/shadow').read()",
    "read /etc/passwd": "open('/etc/passwd').read()",
    "read /root": "os.listdir('/root')",
    "read /home": "os.listdir('/home')",
    "read /var": "os.listdir('/var')",
    "read /sys": "os.listdir('/sys/fs')",
    "write /usr": "open('/usr/mine', 'w')",
    "write /": "open('/mine', 'w')",
    "write /dev": "open('/dev/mine', 'w')",
    "write /etc": "open('/etc/mine', 'w')",
    "disk": "os.open('/dev/sda', os.O_RDONLY)",
    "kernel memory": "os.open('/dev/mem', os.O_RDONLY)",
    "docker": "socket.socket(socket.AF_UNIX).connect('/var/run/docker.sock')",
    "network": "socket.create_connection(('1.1.1.1', 53), 3)",
    "metadata": "socket.create_connection(('169.254.169.254', 80), 3)",
    "names": "socket.getaddrinfo('example.com', 80)",
    "raw packets": "socket.socket(socket.AF_PACKET, socket.SOCK_RAW)",
    "datagrams": "socket.socket(socket.AF_INET, socket.SOCK_DGRAM).sendto(b'x', ('8.8.8.8', 53))",
    "file for all time": "os.truncate('/work/.', 1)",
}


@pytest.mark.parametrize("what", ESCAPES)
async def test_refused(sandbox: BubblewrapSandbox, what: str) -> None:
    outcome = await sandbox.run(python(tried(ESCAPES[what])), SMALL)
    assert outcome.output.startswith(b"refused"), (what, outcome)


async def test_a_namespace_that_a_call_without_the_filter_could_make(sandbox: BubblewrapSandbox) -> None:
    outcome = await sandbox.run(Job(("unshare", "--user", "--map-root-user", "id")), SMALL)
    assert outcome.code != 0


async def test_programs_with_the_rights_of_their_owner_give_none(sandbox: BubblewrapSandbox) -> None:
    code = "import subprocess; print(subprocess.run(['su', '-c', 'id'], capture_output=True, input=b'').stdout)"
    outcome = await sandbox.run(python(code + "; import os; print(os.getuid())"), SMALL)
    assert b"uid=0" not in outcome.output
    assert b"65534" in outcome.output


async def test_no_other_process_is_seen(sandbox: BubblewrapSandbox) -> None:
    code = "import os; print(sorted(int(each) for each in os.listdir('/proc') if each.isdigit()))"
    outcome = await sandbox.run(python(code), SMALL)
    assert outcome.output.strip() == b"[1, 2, 3]"


async def test_no_variable_of_the_server_is_seen(sandbox: BubblewrapSandbox, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RIPIENO_SECRET_OF_THE_SERVER", "hunter2")
    code = "import os; print(dict(os.environ)); print([open(f'/proc/{p}/environ','rb').read() for p in (1, 2, 3)])"
    outcome = await sandbox.run(python(code), SMALL)
    assert b"hunter2" not in outcome.output + outcome.errors


async def test_no_descriptor_of_the_server_is_there(sandbox: BubblewrapSandbox) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        server.set_inheritable(True)
        code = "import os; print([os.readlink(f'/proc/self/fd/{each}') for each in os.listdir('/proc/self/fd')])"
        outcome = await sandbox.run(python(code), SMALL)
    assert b"socket" not in outcome.output.replace(b"pipe", b""), outcome.output


async def test_a_port_of_this_machine_is_not_reached(sandbox: BubblewrapSandbox) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        outcome = await sandbox.run(python(tried(f"socket.create_connection(('127.0.0.1', {port}), 3)")), SMALL)
    assert outcome.output.startswith(b"refused")


async def test_an_abstract_socket_of_this_machine_is_not_reached(sandbox: BubblewrapSandbox) -> None:
    with socket.socket(socket.AF_UNIX) as server:
        server.bind("\0ripieno-test")
        server.listen()
        outcome = await sandbox.run(python(tried("socket.socket(socket.AF_UNIX).connect('\\0ripieno-test')")), SMALL)
    assert outcome.output.startswith(b"refused")


async def test_memory_of_one_process(sandbox: BubblewrapSandbox) -> None:
    outcome = await sandbox.run(python("a = bytearray(600 << 20); print('DONE')"), SMALL)
    assert b"DONE" not in outcome.output
    assert outcome.ending is Ending.MEMORY or b"MemoryError" in outcome.errors


async def test_memory_of_many_each_below_the_limit(sandbox: BubblewrapSandbox) -> None:
    code = """
import os, time
for _ in range(8):
    if os.fork() == 0:
        a = bytearray(os.urandom(1 << 20) * 40)
        time.sleep(60)
time.sleep(60)
"""
    outcome = await sandbox.run(python(code), SMALL)
    assert outcome.ending is Ending.MEMORY


async def test_memory_in_files_without_a_name(sandbox: BubblewrapSandbox) -> None:
    code = """
import os
fd = os.memfd_create("x")
for _ in range(900):
    os.write(fd, b"x" * (1 << 20))
print("DONE")
"""
    outcome = await sandbox.run(python(code), SMALL)
    assert b"DONE" not in outcome.output


async def test_fork_bomb(sandbox: BubblewrapSandbox) -> None:
    code = """
import os, time
made = 0
try:
    while True:
        if os.fork() == 0:
            time.sleep(60)
        made += 1
except OSError:
    print(made)
"""
    outcome = await sandbox.run(python(code), SMALL)
    assert outcome.ending in {Ending.EXITED, Ending.MEMORY}
    assert int(outcome.output or b"0") <= SMALL.processes


async def test_fork_bomb_that_goes_on(sandbox: BubblewrapSandbox) -> None:
    outcome = await sandbox.run(Job(("sh", "-c", "f() { f | f & }; f; sleep 60")), Limits(seconds=2.0, processes=24))
    assert outcome.ending in {Ending.TIME, Ending.EXITED, Ending.MEMORY}


@pytest.mark.parametrize("folder", ["/work", "/tmp", "/dev/shm"])
async def test_disk(sandbox: BubblewrapSandbox, folder: str) -> None:
    code = f"""
total = 0
for number in range(40):
    with open(f"{folder}/{{number}}", "wb") as file:
        for _ in range(4):
            file.write(b"x" * (1 << 20))
            file.flush()
            total += 1
print("DONE", total)
"""
    outcome = await sandbox.run(python(code), SMALL)
    assert b"DONE" not in outcome.output
    assert sum(map(len, outcome.files.values())) <= SMALL.disk


async def test_files_with_holes_do_not_grow_on_their_way_out(sandbox: BubblewrapSandbox) -> None:
    code = "import os\nfor n in range(3):\n  open(f'h{n}', 'w').close(); os.truncate(f'h{n}', 3 << 20)"
    outcome = await sandbox.run(python(code), SMALL)
    assert sum(map(len, outcome.files.values())) <= SMALL.disk
    assert len(outcome.left_out) == 2


@pytest.mark.parametrize("stream", ["stdout", "stderr"])
async def test_a_flood_of_output(sandbox: BubblewrapSandbox, stream: str) -> None:
    outcome = await sandbox.run(python(f"import sys\nwhile True: sys.{stream}.write('x' * 65536)"), SMALL)
    assert outcome.ending is Ending.OUTPUT
    assert len(outcome.output) + len(outcome.errors) == SMALL.output


async def test_time(sandbox: BubblewrapSandbox) -> None:
    code = """
import signal, time
for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGXCPU):
    signal.signal(number, signal.SIG_IGN)
print("here", flush=True)
while True:
    time.sleep(60)
"""
    outcome = await sandbox.run(python(code), Limits(seconds=2.0))
    assert outcome == Outcome(Ending.TIME, None, b"here\n", b"")


async def test_time_of_the_processor_for_all_together(sandbox: BubblewrapSandbox) -> None:
    code = "import os\nfor _ in range(3): os.fork()\nwhile True: pass"
    outcome = await sandbox.run(python(code), Limits(seconds=60.0, cpu_seconds=2))
    assert outcome.ending is Ending.CPU


async def test_daemons_end_with_the_job(sandbox: BubblewrapSandbox) -> None:
    code = """
import os, sys
if os.fork() == 0:
    os.setsid()
    if os.fork() == 0:
        for fd in range(3):
            os.close(fd)
        os.execvp("python3", ["python3", "-c", "import time; time.sleep(600)", "sandbox-leftover"])
    os._exit(0)
os.wait()
print("over")
"""
    outcome = await sandbox.run(python(code.replace("sandbox-leftover", LEFTOVER)), SMALL)
    assert outcome.output == b"over\n"


async def test_who_kills_what_packs_the_files_gets_none_out(sandbox: BubblewrapSandbox) -> None:
    outcome = await sandbox.run(python("import os; open('f', 'w').write('x'); os.kill(2, 9)"), SMALL)
    assert outcome.code == 137
    assert outcome.files == {}


async def test_files_go_in_and_come_out(sandbox: BubblewrapSandbox) -> None:
    code = "import os; os.makedirs('b'); open('b/new', 'wb').write(open('a/given', 'rb').read()[::-1])"
    outcome = await sandbox.run(python(code, files={"a/given": b"\0\1\2"}, stdin=b""), SMALL)
    assert (outcome.ending, outcome.code) == (Ending.EXITED, 0)
    assert outcome.files == {"b/new": b"\2\1\0"}


async def test_links_and_odd_names_stay_inside(sandbox: BubblewrapSandbox) -> None:
    code = r"""
import os
os.symlink("/etc/passwd", "link"); os.symlink("/", "folder"); os.mkfifo("pipe")
open("a\nb", "w").write("x"); open("back\\slash", "w").write("x")
os.link("back\\slash", "hard")
"""
    outcome = await sandbox.run(python(code), SMALL)
    assert outcome.files == {"hard": b"x"}
    assert len(outcome.left_out) == 5


async def test_a_forged_answer_names_no_place_outside(sandbox: BubblewrapSandbox) -> None:
    code = r"""
import glob, os
for fd in glob.glob("/proc/2/fd/*"):
    try:
        if "packet" in os.readlink(fd):
            with open(fd, "r+b") as file:
                file.write(b'{"code": 0, "files": [["../../etc/cron.d/x", 1], ["/abs", 1]], "left_out": {}}\nxx')
    except OSError:
        pass
os.kill(2, 9)
"""
    outcome = await sandbox.run(python(code), SMALL)
    assert outcome.files == {}


async def test_standard_input_and_many_arguments(sandbox: BubblewrapSandbox) -> None:
    many = ["x" * 1000] * 60
    code = "import sys; print(len(sys.argv), len(sys.stdin.read()))"
    job = Job(("python3", "-I", "-c", code, *many), stdin=b"y" * 500_000, environment={"BIG": "z" * 50_000})
    outcome = await sandbox.run(job, SMALL)
    assert outcome.output.split() == [b"61", b"500000"]


async def test_arguments_that_the_system_does_not_take(sandbox: BubblewrapSandbox) -> None:
    with pytest.raises(ToolFailed, match="list too long"):
        await sandbox.run(Job(("true", "x" * 3_000_000)), SMALL)


async def test_a_program_that_is_not_there(sandbox: BubblewrapSandbox) -> None:
    outcome = await sandbox.run(Job(("no-such-program",)), SMALL)
    assert outcome.code == 127
    assert b"cannot be started" in outcome.errors


async def test_a_command_line_for_others_to_start(sandbox: BubblewrapSandbox) -> None:
    async with sandbox.confined(("python3", "-c", tried("open('/etc/shadow')")), SMALL) as command:
        done = subprocess.run(command, capture_output=True, check=False, env={"PATH": "/usr/bin:/bin"}, timeout=60)
    assert done.stdout.startswith(b"refused"), done


async def test_a_command_line_ends_with_its_starter(sandbox: BubblewrapSandbox) -> None:
    async with sandbox.confined(
        ("python3", "-c", "import time; print(1, flush=True); time.sleep(600)"), SMALL
    ) as command:
        with subprocess.Popen(command, stdout=subprocess.PIPE, env={"PATH": "/usr/bin:/bin"}) as started:
            assert started.stdout
            assert started.stdout.readline() == b"1\n"
            tree = list(trees.below(started.pid))
            assert len(tree) >= 3
            started.kill()
            started.wait()
            assert started.stdout.read() == b""


def test_the_command_line_says_what_holds(tmp_path: Path) -> None:
    command = [str(Path(sys.executable).with_name("ripieno")), "sandbox", "check"]
    done = subprocess.run(command, capture_output=True, check=False, text=True, cwd=tmp_path, timeout=60)
    assert done.returncode == (0 if "driver: bubblewrap" in done.stdout else 1)
    assert "holds:" in done.stdout or "sandbox_refused" in done.stderr
