import re
from pathlib import Path

import httpx2
import pytest
import typer

from ripieno.cli import command_line, connection, outcome
from ripieno.cli.api import Api
from ripieno.cli.commands import serve
from ripieno.cli.connection import Where, connected
from ripieno.cli.exits import Exit, Stop
from ripieno.domain.errors import Forbidden, Invalid, Problem, StoreBusy
from ripieno.settings import load
from ripieno.store.lockfile import LockFile
from ripieno.testing.fake_clock import FakeClock
from tests.unit.cli.happenings import START, Happenings, told

KEY = "very-secret"


def said(error: BaseException, capsys: pytest.CaptureFixture[str]) -> tuple[int, str]:
    """The exit code and standard error of a command that raises."""
    commands = typer.Typer()

    @commands.command()
    def fail() -> None:
        raise error

    code = command_line.run_command([], commands)
    return code, capsys.readouterr().err


@pytest.mark.parametrize(
    ("error", "code", "line"),
    [
        (
            Stop(Exit.WAITING, "awaiting_approval", "a\nb", "c"),
            3,
            "error[awaiting_approval]: a b\nerror[awaiting_approval]: c\n",
        ),
        (Invalid("no good"), 2, "error[invalid]: no good\n"),
        (Invalid("no good", [Problem("/a", "is needed")]), 2, "error[invalid]: no good (/a is needed)\n"),
        (StoreBusy("in use"), 4, "error[store_busy]: in use\n"),
        (Forbidden("not you"), 1, "error[forbidden]: not you\n"),
        (KeyboardInterrupt(), 130, ""),
        (BaseExceptionGroup("g", [KeyboardInterrupt()]), 130, "error[interrupted]: interrupted\n"),
        (
            ExceptionGroup("g", [ValueError("x"), ExceptionGroup("h", [StoreBusy("in use")])]),
            4,
            "error[store_busy]: in use\n",
        ),
    ],
)
def test_every_known_error_is_one_line(error: BaseException, code: int, line: str, capsys: pytest.CaptureFixture[str]):
    assert said(error, capsys) == (code, line)


def test_an_error_that_nobody_foresaw_is_not_hidden(capsys: pytest.CaptureFixture[str]):
    with pytest.raises(ZeroDivisionError):
        said(ExceptionGroup("g", [ZeroDivisionError()]), capsys)


async def test_a_folder_whose_holder_has_no_server_yet(tmp_path: Path):
    lock = LockFile(tmp_path, START)
    try:
        with pytest.raises(Stop, match="has no server yet") as caught:
            async with connected(Where(data=tmp_path), keeps=True):
                pass
    finally:
        lock.release()
    assert caught.value.exit_code == Exit.UNREACHABLE


async def test_a_named_server_wins_over_the_folder(tmp_path: Path):
    lock = LockFile(tmp_path, START)
    try:
        async with connected(Where(url="http://127.0.0.1:9", data=tmp_path), keeps=True) as api:
            assert (api.url, api.here) == ("http://127.0.0.1:9", False)
        lock.announce("http://127.0.0.1:10")
        async with connected(Where(data=tmp_path), keeps=True) as api:
            assert (api.url, api.here) == ("http://127.0.0.1:10", False)
    finally:
        lock.release()


def test_each_wrong_setting_is_a_sentence():
    with pytest.raises(Stop) as caught:
        connection.chosen(**{"prot": 1, "worker.slots": 0})
    assert any("did you mean port?" in sentence for sentence in caught.value.sentences)
    assert len(caught.value.sentences) == 2


@pytest.mark.parametrize(
    ("flags", "words"),
    [
        ({}, "offline, which matches words"),
        ({"openai.api_key": "k"}, r"openai:gpt-4o-mini at https://api\.openai\.com/v1 \(OPENAI_API_KEY is set\)"),
        ({"openai.base_url": "http://h:9/v1"}, r"openai:gpt-4o-mini at http://h:9/v1 \(without a key\)"),
        ({"anthropic.api_key": "k", "openai.api_key": "k"}, r"anthropic:claude-\S+ at https://api\.anthropic\.com \("),
        ({"ollama.model": "qwen3"}, r"ollama:qwen3 at http://127\.0\.0\.1:11434 \(without a key\)"),
        (
            {"bedrock.api_key": "k", "bedrock.region": "r"},
            r"bedrock:global\S+ at AWS Bedrock r \(AWS credentials are set\)",
        ),
        ({"models.default": "offline"}, r"offline \(models\.default\)"),
    ],
)
def test_why_this_model(flags: dict[str, str], words: str):
    assert re.match(words, serve.model_line(load(flags, environ={})))


@pytest.mark.parametrize(
    ("flags", "words"),
    [
        ({}, "without a key, from this machine only"),
        ({"auth.admin_key": KEY}, "without a key or with the admin key, from this machine only"),
        ({"auth.mode": "key", "auth.admin_key": KEY}, "with the admin key"),
        ({"host": "0.0.0.0", "auth.admin_key": KEY}, "with the admin key, from other machines too"),
        ({"host": "::1"}, "without a key, from this machine only"),
        ({"auth.mode": "off"}, "OPEN TO EVERYBODY who reaches this address, because auth.mode is off"),
    ],
)
def test_who_may_call(flags: dict[str, str], words: str):
    assert serve.access_line(load(flags, environ={})) == words


def run_as(status: str, **more: object) -> dict[str, object]:
    return {"id": "run_1", "status": status, "error": None, "exit_reason": None, **more}


def test_a_completed_run():
    story = told(Happenings().started("run_1", "a"))
    assert outcome.verdict(run_as("completed"), story, Where()) is Exit.COMPLETED


@pytest.mark.parametrize("asks", [False, True])
async def test_a_run_that_asks_is_given_the_moment_in_which_it_comes_to_rest(asks: bool):
    def answer(request: httpx2.Request) -> httpx2.Response:
        status = "awaiting_approval" if "wait" in request.url.params else "running"
        return httpx2.Response(200, json=run_as(status, answer=None))

    make = Happenings()
    asking = [make.asked("run_1", 0, "files.write", {})] if asks else []
    story = told(make.started("run_1", "a"), *asking)
    api = Api("http://x", None, FakeClock(), here=False, transport=httpx2.MockTransport(answer))
    with pytest.raises(Stop) as caught:
        await outcome.conclude(api, story, Where())
    await api.close()
    assert caught.value.code == ("awaiting_approval" if asks else "running")


@pytest.mark.parametrize(
    ("run", "exit_code", "code", "sentence"),
    [
        (run_as("failed", error={"code": "max_turns", "detail": "no answer"}), 1, "max_turns", "no answer"),
        (run_as("cancelled", exit_reason="operator"), 1, "operator", "run run_1 was cancelled"),
        (run_as("paused"), 3, "paused", "run run_1 is paused; look at it with: ripieno show run_1 --url http://x"),
    ],
)
def test_runs_that_did_not_complete(run: dict[str, object], exit_code: int, code: str, sentence: str):
    story = told(Happenings().started("run_1", "a"))
    with pytest.raises(Stop) as caught:
        outcome.verdict(run, story, Where(url="http://x"))
    assert (caught.value.exit_code, caught.value.code, caught.value.sentences) == (exit_code, code, (sentence,))


@pytest.mark.parametrize(
    ("kind", "how"),
    [
        ("approval", "approve apr_1"),
        ("budget", "approve apr_1"),
        ("question", "answer apr_1 ANSWER"),
        ("unknown_effect", r"answer apr_1 committed\|retry\|abandon"),
    ],
)
def test_how_to_decide(kind: str, how: str):
    make = Happenings()
    story = told(
        make.started("run_1", "a"), make.replied("run_1", ("t.x", {})), make.asked("run_1", 0, "t.x", {}, kind=kind)
    )
    with pytest.raises(Stop, match=rf"Decide with: ripieno {how} --data 'my data'$"):
        outcome.verdict(run_as("awaiting_approval"), story, Where(data=Path("my data")))


def test_no_two_commands_have_the_same_name():
    named = [each.callback.__name__ for each in command_line.app.registered_commands if each.callback]
    assert len(named) == len(command_line.COMMANDS)
    assert len(typer.main.get_group(command_line.app).commands) == len(named) + len(command_line.app.registered_groups)
