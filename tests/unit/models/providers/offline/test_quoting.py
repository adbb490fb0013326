"""Which lines of a result matter."""

import pytest

from ripieno.models.providers.offline.quoting import essential, severity, shortened


@pytest.mark.parametrize(
    ("worse", "better"),
    [
        ("fatal: out of memory", "error: no such file"),
        ("3 errors", "2 warnings"),
        ("disk / 96 % full", "disk / 91 % full"),
        ("disk / 81 % full", "disk / 79 % full"),
        ("certificate expired", "expires in 20 days"),
        ("expires in 3 days", "expires in 20 days"),
        ("12 days left", "25 days left"),
        ("100 % packet loss", "0 % packet loss"),
        ("port 22 is closed", "port 22 is open"),
    ],
)
def test_the_worse_line_weighs_more(worse: str, better: str):
    assert severity(worse) > severity(better)


@pytest.mark.parametrize(
    "line",
    [
        "no errors",
        "0 warnings in 5 files",
        "cpu 97 % idle",
        "memory 85 % free",
        "0 % packet loss",
        "expires in 300 days",
    ],
)
def test_good_news_weighs_nothing(line: str):
    assert severity(line) == 0


def test_rules_blank_lines_and_bullets_are_no_quotes():
    assert [quote.text for quote in essential("# Title\n\n---\n| | |\n* one  two\n", (), 9)] == ["Title", "one two"]


def test_broken_json_is_text():
    assert [quote.text for quote in essential("{broken\nline", (), 9)] == ["{broken", "line"]
    assert [quote.text for quote in essential("[]", (), 9)] == ["[]"]


def test_the_goals_words_decide_between_equals():
    lines = "\n".join(f"line {name}" for name in ("a", "b", "swap", "c"))
    assert [quote.text for quote in essential(lines, {"swap"}, 1)] == ["line swap"]


def test_a_long_line_is_cut_where_no_number_loses_its_tail():
    assert shortened("abc 12345", 8) == "abc …"
    assert shortened("abcd12345", 8) == "abcd …"
    assert shortened("short", 8) == "short"
