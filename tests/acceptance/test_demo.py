"""The demonstration, whole: a team of agents does real work on this machine."""

import subprocess
from pathlib import Path

import pytest

from tests.acceptance.command_line import Terminal, ripieno

pytestmark = pytest.mark.acceptance


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    """A small git repository with something to find."""
    (tmp_path / "app.py").write_text("import os\n\nPASSWORD = 'hunter2'\n\n\ndef run(cmd):\n    os.system(cmd)\n")
    (tmp_path / ".gitignore").write_text(".ripieno/\n")
    who = ["-c", "user.name=Somebody", "-c", "user.email=somebody@example.com", "-c", "commit.gpgsign=false"]
    for command in (["init", "-q"], ["add", "."], [*who, "commit", "-qm", "Begin"]):
        subprocess.run(["git", *command], cwd=tmp_path, check=True)
    return tmp_path


@pytest.mark.needs("git")
def test_a_team_works_and_is_reviewed(checkout: Path):
    done = ripieno(checkout, "demo", "--yes", "--json")
    assert done.code == 0, done.err
    assert "approved files.write" in done.err
    run, facts = done.json["run"], done.json["facts"]
    assert (run["status"], run["agent"]) == ("completed", "operations")
    assert len(facts["agents"]) >= 4
    assert len(facts["tools"]) >= 6
    assert facts["at_once"] >= 2
    assert facts["approvals"] == 1
    assert facts["reviews"]
    assert run["output"]["accepted"]
    report = Path(done.json["report"])
    assert report.is_absolute()
    assert report.read_text().strip() == run["answer"].strip()


@pytest.mark.needs("git")
def test_plain_lines_and_figures(checkout: Path):
    done = ripieno(checkout, "demo", "--yes")
    assert done.code == 0, done.err
    assert "operations planned " in done.out
    assert "system_monitoring called system.disk " in done.out
    assert "operations review 1: " in done.out
    *_, report, figures = done.out.splitlines()
    assert Path(report.removeprefix("report: ")).exists()
    assert " different tools · " in figures
    assert " · 1 approval · " in figures


@pytest.mark.needs("git")
def test_on_a_terminal_it_asks(checkout: Path):
    terminal = Terminal(checkout, "demo")
    terminal.until("[v]iew all: ")
    busy = ripieno(checkout, "demo", "--yes")
    assert busy.code == 4
    assert busy.err.startswith("error[store_busy]: another demo is running in ")
    terminal.type("y\n")
    assert terminal.end() == 0
    assert "report: /" in terminal.text


@pytest.mark.needs("git")
def test_without_a_terminal_and_without_yes_it_waits(checkout: Path):
    done = ripieno(checkout, "demo")
    assert done.code == 3
    assert "ripieno approve apr_" in done.err
    assert done.err.rstrip().endswith("--data .ripieno/demo")
