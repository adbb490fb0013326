"""What runs first inside a sandbox: unpacks files, runs the command, and packs what it left behind.

It is handed over as text (`python -I -S -c TEXT ORDER`), so it imports nothing of ours, and nothing outside believes
what it answers: the command could have taken its place. The order is JSON: `command`; `given` and `taken`, the
descriptors of a packet to unpack and of a file for the answer, or null; `most_bytes` and `most_files` of the answer;
`bridge`, the port and the socket of a proxy, or null.
"""

import json
import os
import signal
import socket
import stat
import sys
import threading

FOLDER = "/work"
_CHUNK = 65536


def unpack(packet, folder):
    """Write the files of a packet: a line of JSON (path and size of each), then their contents."""
    for path, size in json.loads(packet.readline()):
        place = os.path.join(folder, path)
        os.makedirs(os.path.dirname(place), exist_ok=True)
        with open(place, "wb") as file:
            file.write(packet.read(size))


def pack(folder, code, most_bytes, most_files):
    """Yield the answer: a line of JSON (code, path and size of each file, what is left out and why), then contents."""
    files, left_out, contents, room = [], {}, [], most_bytes
    for path in walk(folder):
        name = os.path.relpath(path, folder)
        reason = None
        try:
            found = os.lstat(path)
            if not stat.S_ISREG(found.st_mode):
                reason = "it is a link" if stat.S_ISLNK(found.st_mode) else "it is no file"
            elif len(files) == most_files:
                reason = "there are too many files"
            elif found.st_size > room:
                reason = "it is too large"
            else:
                with open(path, "rb") as file:
                    content = file.read(room)
                files.append([name, len(content)])
                contents.append(content)
                room -= len(content)
        except OSError as error:
            reason = str(error.strerror)
        if reason and len(left_out) < most_files:
            left_out[name] = reason
    yield json.dumps({"code": code, "files": files, "left_out": left_out}).encode() + b"\n"
    yield from contents


def walk(folder):
    """The files below a folder that is not changed meanwhile; links are not followed."""
    for above, folders, names in os.walk(folder):
        for name in sorted(names) + [each for each in folders if os.path.islink(os.path.join(above, each))]:
            yield os.path.join(above, name)


def bridge(port, path):
    """Listen on 127.0.0.1 and hand each connection on to the proxy's socket, in threads that nobody waits for."""
    server = socket.create_server(("127.0.0.1", port))

    def accept():
        while True:
            near = server.accept()[0]
            try:
                far = socket.socket(socket.AF_UNIX)
                far.connect(path)
            except OSError:
                near.close()
                continue
            for source, target in ((near, far), (far, near)):
                threading.Thread(target=forward, args=(source, target), daemon=True).start()

    threading.Thread(target=accept, daemon=True).start()


def forward(source, target):
    """Copy until one side ends."""
    try:
        while chunk := source.recv(_CHUNK):
            target.sendall(chunk)
        target.shutdown(socket.SHUT_WR)
    except OSError:
        for end in (source, target):
            try:
                end.shutdown(socket.SHUT_RDWR)
            except OSError:
                continue


def run(command):
    """Start the command and wait for it; its exit code, or 128 and the number of the signal that ended it."""
    try:
        pid = os.posix_spawnp(command[0], command, os.environ, setsigdef=[signal.SIGPIPE, signal.SIGXFSZ])
    except OSError as error:
        print(f"{command[0]} cannot be started: {error.strerror}", file=sys.stderr)
        return 127
    code = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
    return code if code >= 0 else 128 - code


def end_others():
    """Kill all but this process and the namespace's first, so that nobody changes files any more."""
    try:
        os.kill(-1, signal.SIGKILL)
    except ProcessLookupError:
        return


def main():
    """Unpack, run, end whatever is left, pack."""
    order = json.loads(sys.argv[1])
    if order["given"] is not None:
        with open(order["given"], "rb") as packet:
            unpack(packet, FOLDER)
    if order["bridge"] is not None:
        bridge(*order["bridge"])
    if order["taken"] is not None:
        os.set_inheritable(order["taken"], False)
    code = run(order["command"])
    if order["taken"] is not None:
        end_others()
        with open(order["taken"], "wb") as answer:
            for part in pack(FOLDER, code, order["most_bytes"], order["most_files"]):
                answer.write(part)
    sys.stdout.flush()
    os._exit(code)


if __name__ == "__main__":
    main()
