"""A journal is read as tasks."""

from datetime import datetime

import pytest

from ripieno.domain.entries import EntryType
from ripieno.engine.core.projection import (
    SUMMARY_CHARS,
    Follower,
    TaskDetail,
    TaskKind,
    TaskStatus,
    brief,
    tasks,
)
from tests.unit.engine.core.journal_lines import Lines, at

CALL = "g1/turn/1/call/0"


def only(lines: Lines) -> TaskDetail:
    (task,) = tasks(lines)
    return task


def outline(lines: Lines) -> list[tuple[str, TaskStatus]]:
    return [(task.name, task.status) for task in tasks(lines)]


def test_a_start_is_no_task():
    lines = Lines()
    lines.started()
    assert tasks(lines) == []


def test_a_reply_began_when_the_model_was_asked():
    lines = Lines()
    entry = lines.replied(1, "  It is\n 408.  ")
    assert only(lines) == TaskDetail(
        key="g1/turn/1/model",
        kind=TaskKind.MODEL,
        name="m-1",
        status=TaskStatus.COMPLETED,
        started_at=at(0.5),
        ended_at=at(1),
        ms=500.0,
        summary="It is 408.",
        seq=1,
        output=entry.body["reply"],
    )


def test_a_reply_with_wishes_is_summed_up_by_them():
    lines = Lines()
    lines.replied(1, "let me see", ["net.ping", "system.cpu"])
    assert only(lines).summary == "calls net.ping, system.cpu"


def test_a_model_that_failed():
    lines = Lines()
    lines.put("g1/turn/1/model", EntryType.MODEL_FAILED, {"code": "model_unavailable", "detail": "429"})
    task = only(lines)
    assert (task.status, task.summary, task.ms) == (TaskStatus.FAILED, "model_unavailable: 429", None)


def test_a_read_is_known_when_it_has_returned():
    lines = Lines()
    lines.returned(CALL, "math.add")
    task = only(lines)
    assert (task.key, task.kind, task.name, task.status) == (CALL, TaskKind.TOOL, "math.add", TaskStatus.COMPLETED)
    assert (task.started_at, task.ended_at, task.ms) == (at(0.75), at(1), 250.0)
    assert (task.input, task.output["data"], task.summary) == ({"x": 1}, {"value": 408}, "408")


@pytest.mark.parametrize(
    ("status", "shown"),
    [("denied", TaskStatus.DENIED), ("timeout", TaskStatus.FAILED), ("invalid_arguments", TaskStatus.FAILED)],
)
def test_a_call_that_did_not_go_well(status: str, shown: TaskStatus):
    lines = Lines()
    lines.returned(CALL, "math.add", status)
    assert only(lines).status is shown


def test_an_effect_runs_from_its_first_intent_to_its_return():
    lines = Lines()
    lines.intended(CALL, "files.write")
    first = only(lines)
    assert (first.status, first.started_at, first.summary, first.ended_at) == (TaskStatus.RUNNING, at(1), "", None)
    lines.intended(CALL, "files.write", attempt=2)
    assert (only(lines).summary, only(lines).started_at) == ("attempt 2", at(1))
    lines.returned(CALL, "files.write", attempt=2)
    task = only(lines)
    assert (task.status, task.started_at, task.ended_at, task.seq) == (TaskStatus.COMPLETED, at(1), at(3), 3)


def test_an_approval_waits_until_it_is_decided():
    lines = Lines()
    lines.opened(f"{CALL}/approval")
    waiting = only(lines)
    assert (waiting.kind, waiting.name, waiting.status) == (TaskKind.APPROVAL, "files.write", TaskStatus.WAITING)
    assert (waiting.summary, waiting.input["interrupt_id"]) == ("it writes; it is big", "apr_1")
    lines.decided(f"{CALL}/approval", "approve")
    task = only(lines)
    assert (task.status, task.summary, task.ms, task.seq) == (TaskStatus.COMPLETED, "approve by ann", 1000.0, 2)
    assert task.output["decided_by"] == "ann"


def test_a_denial_says_why():
    lines = Lines()
    lines.opened(f"{CALL}/approval")
    lines.decided(f"{CALL}/approval", "deny", "not today")
    assert (only(lines).status, only(lines).summary) == (TaskStatus.DENIED, "deny by ann: not today")


def test_a_question_that_was_taken_back_waits_for_nobody():
    lines, follower = Lines(), Follower()
    follower.see(lines.opened(f"{CALL}/approval"))
    seen = follower.see(lines.withdrawn(f"{CALL}/approval"))
    assert [seen] == tasks(lines)
    assert (only(lines).status, only(lines).ended_at, only(lines).seq) == (TaskStatus.CANCELLED, at(2), 2)


def test_a_question_without_a_tool_is_named_for_its_kind():
    lines = Lines()
    lines.opened("g1/ask", "question", {"question": "which?"})
    assert (only(lines).kind, only(lines).name) == (TaskKind.QUESTION, "question")


def test_a_child_names_the_run_that_does_the_work():
    lines = Lines()
    lines.child_started("disk")
    assert (only(lines).status, only(lines).summary, only(lines).run_id) == (TaskStatus.RUNNING, "do disk", "run_disk")
    lines.child_ended("disk")
    task = only(lines)
    assert (task.status, task.summary, task.run_id, task.ms) == (TaskStatus.COMPLETED, "it is 408", "run_disk", 1000.0)
    assert task.input == {"goal": "do disk", "purpose": "act"}
    assert task.output["answer"] == "it is 408"


@pytest.mark.parametrize(("status", "shown"), [("failed", TaskStatus.FAILED), ("cancelled", TaskStatus.CANCELLED)])
def test_a_child_that_did_not_complete_says_why(status: str, shown: TaskStatus):
    lines = Lines()
    lines.child_started("disk")
    lines.child_ended("disk", status, {"code": "deadline", "detail": "too late"})
    assert (only(lines).status, only(lines).summary) == (shown, "deadline: too late")


def test_plans_and_reviews():
    lines = Lines()
    plan = {"steps": [{"id": "disk", "agent": "monitor"}, {"id": "net", "agent": "network"}]}
    lines.put("g1/plan", EntryType.TEAM_PLANNED, {"plan": plan})
    bad = {"verdict": "rework", "issues": ["no source", "too long"]}
    lines.put("g1/review/1", EntryType.TEAM_REVIEWED, {"review": bad, "round": 1})
    good: dict[str, object] = {"verdict": "accept", "issues": []}
    lines.put("g1/review/2", EntryType.TEAM_REVIEWED, {"review": good, "round": 2})
    found = [(task.kind, task.name, task.summary, task.output) for task in tasks(lines)]
    assert found == [
        (TaskKind.PLAN, "plan", "disk (monitor), net (network)", plan),
        (TaskKind.REVIEW, "review 1", "rework: no source; too long", bad),
        (TaskKind.REVIEW, "review 2", "accept", good),
    ]


def test_what_was_open_at_the_end_is_settled():
    lines = Lines()
    lines.returned(CALL, "math.add")
    lines.intended("g1/turn/1/call/1", "files.write")
    lines.child_started("disk")
    lines.opened("g1/turn/1/call/2/approval")
    lines.ended("cancelled")
    assert outline(lines) == [
        ("math.add", TaskStatus.COMPLETED),
        ("files.write", TaskStatus.UNKNOWN),
        ("disk", TaskStatus.CANCELLED),
        ("files.write", TaskStatus.CANCELLED),
    ]
    ends: list[datetime | None] = [task.ended_at for task in tasks(lines)]
    assert ends == [at(1), at(5), at(5), at(5)]


def test_a_follower_sees_the_same_task_as_the_whole_journal():
    lines = Lines()
    lines.started()
    lines.replied(1, calls=["files.write"])
    lines.opened(f"{CALL}/approval")
    lines.decided(f"{CALL}/approval", "approve")
    lines.child_started("disk")
    lines.child_ended("disk")
    follower = Follower()
    seen = {task.key: task for entry in lines if (task := follower.see(entry))}
    assert list(seen.values()) == tasks(lines)
    assert follower.see(lines.ended()) is None


def test_brief_keeps_one_short_line():
    assert brief(" a\n\tb ") == "a b"
    assert brief("x" * SUMMARY_CHARS) == "x" * SUMMARY_CHARS
    long = brief("x" * (SUMMARY_CHARS + 1))
    assert (len(long), long[-1]) == (SUMMARY_CHARS, "…")
    assert brief(" " * 3 * SUMMARY_CHARS + "x") == "…"
