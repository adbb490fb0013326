"""What runs first inside a sandbox: unpacks files, runs the command, and packs what it left behind.

It is handed over as text (`python -I -S -c TEXT ORDER`), so it imports nothing of ours, and nothing outside believes
what it answers: the command could have taken its place. The order is JSON: `command`; `given` and `taken`, the
descriptors of a packet to unpack and of a file for the answer, or null; `most_bytes` and `most_files` of the answer;
`bridge`, the port and the socket of a proxy, or null.
"""

import contextlib
import json
import os
import signal
import socket
import stat
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

FOLDER = Path("/work")
_CHUNK = 65536


def unpack(packet: BinaryIO, folder: Path) -> None:
    """Write the files of a packet: a line of JSON (path and size of each), then their contents."""
    for path, size in json.loads(packet.readline()):
        place = folder / path
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_bytes(packet.read(size))


def pack(folder: Path, code: int, most_bytes: int, most_files: int) -> list[bytes]:
    """The answer: a line of JSON (code, path and size of each file, what is left out and why), then contents."""
    files: list[tuple[str, int]] = []
    left_out: dict[str, str] = {}
    contents: list[bytes] = []
    room = most_bytes
    for path in walk(folder):
        name = str(path.relative_to(folder))
        try:
            found = path.lstat()
            reason = "there are too many files" if len(files) == most_files else objection(found, room)
            content = b"" if reason else path.read_bytes()
        except OSError as error:
            reason, content = str(error.strerror), b""
        if not reason:
            files.append((name, len(content)))
            contents.append(content)
            room -= len(content)
        elif len(left_out) < most_files:
            left_out[name] = reason
    return [json.dumps({"code": code, "files": files, "left_out": left_out}).encode() + b"\n", *contents]


def objection(found: os.stat_result, room: int) -> str:
    """Why a file is not taken along; empty when it is."""
    if stat.S_ISLNK(found.st_mode):
        return "it is a link"
    if not stat.S_ISREG(found.st_mode):
        return "it is no file"
    return "it is too large" if found.st_size > room else ""


def walk(folder: Path) -> Iterator[Path]:
    """What is below a folder and no folder itself; links are not followed."""
    for above, folders, names in os.walk(folder):
        links = [name for name in folders if Path(above, name).is_symlink()]
        for name in sorted([*names, *links]):
            yield Path(above, name)


def bridge(port: int, path: str) -> int:
    """Listen on 127.0.0.1 and hand each connection on to the proxy's socket, in threads that nobody waits for."""
    server = socket.create_server(("127.0.0.1", port))
    threading.Thread(target=accept, args=(server, path), daemon=True).start()
    return server.getsockname()[1]


def accept(server: socket.socket, path: str) -> None:
    """Take connections for ever."""
    while True:
        near = server.accept()[0]
        far = socket.socket(socket.AF_UNIX)
        try:
            far.connect(path)
        except OSError:
            near.close()
            far.close()
            continue
        for source, target in ((near, far), (far, near)):
            threading.Thread(target=forward, args=(source, target), daemon=True).start()


def forward(source: socket.socket, target: socket.socket) -> None:
    """Copy until one side ends."""
    try:
        while chunk := source.recv(_CHUNK):
            target.sendall(chunk)
        target.shutdown(socket.SHUT_WR)
    except OSError:
        for end in (source, target):
            with contextlib.suppress(OSError):
                end.shutdown(socket.SHUT_RDWR)


def run(command: list[str]) -> int:
    """Start the command and wait for it; its exit code, or 128 and the number of the signal that ended it."""
    variables = os.environ  # noqa: TID251 - those of the job, which are all that there are
    try:
        pid = os.posix_spawnp(command[0], command, variables, setsigdef=[signal.SIGPIPE, signal.SIGXFSZ])
    except OSError as error:
        sys.stderr.write(f"{command[0]} cannot be started: {error.strerror}\n")
        sys.stderr.flush()
        return 127
    code = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
    return code if code >= 0 else 128 - code


def end_others() -> None:
    """Kill all but this process and the namespace's first, so that nobody changes files any more."""
    with contextlib.suppress(ProcessLookupError):
        os.kill(-1, signal.SIGKILL)


def main() -> None:
    """Unpack, run, end whatever is left, pack."""
    order = json.loads(sys.argv[1])
    if order["given"] is not None:
        with os.fdopen(order["given"], "rb") as packet:
            unpack(packet, FOLDER)
    if order["bridge"] is not None:
        bridge(*order["bridge"])
    if order["taken"] is not None:
        os.set_inheritable(order["taken"], False)
    code = run(order["command"])
    if order["taken"] is not None:
        end_others()
        with os.fdopen(order["taken"], "wb") as answer:
            answer.writelines(pack(FOLDER, code, order["most_bytes"], order["most_files"]))
    os._exit(code)


if __name__ == "__main__":
    main()
