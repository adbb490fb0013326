"""Entries are told as CloudEvents and as a status stream."""

from ripieno.domain.runs import RunStatus
from ripieno.engine.core.projection import TaskStatus
from ripieno.engine.core.projection_events import Progress, event
from tests.unit.engine.core.journal_lines import Lines


def test_an_event_is_a_cloud_event():
    lines = Lines()
    entry = lines.returned("g1/turn/1/call/0", "math.add")
    assert event(entry) == {
        "specversion": "1.0",
        "id": "run_1/1",
        "source": "/v1/runs/run_1",
        "type": "tool.returned",
        "subject": "g1/turn/1/call/0",
        "time": "2026-01-01T00:00:01Z",
        "datacontenttype": "application/json",
        "sequence": 1,
        "data": {"run_id": "run_1", **entry.body},
    }


def test_the_event_of_a_start_leaves_the_definition_out():
    lines = Lines()
    data = event(lines.started("count", ["planner", "reviewer"]))["data"]
    assert data == {
        "run_id": "run_1",
        "agent": "teller",
        "version": "v1",
        "goal": "count",
        "purpose": "act",
        "model": "offline",
        "members": ["planner", "reviewer"],
    }


def test_an_event_about_a_child_names_both_runs():
    data = event(Lines().child_started("disk"))["data"]
    assert (data["run_id"], data["child_run_id"]) == ("run_1", "run_disk")


def test_progress_waits_no_more_for_what_was_taken_back():
    lines, progress = Lines(), Progress()
    progress.see(lines.started())
    assert progress.see(lines.opened("g1/a/approval"))[0] is RunStatus.AWAITING_APPROVAL
    assert progress.see(lines.withdrawn("g1/a/approval"))[0] is RunStatus.RUNNING


def test_progress_tells_what_is_new():
    lines, progress = Lines(), Progress()
    assert progress.see(lines.started()) == (RunStatus.RUNNING, None)
    status, task = progress.see(lines.opened("g1/a/approval"))
    assert (status, task and task.status) == (RunStatus.AWAITING_APPROVAL, TaskStatus.WAITING)
    status, task = progress.see(lines.opened("g1/b/ask", "question", {}))
    assert (status, progress.status) == (None, RunStatus.AWAITING_APPROVAL)
    status, task = progress.see(lines.decided("g1/a/approval", "approve"))
    assert (status, task and task.status) == (RunStatus.AWAITING_INPUT, TaskStatus.COMPLETED)
    status, _ = progress.see(lines.decided("g1/b/ask", "answer"))
    assert status is RunStatus.RUNNING
    assert progress.see(lines.ended("failed"))[0] is RunStatus.FAILED
