"""Which driver is taken, and that nothing is ever run where none is safe."""

import os
import stat
import sys
from pathlib import Path

import pytest

from ripieno.domain.effects import EffectClass
from ripieno.domain.tools import Risk, ToolCall, ToolContext, ToolStatus
from ripieno.testing.fake_clock import FakeClock
from ripieno.tools.sandbox.bubblewrap import BubblewrapSandbox, Means, python_below_usr
from ripieno.tools.sandbox.cgroups import ControlGroups
from ripieno.tools.sandbox.choosing import ChosenSandbox
from ripieno.tools.sandbox.contract import Job, Limits, SandboxRefused
from ripieno.tools.sandbox.toolset import sandbox_toolset
from ripieno.tools.sandbox.users import Users


def nobody(tmp_path: Path) -> ControlGroups:
    return ControlGroups(root=tmp_path, own=tmp_path / "none")


def program(tmp_path: Path, text: str) -> str:
    made = tmp_path / "bwrap"
    made.write_text(f"#!{sys.executable}\n{text}\n")
    made.chmod(made.stat().st_mode | stat.S_IXUSR | stat.S_IXGRP | stat.S_IXOTH)
    return str(made)


def driver(tmp_path: Path, bwrap: str | None, python: str | None = "/usr/bin/python3") -> BubblewrapSandbox:
    means = Means(FakeClock(), nobody(tmp_path), Users(root=False), bwrap, python)
    return BubblewrapSandbox(means)


async def test_where_the_kernel_forbids_it_nothing_is_run(tmp_path: Path) -> None:
    ran = tmp_path / "ran"
    bwrap = program(tmp_path, "import sys; sys.exit('bwrap: No permissions to create new namespace')")
    chosen = ChosenSandbox({"bubblewrap": driver(tmp_path, bwrap)})
    with pytest.raises(SandboxRefused, match="No permissions to create new namespace"):
        await chosen.run(Job(("touch", str(ran))), Limits())
    with pytest.raises(SandboxRefused):
        async with chosen.confined(("touch", str(ran)), Limits()):
            pytest.fail("a command line was given out")
    assert not ran.exists()


async def test_a_sandbox_in_which_something_is_open_is_refused(tmp_path: Path) -> None:
    bwrap = program(tmp_path, "print('unsafe: CapEff')")
    with pytest.raises(SandboxRefused, match="unsafe: CapEff"):
        await driver(tmp_path, bwrap).describe()


async def test_what_is_missing_is_named(tmp_path: Path) -> None:
    with pytest.raises(SandboxRefused, match="bubblewrap is not installed"):
        await driver(tmp_path, None).describe()
    with pytest.raises(SandboxRefused, match="no Python below /usr"):
        await driver(tmp_path, "/usr/bin/bwrap", None).describe()


async def test_root_without_another_user_is_refused(tmp_path: Path) -> None:
    table = tmp_path / "uid_map"
    table.write_text("         0       1000          1\n")
    means = Means(FakeClock(), nobody(tmp_path), Users(table, root=True), "/usr/bin/bwrap", "/usr/bin/python3")
    with pytest.raises(SandboxRefused, match="no user without rights"):
        await BubblewrapSandbox(means).describe()


async def test_switched_off() -> None:
    with pytest.raises(SandboxRefused, match="switched off"):
        await ChosenSandbox({}).describe()


async def test_a_refusal_is_a_result(tmp_path: Path) -> None:
    tools = sandbox_toolset(ChosenSandbox({}), Limits())
    call = ToolCall("1", "sandbox.run_python", {"code": "print(1)"})
    result = await tools.call(call, ToolContext("default", tmp_path))
    assert result.status is ToolStatus.UNAVAILABLE
    assert result.text == "The sandbox is switched off here."


async def test_effects_and_risks(tmp_path: Path) -> None:
    listed = await sandbox_toolset(ChosenSandbox({}), Limits()).list(ToolContext("default", tmp_path))
    assert {spec.name for spec in listed} == {"sandbox.run_python", "sandbox.run_shell"}
    assert {(spec.effect, spec.risk) for spec in listed} == {(EffectClass.IDEMPOTENT, Risk.MEDIUM)}


def test_users_are_new_each_time_and_nobody_real(tmp_path: Path) -> None:
    table = tmp_path / "uid_map"
    table.write_text("         0          0 4294967295\n")
    users = Users(table, root=True)
    numbers = [users.next() for _ in range(100)]
    assert len(set(numbers)) == 100
    assert all(number is not None and 1_000_000_000 < number < 2**31 for number in numbers)
    assert users.problem is None
    assert Users(table, root=False).next() is None


def test_a_python_that_jobs_can_see() -> None:
    found = python_below_usr()
    assert found is None or (found.startswith("/usr/") and os.access(found, os.X_OK))
