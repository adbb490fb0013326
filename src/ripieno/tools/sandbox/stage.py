"""Gives up what a sandbox's starter must not have, then becomes the sandbox.

Run as a script (`python -I -S stage.py ORDER`), so it imports nothing of ours. The order is JSON: `doors` are the files
of control groups to join, `uid` whom to become (null: stay), `limits` are those of `setrlimit` by name, `seccomp` is
a filter in hexadecimal digits, and `command` is what to become, with `{seccomp}` where the filter's descriptor goes.
"""

import json
import os
import resource
import sys


def main() -> None:
    """Join, limit, drop, become."""
    order = json.loads(sys.argv[1])
    for door in order["doors"]:
        with open(door, "w") as file:  # noqa: PTH123 - pathlib costs more than all the rest of this file
            file.write("0")
    if order["uid"] is not None:
        os.setgroups([])
        os.setresgid(order["uid"], order["uid"], order["uid"])
        os.setresuid(order["uid"], order["uid"], order["uid"])
    for name, value in order["limits"].items():
        kind = getattr(resource, f"RLIMIT_{name}")
        most = resource.getrlimit(kind)[1]
        value = value if most == resource.RLIM_INFINITY else min(value, most)  # noqa: PLW2901 - the one in force
        resource.setrlimit(kind, (value, value))
    filter_fd = os.memfd_create("seccomp", 0)
    os.write(filter_fd, bytes.fromhex(order["seccomp"]))
    os.lseek(filter_fd, 0, os.SEEK_SET)
    command = [part.replace("{seccomp}", str(filter_fd)) for part in order["command"]]
    os.execv(command[0], command)  # noqa: S606 - no shell is wanted


if __name__ == "__main__":
    main()
