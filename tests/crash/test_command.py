"""`ripieno crashtest` as a user calls it."""

import json
import logging
import shlex
from collections.abc import Iterator
from pathlib import Path
from typing import TypeAlias

import pytest

from ripieno.cli.command_line import run_command
from tests.crash.given import ROOT

pytestmark = pytest.mark.crash

Capture: TypeAlias = pytest.CaptureFixture[str]
Monkey: TypeAlias = pytest.MonkeyPatch

CLERK = """
name: clerk
description: Calculates.
tools: ["math.*", "files.write"]
examples: ["Calculate 12 * 34"]
"""


@pytest.fixture(autouse=True)
def loggers() -> Iterator[None]:
    """Commands configure logging for their process, which here is not theirs alone."""
    root = logging.getLogger()
    level, handlers = root.level, root.handlers[:]
    yield
    root.setLevel(level)
    root.handlers[:] = handlers


@pytest.fixture
def config(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(ROOT)
    folder = tmp_path / "config"
    (folder / "agents").mkdir(parents=True)
    (folder / "agents" / "clerk.yaml").write_text(CLERK)
    return folder


def test_an_agent_of_ones_own(config: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    command = ["crashtest", "clerk", "--config", str(config), "--boundaries", "2", "--data", str(tmp_path / "kept")]
    assert run_command(command) == 0
    printed = capsys.readouterr().out
    assert printed.startswith("clerk on offline: Calculate 12 * 34\n")
    assert "  runs that ended            4 of 4\n" in printed
    assert "none was really called" in printed
    assert printed.endswith("Nothing was lost and nothing was done twice.\n")
    assert {path.name for path in (tmp_path / "kept").iterdir()} >= {"clean", "1-before", "1-after"}
    assert run_command(command) == 2
    assert "holds an earlier crash test" in capsys.readouterr().err


def test_a_planted_fault_is_found_and_its_command_finds_it_again(config: Path, capsys: pytest.CaptureFixture[str]):
    rig = ["--rig", "tests.crash.rigs:forgetful", "--model", "scripted"]
    only = ["--only", "before:g1/turn/1/call/1"]
    assert run_command(["crashtest", "clerk", "--config", str(config), *rig, *only, "--json"]) == 1
    report = json.loads(capsys.readouterr().out)
    assert not report["passed"]
    (found, *_) = [item for item in report["findings"] if item["boundary"].startswith("before:")]
    assert found["place"] == "g1/turn/1/call/1"
    program, *again = shlex.split(found["replay"])
    assert program == "ripieno"
    assert run_command(again) == 1
    printed = capsys.readouterr().out
    assert f"  {found['replay']}\n" in printed
    assert found["detail"] in printed


@pytest.mark.parametrize(
    ("wrong", "code", "said"),
    [
        (["nobody"], 1, "no agent 'nobody'"),
        (["default", "--boundaries", "0"], 2, "--boundaries takes a number or all"),
        (["default", "--boundaries", "many"], 2, "--boundaries takes a number or all"),
        (["default", "--only", "sideways:3"], 2, "before:NUMBER"),
        (["default", "--only", "after:99"], 2, "there is no boundary 99"),
    ],
)
def test_wrong_wishes(wrong: list[str], code: int, said: str, capsys: pytest.CaptureFixture[str]):
    assert run_command(["crashtest", *wrong]) == code
    printed = capsys.readouterr()
    assert said in printed.err
    assert not printed.out


def test_a_run_that_happened_is_played_again(config: Path, tmp_path: Path, monkeypatch: Monkey, capsys: Capture):
    monkeypatch.setenv("RIPIENO_DATA", str(tmp_path / "data"))
    goal = 'Calculate 12 * 34 and save the text "it is done" as done.txt'
    assert run_command(["run", goal, "--agent", "clerk", "--config", str(config), "--yes", "--json"]) == 0
    run_id = json.loads(capsys.readouterr().out)["id"]
    (config / "agents" / "clerk.yaml").unlink()  # what the run was is in its journal
    assert run_command(["crashtest", run_id, "--boundaries", "2"]) == 0
    printed = capsys.readouterr().out
    assert printed.startswith(f"clerk on recorded: {goal}\n  {run_id} played again (completed then)\n")
    assert "  the clean run              went as it did then\n" in printed
    rig = ["--rig", "tests.crash.rigs:forgetful", "--only", "before:g1/turn/1/call/1", "--json"]
    assert run_command(["crashtest", run_id, *rig]) == 1
    (found, *_) = json.loads(capsys.readouterr().out)["findings"]
    assert found["replay"].startswith(f"ripieno crashtest {run_id} --rig ")
    assert run_command(["crashtest", run_id, "--goal", "another"]) == 2
    assert run_command(["crashtest", "run_0"]) == 2
    assert "no run 'run_0'" in capsys.readouterr().err
