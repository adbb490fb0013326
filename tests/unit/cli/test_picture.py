import io
import sys
from datetime import timedelta

import pytest
from rich.console import Console

from ripieno.cli.events import Event
from ripieno.cli.picture import Row, picture, rows
from tests.unit.cli.happenings import DISK, EXEC, START, TEAM, Happenings, team_at_work, told

NOW = START + timedelta(seconds=10)


def drawn(events: list[Event], width: int = 100, height: int = 40) -> str:
    console = Console(file=io.StringIO(), width=width, color_system=None, legacy_windows=False)
    console.print(picture(told(*events), NOW, height))
    assert isinstance(console.file, io.StringIO)
    return console.file.getvalue()


def delivering() -> list[Event]:
    """A team after two reviews, waiting with its file."""
    make = Happenings()
    return [
        make.started(TEAM, "operations"),
        make.planned(),
        make.child(TEAM, "draft-1", "d1", "executor", "compose"),
        make.ended("d1"),
        make.child(TEAM, "review-1", "r1", "reviewer", "review"),
        make.ended("r1"),
        make.reviewed(1, "rework", "too short"),
        make.child(TEAM, "draft-2", "d2", "executor", "compose"),
        make.ended("d2"),
        make.child(TEAM, "review-2", "r2", "reviewer", "review"),
        make.ended("r2"),
        make.reviewed(2, "accept"),
        make.child(TEAM, "deliver", EXEC, "executor", "deliver"),
        make.replied(EXEC, ("files.write", {"path": "report.md"})),
        make.asked(EXEC, 0, "files.write", {"path": "report.md"}),
    ]


def test_who_does_what():
    assert rows(told(*team_at_work()), NOW, 40) == [
        Row("✓", "planner", "planned 2 steps and the file report.md", "2.0 s"),
        Row("●", "monitor", "look around", "5.0 s"),
        Row("✓", "system.disk", "disk / 9 % full; no swap", "0.03 s", 1),
        Row("●", "system.memory", "", "3.0 s", 1),
        Row("○", "reader", "read the logs (after disk)"),
    ]


def test_verdicts_and_what_waits():
    found = rows(told(*delivering()), NOW, 40)
    assert [(row.icon, row.who, row.what) for row in found if row.depth == 0 and row.icon != "○"] == [
        ("✓", "executor", "wrote the answer"),
        ("✓", "reviewer", "sent it back: too short"),
        ("✓", "executor", "wrote the answer again"),
        ("✓", "reviewer", "accepted the answer"),
        ("‖", "executor", "waits for a person"),
    ]
    assert [row.icon for row in found if row.who == "files.write"] == ["‖"]


def test_head_and_foot():
    text = drawn(delivering())
    assert text.startswith("look around")
    assert "operations · offline · waits for a person · 10.0 s · 15 tokens · $0.0100" in text
    assert text.rstrip().endswith("waits for a person: apr_1")


@pytest.mark.parametrize("width", [80, 120, 200])
def test_every_width_works(width: int):
    lines = drawn(delivering(), width).splitlines()
    assert len(lines) == len(drawn(delivering(), 200).splitlines())
    assert max(len(line) for line in lines) <= width


@pytest.mark.parametrize("height", [8, 10, 12])
def test_the_picture_fits_a_low_terminal(height: int):
    text = drawn([*team_at_work(), *many_ended()], height=height)
    assert len(text.splitlines()) <= height
    assert "earlier line" in text


def many_ended() -> list[Event]:
    make, found = Happenings(), list[Event]()
    for number in range(10):
        run = f"run_{number}"
        found += [
            make.child(TEAM, f"step/s{number}", run, "worker"),
            make.replied(run, ("t.x", {})),
            make.returned(run, 0, "t.x", "done"),
            make.ended(run),
        ]
    return found


def test_finished_work_folds_before_it_leaves():
    events = [*team_at_work(), *many_ended()]
    whole = rows(told(*events), NOW, sys.maxsize)
    folded = rows(told(*events), NOW, len(whole) - 3)
    assert len(folded) <= len(whole) - 3
    assert [row.who for row in folded if row.depth == 0] == [row.who for row in whole if row.depth == 0]


def test_failures_say_why_and_calls_that_never_returned_are_marked():
    make = Happenings()
    story = told(
        make.started(TEAM, "operations"),
        make.child(TEAM, "step/disk", DISK, "monitor"),
        make.replied(DISK, ("t.x", {"a": 1})),
        make.ended(DISK, "failed", error={"code": "deadline", "detail": "too late"}),
    )
    assert rows(story, NOW, 40) == [
        Row("✗", "monitor", "deadline: too late", "2.0 s"),
        Row("✗", "t.x", '{"a": 1}', "", 1),
    ]


def test_a_single_agent_shows_its_calls():
    make = Happenings()
    story = told(
        make.started("r", "a"), make.replied("r", ("t.x", {})), make.returned("r", 0, "t.x", "x", status="error")
    )
    assert rows(story, NOW, 40) == [Row("✗", "t.x", "error: x", "0.03 s")]


def test_results_cannot_write_on_the_terminal():
    make = Happenings()
    events = [
        make.started("r", "a"),
        make.replied("r", ("t.x", {})),
        make.returned("r", 0, "t.x", "\x1b[2Jgone [bold]"),
    ]
    text = drawn(events)
    assert "\x1b" not in text
    assert "[bold]" in text
