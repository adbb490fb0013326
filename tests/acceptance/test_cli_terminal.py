"""The command line on a terminal: pictures, questions, Ctrl-C."""

from pathlib import Path

import pytest

from tests.acceptance.command_line import SAVE, Terminal, ripieno, serving

pytestmark = pytest.mark.acceptance

QUESTION = "[v]iew all: "


def files(folder: Path, name: str) -> list[str]:
    return [path.read_text().strip() for path in (folder / ".ripieno" / "workspaces").glob(f"*/{name}")]


def test_yes_on_the_keyboard(tmp_path: Path):
    terminal = Terminal(tmp_path, "run", SAVE, "--agent", "executor")
    terminal.until(QUESTION)
    assert "executor asks for your approval" in terminal.text
    assert "Hello from Ripieno" in terminal.text
    terminal.type("y\n")
    assert terminal.end() == 0
    assert files(tmp_path, "hello.txt") == ["Hello from Ripieno"]
    assert "\x1b[?25h" in terminal.text, "the cursor is visible again"


def test_no_on_the_keyboard(tmp_path: Path):
    terminal = Terminal(tmp_path, "run", SAVE, "--agent", "executor")
    terminal.until(QUESTION)
    terminal.type("n not today\n")
    terminal.end()
    assert files(tmp_path, "hello.txt") == []
    assert "not today" in ripieno(tmp_path, "show", "last", "--events").out


def test_other_arguments_and_a_second_try(tmp_path: Path):
    terminal = Terminal(tmp_path, "run", SAVE, "--agent", "executor")
    terminal.until(QUESTION)
    terminal.type('e {"path": 5}\n')
    terminal.until(QUESTION)
    terminal.type('e {"path": "other.txt", "content": "Changed"}\n')
    assert terminal.end() == 0
    assert files(tmp_path, "other.txt") == ["Changed"]


def test_decided_elsewhere_while_the_question_stands(tmp_path: Path):
    terminal = Terminal(tmp_path, "run", SAVE, "--agent", "executor")
    terminal.until(QUESTION)
    assert ripieno(tmp_path, "approve", "last").code == 0
    terminal.until("that was decided elsewhere")
    assert terminal.end() == 0


def test_the_end_of_the_input_leaves_it_for_later(tmp_path: Path):
    terminal = Terminal(tmp_path, "run", SAVE, "--agent", "executor")
    terminal.until(QUESTION)
    terminal.type("\x04")
    assert terminal.end() == 3
    assert "Decide with: ripieno approve apr_" in terminal.text


def test_ctrl_c_leaves_the_run_to_its_server(tmp_path: Path):
    with serving(tmp_path) as server:
        terminal = Terminal(tmp_path, "run", SAVE, "--agent", "executor")
        terminal.until(QUESTION)
        terminal.interrupt()
        assert terminal.end() == 130
        assert f"the server at {server.url} goes on with it" in terminal.text
        assert "awaiting_approval" in ripieno(tmp_path, "runs").out


def test_ctrl_c_without_a_server_keeps_the_run(tmp_path: Path):
    terminal = Terminal(tmp_path, "run", SAVE, "--agent", "executor")
    terminal.until(QUESTION)
    terminal.interrupt()
    assert terminal.end() == 130
    assert "it goes on the next time one does" in terminal.text
    assert "to stop it: ripieno cancel run_" in terminal.text
    assert ripieno(tmp_path, "cancel", "last").code == 0


def test_no_color_and_dumb_terminals_are_respected(tmp_path: Path):
    plain = Terminal(tmp_path, "run", "Calculate 2 + 2", env={"NO_COLOR": "1"})
    assert plain.end() == 0
    assert "\x1b[32m" not in plain.text
    dumb = Terminal(tmp_path, "run", "Calculate 2 + 2", env={"TERM": "dumb"})
    assert dumb.end() == 0
    assert "\x1b[" not in dumb.text
    assert "default called math.calculate" in dumb.text


def test_tables_on_a_terminal(tmp_path: Path):
    terminal = Terminal(tmp_path, "agents")
    assert terminal.end() == 0
    assert "what it is for" in terminal.text
    assert max(len(line) for line in terminal.text.replace("\r", "").splitlines()) < 200


def test_a_server_that_is_killed_while_the_question_stands(tmp_path: Path):
    with serving(tmp_path) as first:
        terminal = Terminal(tmp_path, "run", SAVE, "--agent", "executor")
        terminal.until(QUESTION)
        first.process.kill()
        first.process.wait()
    with serving(tmp_path, "--port", first.url.rpartition(":")[2]):
        terminal.type("y\n")
        assert terminal.end() == 0
    assert files(tmp_path, "hello.txt") == ["Hello from Ripieno"]
