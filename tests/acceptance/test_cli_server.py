"""The command line against a real server."""

import json
import re
from collections.abc import Generator
from pathlib import Path

import pytest

from tests.acceptance.command_line import SAVE, Server, ripieno, serving

pytestmark = pytest.mark.acceptance


@pytest.fixture(scope="module")
def elsewhere(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("elsewhere")


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Generator[Server]:
    home = tmp_path_factory.mktemp("home")
    agents = home / "config" / "agents"
    agents.mkdir(parents=True)
    (agents / "broken.yaml").write_text("name: broken\ntools: 5\n")
    (agents / "teller.yaml").write_text("name: teller\ndescription: Counts.\ntools: [math.calculate]\n")
    with serving(home) as found:
        yield found


def test_the_banner_says_what_runs(server: Server):
    banner = "".join(server.banner)
    assert server.url.startswith("http://127.0.0.1:")
    assert str(server.folder / ".ripieno") in banner
    assert "offline" in banner
    assert "OPENAI_API_KEY" in banner
    assert f"{server.url}/docs" in banner


def test_a_run_in_plain_lines(server: Server, elsewhere: Path):
    done = ripieno(elsewhere, "run", "Calculate 19 * 12.5", "--url", server.url)
    assert done.code == 0, done.err
    assert re.search(
        r"^\[\d\d:\d\d:\d\d\] default called math\.calculate \{.*19 \* 12\.5.*\} → .*237\.5", done.out, re.MULTILINE
    )
    assert "237.5" in done.out.splitlines()[-1]
    assert done.err == ""
    assert not (elsewhere / ".ripieno").exists()


def test_a_run_as_one_json_document(server: Server, elsewhere: Path):
    done = ripieno(elsewhere, "run", "Calculate 2 + 3", "--agent", "teller", "--json", env={"RIPIENO_URL": server.url})
    assert done.code == 0, done.err
    assert (done.json["status"], done.json["agent"]) == ("completed", "teller")
    assert "5" in done.json["answer"]


def test_the_server_of_the_data_folder_is_found(server: Server):
    done = ripieno(server.folder, "run", "Calculate 4 + 4", "--no-follow")
    assert done.code == 0, done.err
    run = done.out.strip()
    followed = ripieno(server.folder, "show", run, "--follow")
    assert followed.code == 0
    assert "8" in followed.out
    shown = ripieno(server.folder, "show", run)
    assert f"{run} · completed" in shown.out
    events = ripieno(server.folder, "show", "last", "--events")
    assert events.out.splitlines()[0].endswith("Calculate 4 + 4")
    listed = ripieno(server.folder, "runs", "--limit", "1")
    assert listed.out.startswith(f"{run}\tcompleted\tdefault\t")


def test_waiting_then_approved_from_another_process(server: Server, elsewhere: Path):
    waiting = ripieno(elsewhere, "run", SAVE, "--agent", "executor", "--url", server.url)
    assert waiting.code == 3
    (line,) = waiting.err.splitlines()
    assert line.startswith("error[awaiting_approval]: run run_")
    asked = re.search(r"ripieno approve (apr_\w+) --url (\S+)$", line)
    assert asked is not None
    assert asked[2] == server.url
    approved = ripieno(elsewhere, "approve", asked[1], "--url", server.url, "--reason", "only a greeting")
    assert approved.code == 0, approved.err
    assert approved.out.startswith(f"approved {asked[1]}")
    ended = ripieno(elsewhere, "show", "last", "--follow", "--url", server.url)
    assert ended.code == 0
    (written,) = (server.folder / ".ripieno" / "workspaces").glob("*/hello.txt")
    assert written.read_text().strip() == "Hello from Ripieno"
    again = ripieno(elsewhere, "approve", asked[1], "--url", server.url)
    assert again.code == 1
    assert again.err.startswith("error[already_decided]: ")


def test_denied_with_json(server: Server):
    waiting = ripieno(server.folder, "run", SAVE, "--agent", "executor", "--json")
    assert waiting.code == 3
    assert waiting.json["status"] == "awaiting_approval"
    denied = ripieno(server.folder, "deny", waiting.json["id"], "--reason", "no", "--json")
    assert denied.code == 0
    assert denied.json["status"] == "denied"
    nothing_asked = ripieno(server.folder, "deny", waiting.json["id"])
    assert nothing_asked.code == 1
    assert nothing_asked.err.startswith("error[which_interrupt]: ")


def test_cancelled_and_over(server: Server):
    waiting = ripieno(server.folder, "run", SAVE, "--agent", "executor", "--json")
    run = waiting.json["id"]
    assert f"{run}\tawaiting_approval" in ripieno(server.folder, "runs", "--status", "awaiting_approval").out
    assert ripieno(server.folder, "pause", run).code == 0
    assert ripieno(server.folder, "resume", run).code == 0
    cancelled = ripieno(server.folder, "cancel", run)
    assert (cancelled.code, cancelled.out) == (0, f"{run} cancelled\n")
    shown = ripieno(server.folder, "show", run, "--follow")
    assert shown.code == 1
    assert len(shown.err.splitlines()) == 1


def test_agents_and_tools(server: Server):
    agents = ripieno(server.folder, "agents")
    assert "\nteller\tmath.calculate\tCounts.\n" in agents.out
    assert re.search(r"^! .*broken\.yaml:\d+ ", agents.out, re.MULTILINE)
    assert ripieno(server.folder, "agents", "teller", "--json").json["tools"] == ["math.calculate"]
    assert json.loads(ripieno(server.folder, "tools", "math.calculate").out)["effect"] == "read"
    assert {tool["name"] for tool in ripieno(server.folder, "tools", "--json").json["data"]} >= {
        "math.calculate",
        "system.disk",
    }


@pytest.mark.parametrize(
    ("arguments", "start"),
    [
        (["run", "x", "--agent", "opertions"], "error[not_found]: no agent 'opertions'; did you mean operations?"),
        (["show", "run_nothing"], "error[not_found]: no run 'run_nothing'"),
        (["approve", "apr_nothing"], "error[not_found]: "),
        (["approve", "last", "--arguments", "{"], "error[usage]: --arguments: that is not JSON"),
        (["runs", "--status", "sleeping"], "error[usage]: Invalid value for '--status'"),
    ],
)
def test_what_the_caller_must_change(server: Server, arguments: list[str], start: str):
    done = ripieno(server.folder, *arguments)
    assert (done.code, done.out) == (2, "")
    (line,) = done.err.splitlines()
    assert line.startswith(start)
