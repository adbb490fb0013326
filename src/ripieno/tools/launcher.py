"""Starts a program that ends when its parent does, however the parent ends.

Run as a script (`python -I -S launcher.py PARENT_PID PROGRAM ARGS…`); it becomes the program. Where the system has no
such promise (other than Linux), the program is merely started.
"""

import ctypes
import os
import signal
import sys

PR_SET_PDEATHSIG = 1
PYTHON = sys.executable


def command(program: str, *arguments: str) -> tuple[str, ...]:
    """The command line that starts a program through this file.

    The system watches the thread that starts it, so let the event loop do that, not a worker thread.
    """
    return (PYTHON, "-I", "-S", __file__, str(os.getpid()), program, *arguments)


def main() -> None:
    """Ask the kernel for a SIGKILL at the parent's death, then become the program."""
    parent, program, *arguments = sys.argv[1:]
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
        if os.getppid() != int(parent):  # it died before the kernel was asked
            sys.exit(1)
    try:
        os.execvp(program, [program, *arguments])  # noqa: S606 - no shell is wanted
    except OSError as error:
        sys.exit(f"{program} cannot be started: {error.strerror}")


if __name__ == "__main__":
    main()
