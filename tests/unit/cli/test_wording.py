import json

import pytest

from ripieno.cli import wording


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (-1, "0 ms"),
        (0.0034, "3 ms"),
        (0.034, "0.03 s"),
        (4.21, "4.2 s"),
        (125, "2 min 5 s"),
        (12_000, "3 h 20 min"),
        (187_200, "2 d 4 h"),
    ],
)
def test_duration(seconds: float, text: str):
    assert wording.duration(seconds) == text


@pytest.mark.parametrize(("usd", "text"), [(0, "$0.00"), (0.00124, "$0.0012"), (2.5, "$2.50")])
def test_money(usd: float, text: str):
    assert wording.money(usd) == text


@pytest.mark.parametrize(("number", "text"), [(0, "0 tools"), (1, "1 tool"), (1204, "1,204 tools")])
def test_count(number: int, text: str):
    assert wording.count(number, "tool") == text


@pytest.mark.parametrize("evil", ["\x1b[2J", "\x9b2J", "\x07", "\r", "\u202e", "\u2028", "\b"])
def test_no_control_character_reaches_the_terminal(evil: str):
    assert evil not in wording.clean(f"before{evil}after")
    assert evil not in wording.one_line(f"before{evil}after")
    assert evil not in wording.arguments({"text": f"before{evil}after"})


def test_line_ends_and_tabs_stay():
    assert wording.clean("a\n\tb") == "a\n\tb"


@pytest.mark.parametrize(("text", "line"), [("a\n  b", "a b"), ("abcdefgh", "abcd…"), ("abc  " + " " * 40, "abc…")])
def test_one_line(text: str, line: str):
    assert wording.one_line(text, 5) == line


def test_arguments_are_whole_when_they_fit():
    assert wording.arguments({"path": "/", "all": True}) == '{"path": "/", "all": true}'


def test_long_strings_are_cut_and_every_name_stays():
    given = {"path": "report.md", "content": "x" * 5000, "more": [{"deep": "y" * 500}]}
    text = wording.arguments(given)
    assert len(text) <= 120
    assert "(5,000 characters)" in text
    assert set(json.loads(text)) == set(given)


def test_too_many_arguments_end_in_dots():
    text = wording.arguments({f"name_{number}": number for number in range(50)})
    assert len(text) <= 120
    assert text.endswith("…")
