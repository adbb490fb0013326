"""Several people at the command line, each with a key, on one server."""

from collections.abc import Generator
from pathlib import Path

import pytest

from tests.acceptance.command_line import SAVE, Ended, Server, ripieno, serving

pytestmark = pytest.mark.acceptance

PEOPLE = {"alice": [], "dana": ["finance"], "eli": ["finance"], "fay": ["board"]}
AGENT = """
name: writer
description: Writes files.
tools: ["files.*"]
approvals:
  - tool: files.write
    required: 2
    four_eyes: true
    assignees: ["role:finance"]
    escalate_to: ["role:board"]
"""


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Generator[Server]:
    home = tmp_path_factory.mktemp("home")
    agents = home / "config" / "agents"
    agents.mkdir(parents=True)
    (agents / "writer.yaml").write_text(AGENT)
    keys = [f'[auth.keys.{name}]\nkey = "{name}-secret"\nroles = {roles}\n' for name, roles in PEOPLE.items()]
    (home / "ripieno.toml").write_text("\n".join(keys))
    with serving(home) as found:
        yield found


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path


def by(server: Server, folder: Path, who: str, *arguments: str) -> Ended:
    return ripieno(folder, *arguments, env={"RIPIENO_KEY": f"{who}-secret", "RIPIENO_URL": server.url})


def test_two_people_let_a_run_go_on(server: Server, folder: Path):
    asked = by(server, folder, "alice", "run", SAVE, "--agent", "writer", "--json")
    assert asked.code == 3
    question = asked.json["waiting_for"][0]["interrupt_id"]
    listed = by(server, folder, "dana", "inbox", "--assignee", "role:finance").out
    assert listed.startswith(f"{question}\tapproval\trole:finance\t0 of 2\t2 d 23 h\tfiles.write ")
    refused = by(server, folder, "alice", "approve", question)
    assert (refused.code, refused.err.startswith("error[not_assignee]: ")) == (1, True)
    counted = by(server, folder, "dana", "approve", question, "--reason", "fine")
    assert counted.code == 0, counted.err
    assert counted.out.splitlines()[-1] == f"{question} has 1 of 2 approvals; it waits for other people"
    handed = by(server, folder, "eli", "delegate", question, "fay", "role:finance")
    assert handed.out == f"{question} is now put to fay, role:finance\n"
    decided = by(server, folder, "fay", "approve", question, "--json")
    assert (decided.json["status"], [vote["by"] for vote in decided.json["votes"]]) == ("approved", ["dana", "fay"])
    assert by(server, folder, "alice", "show", asked.json["id"], "--follow").code == 0


def test_a_question_goes_up_once(server: Server, folder: Path):
    asked = by(server, folder, "alice", "run", SAVE, "--agent", "writer", "--json")
    run = asked.json["id"]
    raised = by(server, folder, "eli", "escalate", run)
    assert raised.out.endswith(" is now put to role:board\n")
    again = by(server, folder, "fay", "escalate", run)
    assert (again.code, again.err.startswith("error[already_escalated]: ")) == (1, True)
    wrong = by(server, folder, "fay", "delegate", run, "nobody")
    assert (wrong.code, wrong.err.startswith("error[invalid]: nobody here is nobody")) == (2, True)
    assert by(server, folder, "fay", "deny", run, "--json").json["status"] == "denied"
    assert "nothing waits for a person" in by(server, folder, "fay", "inbox").out
