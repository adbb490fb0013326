"""The command line of those who look after a server: halts, dead letters, pruning."""

from collections.abc import Generator
from pathlib import Path

import pytest

from tests.acceptance.command_line import Server, ripieno, serving

pytestmark = pytest.mark.acceptance


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Generator[Server]:
    home = tmp_path_factory.mktemp("home")
    agents = home / "config" / "agents"
    agents.mkdir(parents=True)
    (agents / "mute.yaml").write_text("name: mute\ndescription: Says nothing.\nmodel: nobody:nothing\n")
    with serving(home) as found:
        yield found


def test_halted_runs_wait_and_go_on(server: Server, tmp_path: Path):
    def ask(*arguments: str) -> str:
        done = ripieno(tmp_path, *arguments, "--url", server.url)
        assert done.code == 0, done.err
        return done.out

    assert ask("halts") == "nothing is halted\n"
    assert ask("halt", "tool:math.*", "--reason", "smoke") == "tool:math.* is halted\n"
    (line,) = ask("halts").splitlines()
    assert line.split("\t")[0::2] == ["tool:math.*", "local"]
    assert line.endswith("smoke")
    ask("run", "Calculate 19 * 12.5", "--no-follow")
    halted = ripieno(tmp_path, "approve", "last", "--url", server.url)
    assert "asks nothing now" in halted.err
    assert ask("unhalt", "tool:math.*") == "tool:math.* goes on\n"
    assert "237.5" in ask("run", "Calculate 19 * 12.5")
    wrong = ripieno(tmp_path, "halt", "everything", "--url", server.url)
    assert (wrong.code, "a scope is all" in wrong.err) == (2, True)


def test_dead_letters_are_listed_replayed_and_discarded(server: Server, tmp_path: Path):
    for _ in range(2):
        assert ripieno(tmp_path, "run", "speak", "--agent", "mute", "--url", server.url).code == 1
    listed = ripieno(tmp_path, "dlq", "list", "--url", server.url)
    letters = [line.split("\t") for line in listed.out.splitlines()]
    assert [letter[1:3] for letter in letters] == [["run", "open"]] * 2
    one, other = letters[0][0], letters[1][0]
    assert ripieno(tmp_path, "dlq", "show", one, "--url", server.url).json["payload"]["agent"] == "mute"
    edit = '{"agent": "default", "goal": "Calculate 4 + 4"}'
    replayed = ripieno(tmp_path, "dlq", "replay", one, "--edit", edit, "--json", "--url", server.url)
    run_id = replayed.json["outcome"]["run_id"]
    assert "8" in ripieno(tmp_path, "show", run_id, "--url", server.url).out
    assert f"discarded {other}" in ripieno(tmp_path, "dlq", "discard", other, "--url", server.url).out
    assert ripieno(tmp_path, "dlq", "list", "--url", server.url).out == "no dead letters\n"
    everything = ripieno(tmp_path, "dlq", "list", "--all", "--json", "--url", server.url).json["data"]
    assert {letter["state"] for letter in everything} == {"replayed", "discarded"}
    for edit, words in (("{", "not JSON"), ("[1]", "JSON object")):
        wrong = ripieno(tmp_path, "dlq", "replay", one, "--edit", edit, "--url", server.url)
        assert (wrong.code, words in wrong.err) == (2, True)


def test_runs_are_archived_and_pruned(server: Server, tmp_path: Path):
    assert ripieno(tmp_path, "run", "Calculate 1 + 1", "--url", server.url).code == 0
    old = ripieno(tmp_path, "prune", "--older-than", "1h", "--json", "--url", server.url)
    assert old.json == {"runs": 0, "archived": 0, "more": None}
    archived = ripieno(tmp_path, "archive", "--older-than", "0h", "--url", server.url)
    bundles = list((server.folder / ".ripieno" / "archive").glob("*/*.jsonl.gz"))
    assert (archived.out.split()[0], archived.code) == (str(len(bundles)), 0)
    counted = ripieno(tmp_path, "prune", "--older-than", "0h", "--dry-run", "--url", server.url)
    assert counted.out.split()[0] == str(len(bundles))
    pruned = ripieno(tmp_path, "prune", "--older-than", "0h", "--archive", "--url", server.url)
    assert pruned.out.split()[0] == str(len(bundles))
    assert ripieno(tmp_path, "runs", "--url", server.url).out.startswith("no runs yet")
    wrong = ripieno(tmp_path, "prune", "--older-than", "soon", "--url", server.url)
    assert (wrong.code, "30d, 12h or 8w" in wrong.err) == (2, True)
