import os
import sys

import pytest

from ripieno.tools import launcher

SCRIPT = launcher.__file__


def run(*arguments: str) -> tuple[int, str]:
    """Run it as its callers do: in a process of its own."""
    read, write = os.pipe()
    pid = os.posix_spawn(
        sys.executable,
        [sys.executable, SCRIPT, *arguments],
        dict(os.environ),
        file_actions=[(os.POSIX_SPAWN_DUP2, write, 1), (os.POSIX_SPAWN_DUP2, write, 2)],
    )
    os.close(write)
    with os.fdopen(read) as said:
        text = said.read()
    return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]), text


def test_becomes_the_program():
    assert run(str(os.getpid()), "echo", "a", "b c") == (0, "a b c\n")


def test_program_that_cannot_be_started():
    status, said = run(str(os.getpid()), "/no/such/program")
    assert status == 1
    assert "/no/such/program cannot be started: No such file" in said


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux ends children with their parents")
def test_parent_that_is_already_dead():
    assert run("1" if os.getpid() != 1 else "2", "echo", "started")[0] == 1
