"""`ripieno send`, `messages` and `signal`: on a data folder alone, and with a server whose run waits for them."""

import asyncio
from pathlib import Path

import pytest

from tests.acceptance.command_line import SECONDS, Ended, ripieno, serving
from tests.wire.openai_server import OpenAIServer, calls, says

pytestmark = pytest.mark.acceptance

CLERK = 'name: clerk\ndescription: Answers.\ntools: ["message.*", "run.*"]\nmodel: openai:gpt-4o-mini\n'


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder with an agent that listens."""
    agents = tmp_path / "config" / "agents"
    agents.mkdir(parents=True)
    (agents / "clerk.yaml").write_text(CLERK)
    return tmp_path


def test_messages_lie_in_the_box_in_order(folder: Path):
    assert ripieno(folder, "messages", "clerk").out == "no messages\n"
    sent = ripieno(folder, "send", "clerk", "ping")
    assert (sent.code, sent.out[:4], sent.out[-15:]) == (0, "msg_", " sent to clerk\n")
    told = ripieno(folder, "send", "clerk", '{"eur": 3}', "--json").json
    assert (told["n"], told["to"], told["from"], told["body"]) == (2, "clerk", "local", {"eur": 3})
    shown = ripieno(folder, "messages", "clerk").out.splitlines()
    assert [line.split("\t")[2:] for line in shown] == [["local", "ping"], ["local", '{"eur": 3}']]
    assert [each["n"] for each in ripieno(folder, "messages", "clerk", "--json").json["data"]] == [1, 2]


def test_who_is_not_there_is_told(folder: Path):
    refused = ripieno(folder, "send", "clark", "ping")
    assert (refused.code, refused.err[:44]) == (2, "error[not_found]: no agent 'clark'; did you ")
    assert "no agent 'nobody'" in ripieno(folder, "messages", "nobody").err


def test_a_run_that_has_ended_hears_no_more(folder: Path):
    ended = ripieno(folder, "run", "What is 12 * 34?", "--json").json["id"]
    signalled = ripieno(folder, "signal", "last", "paid", '{"eur": 3}')
    assert (signalled.code, signalled.err[:18]) == (1, "error[run_ended]: ")
    assert f"run {ended} has ended" in ripieno(folder, "send", ended, "hello").err


async def test_a_waiting_run_hears_a_signal_and_then_a_message(folder: Path):
    """Each wait shows as `waiting`; what was said stands in the tools' results."""
    script = [calls(("run__wait_event", '{"topic": "paid"}')), calls(("message__receive", "{}")), says("Thank you.")]
    async with OpenAIServer(script) as model:
        env = {"OPENAI_API_KEY": "sk-none", "OPENAI_BASE_URL": model.url}
        with serving(folder, env=env) as server:

            async def told(*arguments: str) -> Ended:
                return await asyncio.to_thread(ripieno, folder, *arguments, "--url", server.url)

            async def waits(run: str, turn: int) -> None:
                async with asyncio.timeout(SECONDS):
                    while True:
                        shown = (await told("show", run, "--json")).json
                        if shown["status"] == "waiting" and len(model.requests) == turn:
                            return

            run = (await told("run", "Wait.", "--agent", "clerk", "--no-follow", "--json")).json["id"]
            await waits(run, 1)
            assert (await told("signal", run, "paid", '{"eur": 3}')).out == f"{run} was told paid\n"
            await waits(run, 2)
            assert (await told("send", "clerk", "goodbye")).code == 0
            async with asyncio.timeout(SECONDS):
                while (shown := await told("show", run, "--json")).json["status"] != "completed":
                    assert shown.json["status"] in {"queued", "running", "waiting"}
            assert shown.json["answer"] == "Thank you."
    heard = [message["content"] for message in model.requests[-1].body["messages"] if message["role"] == "tool"]
    assert '"eur":3' in heard[0]
    assert "goodbye" in heard[1]


def test_an_event_is_published(folder: Path):
    told = ripieno(folder, "publish", "deploy.finished", '{"ok": true}', "--source", "ci")
    assert (told.code, told.out[:4], told.out[-30:]) == (0, "evt_", " published as deploy.finished\n")
    refused = ripieno(folder, "publish", "run.completed")
    assert (refused.code, "the platform's own" in refused.err) == (2, True)
