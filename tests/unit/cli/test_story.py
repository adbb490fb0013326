from datetime import timedelta

from ripieno.cli.story import Verdict
from tests.unit.cli.happenings import DISK, EXEC, START, TEAM, Happenings, team_at_work, told


def test_a_team_at_work():
    story = told(*team_at_work())
    assert story.root.agent == "operations"
    assert [step.id for step in story.root.plan] == ["disk", "logs"]
    assert story.root.deliverable is not None
    assert story.root.deliverable.path == "report.md"
    assert [(work.agent, work.name, work.status) for work in story.children(story.root)] == [
        ("planner", "plan", "completed"),
        ("monitor", "step/disk", "running"),
    ]


def test_calls_are_known_before_they_return():
    work = told(*team_at_work()).works[DISK]
    disk, memory = work.calls.values()
    assert (disk.tool, disk.arguments, disk.status, disk.ms, disk.ok) == (
        "system.disk",
        {"path": "/"},
        "ok",
        30.0,
        True,
    )
    assert disk.asked_at == START + timedelta(seconds=7)
    assert disk.returned_at == START + timedelta(seconds=8)
    assert (memory.tool, memory.status, memory.returned_at) == ("system.memory", None, None)


def test_tokens_and_cost_are_added_up_for_each_run():
    make = Happenings()
    story = told(make.started("r", "a"), make.replied("r"), make.replied("r", turn=2))
    assert (story.root.tokens, story.root.model_calls) == (30, 2)
    assert round(story.root.cost_usd, 6) == 0.02


def test_a_call_that_changes_the_world_shows_what_is_really_sent():
    make = Happenings()
    intent = make.event(
        "r",
        "effect.intended",
        "g1/turn/1/call/0/intent/1",
        tool="files.write",
        arguments={"path": "other.md"},
        effect="idempotent",
        attempt=1,
        idempotency_key="k",
    )
    story = told(make.started("r", "a"), make.replied("r", ("files.write", {"path": "a.md"})), intent)
    (call,) = story.calls()
    assert (call.arguments, call.effect) == ({"path": "other.md"}, "idempotent")


def test_what_waits_for_a_person():
    make = Happenings()
    events = [
        make.started(TEAM, "operations"),
        make.child(TEAM, "deliver", EXEC, "executor", "deliver"),
        make.replied(EXEC, ("files.write", {"path": "a"})),
    ]
    story = told(*events)
    assert not story.stalled
    story.apply(make.asked(EXEC, 0, "files.write", {"path": "a"}))
    assert story.stalled
    (question,) = story.pending
    assert (question.agent, question.tool, question.arguments) == ("executor", "files.write", {"path": "a"})
    (call,) = story.calls()
    assert story.waiting(call, story.works[EXEC])
    story.apply(make.decided(EXEC, "approve"))
    assert story.pending == []
    assert not story.stalled
    assert not story.waiting(call, story.works[EXEC])


def test_nobody_is_asked_what_was_taken_back():
    make = Happenings()
    story = told(make.started("r", "a"), make.asked("r", 0, "files.write", {"path": "a"}), make.withdrawn("r"))
    assert story.pending == []


def test_a_run_with_other_calls_under_way_does_not_stand_still():
    make = Happenings()
    events = [make.started("r", "a"), make.replied("r", ("files.write", {}), ("system.cpu", {}))]
    story = told(*events, make.asked("r", 0, "files.write", {}))
    assert not story.stalled
    story.apply(make.returned("r", 1, "system.cpu", "idle"))
    assert story.stalled


def test_a_team_does_not_stand_still_while_another_member_works():
    make = Happenings()
    story = told(
        make.started(TEAM, "operations"),
        make.child(TEAM, "step/a", EXEC, "executor"),
        make.child(TEAM, "step/b", DISK, "monitor"),
        make.replied(EXEC, ("files.write", {})),
        make.asked(EXEC, 0, "files.write", {}),
    )
    assert not story.stalled
    story.apply(make.ended(DISK))
    assert story.stalled


def test_nothing_waits_after_the_end():
    make = Happenings()
    story = told(make.started("r", "a"), make.replied("r", ("t.x", {})), make.asked("r", 0, "t.x", {}))
    story.apply(make.ended("r", "cancelled"))
    assert story.pending == []
    assert not story.stalled
    assert story.root.status == "cancelled"


def test_verdicts_name_what_no_evidence_bears():
    make = Happenings()
    story = told(
        make.started(TEAM, "operations"),
        make.reviewed(1, "rework", "too short", unsupported=["it is fast"]),
        make.reviewed(2, "accept"),
    )
    assert story.root.verdicts == [
        Verdict(1, accepted=False, issues=("too short", "not supported: it is fast")),
        Verdict(2, accepted=True, issues=()),
    ]


def test_a_child_whose_own_events_are_late_ends_with_its_parents_word():
    make = Happenings()
    story = told(make.started(TEAM, "t"), make.child(TEAM, "step/disk", DISK, "monitor"))
    story.apply(make.child_ended(TEAM, "step/disk", DISK, answer="fine"))
    assert (story.works[DISK].status, story.works[DISK].answer) == ("completed", "fine")
    first_end = story.works[DISK].ended_at
    story.apply(make.child_ended(TEAM, "step/disk", DISK, status="failed"))
    assert (story.works[DISK].status, story.works[DISK].ended_at) == ("completed", first_end)


def test_a_failed_run_says_why():
    make = Happenings()
    story = told(make.started("r", "a"), make.ended("r", "failed", error={"code": "max_turns", "detail": "no answer"}))
    assert story.root.error == "max_turns: no answer"


def test_events_of_a_later_version_are_passed_over():
    make = Happenings()
    story = told(make.started("r", "a"), make.event("r", "run.sang", "g1/song"), make.decided("r", "approve", "apr_9"))
    assert story.root.status == "running"
    assert story.questions == {}
