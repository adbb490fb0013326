import pytest

from ripieno.tools.builtin import wording


@pytest.mark.parametrize(
    ("count", "text"),
    [(0, "0 B"), (1023, "1023 B"), (1536, "1.5 KiB"), (22 * 1024**3, "22 GiB"), (5 * 1024**6, "5120 PiB")],
)
def test_size(count: float, text: str):
    assert wording.size(count) == text


@pytest.mark.parametrize(
    ("seconds", "text"), [(0.25, "0.2 s"), (59, "59 s"), (3600, "1 h"), (93784, "1 d 2 h"), (61, "1 min 1 s")]
)
def test_span(seconds: float, text: str):
    assert wording.span(seconds) == text


def test_counted_and_listed():
    assert wording.counted(1, "file") == "1 file"
    assert wording.counted(2000, "process", "processes") == "2,000 processes"
    assert wording.listed(["a", "b", "c"], 2) == "a, b and 1 more"
    assert wording.listed([], 2) == ""


def test_shortened_fits_on_one_line():
    assert wording.shortened("a\n  b", 10) == "a b"
    assert wording.shortened("x" * 20, 10) == "x" * 9 + "…"
