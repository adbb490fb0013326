"""The filter does what it says, tried on a small machine of its own kind."""

import struct

import pytest

from ripieno.tools.sandbox import seccomp

ALLOW, EPERM, ENOSYS, KILL = 0x7FFF0000, 0x00050001, 0x00050026, 0x80000000


def judged(machine: str, number: int, first: int = 0, architecture: int | None = None) -> int:
    """Run the program as the kernel does."""
    program = seccomp.program(machine)
    assert program is not None
    lines = list(struct.iter_unpack("<HBBI", program))
    seen = {0: number, 4: seccomp.MACHINES[machine][0] if architecture is None else architecture, 16: first}
    held = place = 0
    while True:
        code, then, otherwise, value = lines[place]
        place += 1
        match code:
            case 0x20:
                held = seen[value]
            case 0x06:
                return value
            case 0x15:
                place += then if held == value else otherwise
            case 0x35:
                place += then if held >= value else otherwise
            case 0x45:
                place += then if held & value else otherwise
            case _:
                raise AssertionError(code)


@pytest.mark.parametrize("machine", seccomp.MACHINES)
def test_what_is_refused(machine: str) -> None:
    _, clone, refused = seccomp.MACHINES[machine]
    for number in (*refused.values(), *seccomp.COMMON.values()):
        assert judged(machine, number) == EPERM
    assert judged(machine, 435) == ENOSYS
    for flag in (0x00020000, 0x02000000, 0x04000000, 0x08000000, 0x10000000, 0x20000000, 0x40000000):
        assert judged(machine, clone, flag | 17) == EPERM
    assert judged(machine, clone, 0x003D0F00) == ALLOW  # a thread


@pytest.mark.parametrize(("machine", "usual"), [("x86_64", (0, 1, 59, 257)), ("aarch64", (63, 64, 221, 56))])
def test_what_is_allowed(machine: str, usual: tuple[int, ...]) -> None:
    for number in usual:
        assert judged(machine, number) == ALLOW


def test_other_architectures_end_the_process() -> None:
    assert judged("x86_64", 1, architecture=0x40000003) == KILL
    assert judged("x86_64", 0x40000000 | 101) == KILL


def test_there_is_none_for_other_machines() -> None:
    assert seccomp.program("s390x") is None
