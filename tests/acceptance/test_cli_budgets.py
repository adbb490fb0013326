"""`ripieno budgets` on a data folder without a server, and a run that such a budget stops."""

from pathlib import Path

import pytest

from tests.acceptance.command_line import ripieno

pytestmark = pytest.mark.acceptance


def test_a_budget_is_set_stops_a_run_and_is_removed(tmp_path: Path):
    assert ripieno(tmp_path, "budgets", "list").out == "no budgets\n"
    done = ripieno(tmp_path, "budgets", "set", "agent:default", "--window", "day", "--tokens", "0", "--usd", "5")
    assert (done.code, done.out) == (0, "agent:default (day): $0.00 of $5.00, 0 of 0 tokens spent\n")
    listed = ripieno(tmp_path, "budgets", "list")
    assert listed.out == "agent:default\tday\t$0.00 of $5.00, 0 of 0 tokens\texceeded\tstops\n"
    stopped = ripieno(tmp_path, "run", "Calculate 2 + 2", "--json")
    assert (stopped.code, stopped.json["exit_reason"]) == (1, "budget_exceeded")
    assert ripieno(tmp_path, "budgets", "remove", "agent:default", "--window", "day", "--json").json["removed"]
    assert ripieno(tmp_path, "run", "Calculate 2 + 2").code == 0
    assert ripieno(tmp_path, "budgets", "list", "--json").json["data"] == []


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("tenant",), "name a limit"),
        (("tenant", "--usd=-1"), "/limits/usd"),
        (("planet", "--usd", "1"), "is no scope"),
        (("tenant", "--usd", "1", "--window", "week"), "week"),
    ],
)
def test_a_budget_that_makes_no_sense_is_refused(tmp_path: Path, arguments: tuple[str, ...], said: str):
    refused = ripieno(tmp_path, "budgets", "set", *arguments, "--json")
    assert refused.code == 2
    assert said in refused.err
    assert ripieno(tmp_path, "budgets", "set", "tenant", "--effects", "3", "--json").json["limits"] == {"effects": 3}
