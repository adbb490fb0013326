"""How the commands about the past read what is typed."""

import pytest
import typer

from ripieno.cli.commands.history import constraints, point, settled


def test_limits_are_sorted_as_the_api_takes_them():
    assert constraints(["tokens=50000", "usd=0.5", "max_turns=40"]) == {
        "max_turns": 40,
        "budget": {"tokens": 50000, "usd": 0.5},
    }


@pytest.mark.parametrize("wrong", ["tokens", "tokens=", "tokens=many"])
def test_a_limit_is_a_number(wrong: str):
    with pytest.raises(typer.BadParameter, match=wrong):
        constraints([wrong])


def test_points_and_words():
    assert (point("5"), point("g1/turn/1/model")) == (5, "g1/turn/1/model")
    assert settled(["g1/call/0=done", "run_1:g1/call/1=failed"]) == [
        {"key": "g1/call/0", "outcome": "done"},
        {"key": "g1/call/1", "outcome": "failed", "run_id": "run_1"},
    ]
    assert settled(None) == []
