"""The command line without a server: the platform inside the command's own process."""

import os
import signal
import subprocess
from pathlib import Path

import pytest

from tests.acceptance.command_line import PROGRAM, SAVE, environment, ripieno, serving

pytestmark = pytest.mark.acceptance


def test_a_run_needs_no_server(tmp_path: Path):
    done = ripieno(tmp_path, "run", "Calculate 6 * 7", "--json")
    assert done.code == 0, done.err
    assert done.err == ""
    assert "42" in done.json["answer"]
    listed = ripieno(tmp_path, "runs", "--json")
    assert [run["id"] for run in listed.json["data"]] == [done.json["id"]]


def test_a_waiting_run_goes_on_in_the_process_that_approves_it(tmp_path: Path):
    waiting = ripieno(tmp_path, "run", SAVE, "--agent", "executor", "--data", "here")
    assert waiting.code == 3
    assert waiting.err.rstrip().endswith(" --data here")
    done = ripieno(tmp_path, "approve", "last", "--data", "here")
    assert done.code == 0, done.err
    assert "wrote hello.txt" in done.out
    assert len(list((tmp_path / "here" / "workspaces").glob("*/hello.txt"))) == 1


def test_yes_approves_and_says_so(tmp_path: Path):
    done = ripieno(tmp_path, "run", SAVE, "--agent", "executor", "--yes")
    assert done.code == 0, done.err
    assert 'approved files.write {"path": "hello.txt"' in done.out
    assert "by --yes (risk high, apr_" in done.out


def test_a_failed_run(tmp_path: Path):
    done = ripieno(tmp_path, "run", "Calculate 1 + 1", "--model", "openai:none", "--json")
    assert done.code == 1
    assert done.json["status"] == "failed"
    (line,) = done.err.splitlines()
    assert line.startswith("error[")


def test_commands_that_only_look_leave_nothing_behind(tmp_path: Path):
    assert "no runs yet" in ripieno(tmp_path, "runs").out
    assert ripieno(tmp_path, "agents").code == 0
    assert ripieno(tmp_path, "show", "last").code == 2
    assert list(tmp_path.iterdir()) == []


def test_a_run_that_nobody_would_carry_on_is_refused(tmp_path: Path):
    done = ripieno(tmp_path, "run", "Calculate 1 + 1", "--no-follow")
    assert done.code == 2
    assert "ripieno serve" in done.err


def test_a_server_that_is_not_there(tmp_path: Path):
    done = ripieno(tmp_path, "runs", "--url", "http://127.0.0.1:1")
    assert done.code == 4
    (line,) = done.err.splitlines()
    assert line.startswith("error[unreachable]: no answer from http://127.0.0.1:1")


@pytest.mark.parametrize(
    ("arguments", "env", "words"),
    [
        (["serve", "--host", "0.0.0.0"], {}, ["error[invalid]: 0.0.0.0 can be reached from other machines"]),
        (["serve", "--role", "worker"], {}, ["error[invalid]: role worker needs a database that processes share"]),
        (["worker"], {}, ["error[invalid]: role worker needs a database that processes share"]),
        (["serve", "--role", "cook"], {}, ["error[usage]: Invalid value for '--role'"]),
        (["db", "upgrade"], {}, ["error[usage]: name the database: --database-url postgresql://"]),
        (
            ["runs"],
            {"RIPIENO_PROT": "1", "RIPIENO_WORKER__SLOT": "2"},
            ["error[invalid]: unknown setting prot; did you mean port?", "error[invalid]: unknown setting worker.slot"],
        ),
        (["frobnicate"], {}, ["error[usage]: No such command 'frobnicate' (see ripieno --help)"]),
        (["run"], {}, ["error[usage]: Missing argument 'goal'"]),
    ],
)
def test_wrong_usage(tmp_path: Path, arguments: list[str], env: dict[str, str], words: list[str]):
    done = ripieno(tmp_path, *arguments, env=env)
    assert (done.code, done.out) == (2, "")
    lines = sorted(done.err.splitlines())
    assert len(lines) == len(words)
    assert all(line.startswith(word) for line, word in zip(lines, words, strict=True))


def test_a_folder_in_use_is_not_served_twice(tmp_path: Path):
    with serving(tmp_path) as server:
        done = ripieno(tmp_path, "serve", "--port", "0")
        assert done.code == 4
        assert done.err.startswith("error[store_busy]: ")
        assert f"process {server.process.pid}" in done.err


def test_a_key_from_the_settings_opens_the_own_server(tmp_path: Path):
    env = {"RIPIENO_AUTH__MODE": "key", "RIPIENO_AUTH__ADMIN_KEY": "very-secret"}
    with serving(tmp_path, env=env) as server:
        assert "with the admin key" in "".join(server.banner)
        assert ripieno(tmp_path, "runs", env=env).code == 0
        refused = ripieno(tmp_path, "runs", "--url", server.url)
        assert (refused.code, refused.err.partition(":")[0]) == (1, "error[unauthenticated]")
        assert ripieno(tmp_path, "runs", "--url", server.url, env={"RIPIENO_KEY": "very-secret"}).code == 0


def test_sigterm_ends_a_server_in_order(tmp_path: Path):
    with serving(tmp_path) as server:
        server.process.send_signal(signal.SIGTERM)
        assert server.process.wait(timeout=30) == 0


def test_a_reader_that_goes_away_is_no_error(tmp_path: Path):
    reading, writing = os.pipe()
    os.close(reading)
    done = subprocess.run(
        [*PROGRAM, "tools"], cwd=tmp_path, env=environment(), stdout=writing, stderr=subprocess.PIPE, check=False
    )
    os.close(writing)
    assert done.stderr == b""


def test_help_and_version(tmp_path: Path):
    shown = ripieno(tmp_path, "--help")
    assert shown.code == 0
    assert all(f"  {name} " in shown.out for name in ["serve", "demo", "run", "approve", "show"])
    assert ripieno(tmp_path, "run", "--help").out.count("--url") == 1
    assert ripieno(tmp_path, "--version").out.startswith("ripieno 0.")
    assert ripieno(tmp_path).code == 2
