from datetime import UTC
from typing import Any

import pytest

from ripieno.cli.events import Event
from ripieno.cli.lines import line
from ripieno.cli.story import Story
from tests.unit.cli.happenings import EXEC, TEAM, Happenings, team_at_work


def lines(*events: Event) -> list[str | None]:
    story, found = Story(events[0].run_id), list[str | None]()
    for event in events:
        story.apply(event)
        found.append(line(event, story, UTC))
    return found


def test_a_team_at_work():
    assert lines(*team_at_work()) == [
        "[12:00:00] operations started run_team on offline: look around",
        "[12:00:01] operations gives plan to planner",
        "[12:00:02] planner answered (offline)",
        "[12:00:03] planner completed after 2.0 s",
        "[12:00:04] operations planned 2 steps: disk (monitor), logs (reader); then the file report.md",
        "[12:00:05] operations gives step/disk to monitor: goal of step/disk",
        None,
        "[12:00:07] monitor asks for system.disk, system.memory",
        '[12:00:08] monitor called system.disk {"path": "/"} → disk / 9 % full; no swap (0.03 s)',
    ]


def test_a_question_that_was_taken_back():
    make = Happenings()
    asked = make.asked(EXEC, 0, "files.write", {"path": "a.md"})
    *_, last = lines(make.started(EXEC, "executor"), asked, make.withdrawn(EXEC))
    assert last == "[12:00:02] executor takes approval apr_1 back: it need not be decided any more"


def test_an_approval():
    make = Happenings()
    events = [
        make.started(EXEC, "executor"),
        make.replied(EXEC, ("files.write", {"path": "a.md"})),
        make.asked(EXEC, 0, "files.write", {"path": "a.md"}),
        make.decided(EXEC, "approve", reason="go on", arguments={"path": "b.md"}),
    ]
    assert lines(*events)[2:] == [
        '[12:00:02] executor waits for a person: approval apr_1: files.write {"path": "a.md"} (risk high: it writes)',
        "[12:00:03] executor was told approve by local with other arguments: go on",
    ]


@pytest.mark.parametrize(
    ("attempt", "words"), [(1, "begins files.write (idempotent)"), (2, "begins files.write (idempotent, attempt 2)")]
)
def test_an_effect(attempt: int, words: str):
    make = Happenings()
    body: dict[str, Any] = {
        "tool": "files.write",
        "arguments": {},
        "effect": "idempotent",
        "attempt": attempt,
        "idempotency_key": "k",
    }
    event = make.event("r", "effect.intended", f"g1/turn/1/call/0/intent/{attempt}", **body)
    assert lines(make.started("r", "executor"), event)[1] == f"[12:00:00] executor {words}"


def test_reviews_and_the_end():
    make = Happenings()
    events = [
        make.started(TEAM, "operations"),
        make.reviewed(1, "rework", "too short"),
        make.reviewed(2, "accept"),
        make.child_ended(TEAM, "review-2", "run_review"),
        make.ended(TEAM, "failed", error={"code": "deadline", "detail": "too late"}),
    ]
    assert lines(*events)[1:] == [
        "[12:00:01] operations review 1: sent back: too short",
        "[12:00:02] operations review 2: accepted",
        None,
        "[12:00:04] operations failed after 4.0 s: deadline: too late",
    ]


def test_what_went_wrong():
    make = Happenings()
    events = [
        make.started("r", "a"),
        make.replied("r", ("net.ping", {})),
        make.returned("r", 0, "net.ping", "ping is not installed", status="unavailable"),
        make.event("r", "model.failed", "g1/turn/2/model", code="model_error", detail="bad key"),
    ]
    assert lines(*events)[2:] == [
        "[12:00:02] a called net.ping {} → unavailable: ping is not installed (0.03 s)",
        "[12:00:03] a got no answer from its model: model_error: bad key",
    ]


def test_an_answer_in_words_is_shown_and_events_of_a_later_version_are_named():
    make = Happenings()
    events = [make.started("r", "a"), make.replied("r", text="All\nwell."), make.event("r", "run.sang", "g1/song")]
    assert lines(*events)[1:] == ["[12:00:01] a answered (offline): All well.", "[12:00:02] a run.sang"]
