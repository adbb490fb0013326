"""The review team, played by hand."""

from dataclasses import replace
from typing import Any

import pytest

from ripieno.domain.agents import AgentDefinition
from ripieno.domain.entries import EntryType
from ripieno.domain.runs import Evidence, ExitReason, Limits, RunError, RunInput, RunResult, RunStatus
from ripieno.domain.usage import Usage
from ripieno.engine.core.commands import AwaitChildren, StartChild
from ripieno.engine.core.patterns.review import Member, TeamJob, review_team
from ripieno.testing.playbook import Playbook

MEMBERS = tuple(
    Member(name, role, f"does {name}", (), ())
    for name, role in [
        ("planner", "planner"),
        ("disks", "worker"),
        ("nets", "worker"),
        ("executor", "executor"),
        ("reviewer", "reviewer"),
    ]
)
PLAN = {
    "steps": [
        {"id": "disk", "agent": "disks", "goal": "look at the disks"},
        {"id": "net", "agent": "nets", "goal": "look at the net"},
        {"id": "sum", "agent": "executor", "goal": "add up", "needs": ["disk", "net"]},
    ],
    "deliverable": {"path": "report.md"},
}
ACCEPT = {"verdict": "accept", "claims": [{"claim": "full", "evidence": ["disk/t1c0"]}]}


def team(max_reworks: int = 1, members: tuple[Member, ...] = MEMBERS, **limits: Any) -> Playbook:
    definition = AgentDefinition.model_validate(
        {"name": "ops", "mode": "collaborative", "members": ["planner"], "max_reworks": max_reworks}
    )
    job = TeamJob(definition, members, RunInput("What is wrong?", context={"site": "a"}), Limits(**limits))
    return Playbook(review_team(job))


def done(answer: str = "ok", value: Any = None, *, tool: str | None = None, tokens: int = 0) -> RunResult:
    evidence = (Evidence("t1c0", tool, {}, "91 %"),) if tool else ()
    usage = Usage(input_tokens=tokens)
    return RunResult(RunStatus.COMPLETED, ExitReason.COMPLETED, answer, value, evidence, usage)


def failed(detail: str = "broken") -> RunResult:
    error = RunError("model_error", detail)
    return RunResult(RunStatus.FAILED, ExitReason.MODEL_ERROR, error=error)


def one(book: Playbook, result: RunResult) -> StartChild:
    """A single child starts and ends."""
    start = book.child_starts()
    book.children_end({start.key.partition("/child/")[2]: result})
    return start


def steps(book: Playbook, plan: dict[str, Any] = PLAN) -> None:
    """Up to the draft: plan, and both waves of steps."""
    one(book, done(value=plan))
    assert book.notes().type is EntryType.TEAM_PLANNED
    book.child_starts()
    book.child_starts()
    book.children_end({"step/disk": done("disk is full", tool="system.disk"), "step/net": done("net is fine")})
    one(book, done("sum"))


def test_plan_steps_draft_review_and_delivery():
    book = team()
    planning = one(book, done(value=PLAN))
    assert (planning.agent, planning.input.purpose) == ("planner", "plan")
    assert planning.input.data is not None
    assert [agent["name"] for agent in planning.input.data["agents"]] == ["disks", "nets", "executor"]
    assert planning.input.data["context"] == {"site": "a"}
    assert book.notes().body["plan"]["steps"][0]["id"] == "disk"
    first, second = book.child_starts(), book.child_starts()
    assert [first.key, second.key] == ["g1/child/step/disk", "g1/child/step/net"]
    book.children_end({"step/disk": done("disk is full", tool="system.disk")})
    assert book.wants(AwaitChildren).keys == ("g1/child/step/net",)
    book.children_end({"step/net": done("net is fine")})
    third = one(book, done("sum"))
    assert third.input.data == {
        "team_goal": "What is wrong?",
        "results": {"disk": "disk is full", "net": "net is fine"},
    }
    draft = one(book, done("Disk is 91 % full [disk/t1c0]."))
    assert draft.input.purpose == "compose"
    assert draft.input.data is not None
    assert [item["id"] for item in draft.input.data["evidence"]] == ["disk/t1c0"]
    review = one(book, done(value=ACCEPT))
    assert review.input.data is not None
    assert review.input.data["draft"] == "Disk is 91 % full [disk/t1c0]."
    assert book.notes().body == {"review": book_review(ACCEPT), "round": 1}
    delivery = one(book, done("written", tool="files.write"))
    assert delivery.input.data == {"path": "report.md", "content": "Disk is 91 % full [disk/t1c0]."}
    result = book.ended
    assert result.status is RunStatus.COMPLETED
    assert result.value["accepted"] is True
    assert result.value["deliverable"] == {"path": "report.md", "written": True, "answer": "written"}
    assert [item.id for item in result.evidence] == ["disk/t1c0", "deliver/t1c0"]


def book_review(short: dict[str, Any]) -> dict[str, Any]:
    return {"issues": [], "unsupported_claims": [], **short}


def test_rework_hands_the_issues_back_and_stops_after_its_limit():
    book = team(max_reworks=1)
    steps(book, {**PLAN, "deliverable": None})
    one(book, done("Nonsense [disk/t1c0]."))
    objection: dict[str, Any] = {"claim": "Nonsense", "evidence": []}
    one(book, done(value={"verdict": "rework", "issues": ["too short"], "unsupported_claims": [objection]}))
    book.notes()
    redraft = one(book, done("Still nonsense [disk/t1c0]."))
    assert redraft.key == "g1/child/draft-2"
    assert redraft.input.data is not None
    assert redraft.input.data["issues"] == ["too short", "unsupported: Nonsense"]
    assert redraft.input.data["previous_draft"] == "Nonsense [disk/t1c0]."
    one(book, done(value={"verdict": "rework", "issues": ["still too short"], "unsupported_claims": [objection]}))
    book.notes()
    result = book.ended
    assert result.status is RunStatus.COMPLETED
    assert result.value["accepted"] is False
    assert result.answer.startswith(
        "Still nonsense [disk/t1c0].\n\nThe reviewer did not accept this answer:\n- still too short"
    )


def test_evidence_that_does_not_exist_is_unsupported_whatever_the_reviewer_says():
    book = team(max_reworks=0)
    steps(book, {**PLAN, "deliverable": None})
    one(book, done("Disk is full [disk/t1c0] and so is the moon [moon/t9c9]."))
    one(book, done(value={"verdict": "accept", "claims": [{"claim": "moon", "evidence": ["moon/t9c9"]}]}))
    review = book.notes().body["review"]
    assert review["verdict"] == "rework"
    assert review["unsupported_claims"] == [{"claim": "moon", "evidence": ["moon/t9c9"]}]
    assert review["issues"] == ["[moon/t9c9] is cited, but there is no such evidence"]


def test_a_reviewer_without_a_usable_verdict_means_rework():
    book = team(max_reworks=0)
    steps(book, {**PLAN, "deliverable": None})
    one(book, done("Fine [disk/t1c0]."))
    one(book, done(value={"verdict": "perhaps"}))
    assert book.notes().body["review"]["issues"] == ["the reviewer gave no usable verdict"]


def test_a_draft_without_evidence_is_not_accepted_where_there_is_some():
    book = team(max_reworks=0)
    steps(book, {**PLAN, "deliverable": None})
    one(book, done("All is well."))
    one(book, done(value={"verdict": "accept", "claims": [{"claim": "all is well"}]}))
    review = book.notes().body["review"]
    assert review["verdict"] == "rework"
    assert review["issues"] == ["the draft cites none of the evidence that there is"]
    assert review["unsupported_claims"] == [{"claim": "all is well", "evidence": []}]


def test_a_bad_plan_is_asked_again_with_what_is_wrong():
    book = team()
    bad = {
        "steps": [
            {"id": "a", "agent": "nobody", "goal": "x", "needs": ["b"]},
            {"id": "b", "agent": "disks", "goal": "x", "needs": ["a", "zz"]},
        ]
    }
    one(book, done(value=bad))
    again = one(book, done(value={"steps": []}))
    assert again.input.data is not None
    problems = " | ".join(again.input.data["issues"])
    assert "there is no agent nobody" in problems
    assert "needs zz, which is no step" in problems
    assert "in a circle" in problems
    assert book.failed_with() == "invalid_plan"


def test_two_steps_with_one_id_are_a_bad_plan():
    book = team()
    twins = {"steps": [{"id": "a", "agent": "disks", "goal": "x"}, {"id": "a", "agent": "disks", "goal": "y"}]}
    one(book, done(value=twins))
    assert book.child_starts().key == "g1/child/plan-2"


def test_a_failed_step_does_not_fail_the_team():
    book = team()
    one(book, done(value={"steps": [{"id": "disk", "agent": "disks", "goal": "x"}]}))
    book.notes()
    one(book, failed("no disk"))
    draft = book.wants(StartChild).input.data
    assert draft is not None
    assert draft["results"] == [{"step": "disk", "agent": "disks", "status": "failed", "answer": "no disk"}]


def test_a_failed_planner_fails_the_team_with_its_reason():
    book = team()
    one(book, failed("no key"))
    assert book.failed_with() == "model_error"
    assert book.ended.error is not None
    assert book.ended.error.detail == "the planner failed: no key"


def test_a_cancelled_executor_fails_the_team():
    book = team()
    steps(book)
    one(book, RunResult(RunStatus.CANCELLED, ExitReason.OPERATOR))
    assert book.ended.error is not None
    assert book.ended.error.code == "operator"


def test_a_refused_delivery_is_said():
    book = team()
    steps(book)
    one(book, done("Disk is 91 % full [disk/t1c0]."))
    one(book, done(value=ACCEPT))
    book.notes()
    one(book, failed("somebody said no"))
    deliverable = {"path": "report.md", "written": False, "answer": "somebody said no"}
    assert book.ended.value["deliverable"] == deliverable
    assert book.ended.answer.endswith("report.md was not written: somebody said no")


def test_the_children_share_the_teams_budget():
    book = team(tokens=100)
    one(book, done(value=PLAN, tokens=200))
    assert book.failed_with() == "budget_exceeded"


def test_the_children_get_what_is_left_of_the_teams_limits():
    book = team(tokens=1000, usd=1.0, effects=3, seconds=60.0, max_turns=9)
    whole = {"max_turns": 9, "seconds": 60.0}
    used = replace(done(value=PLAN, tokens=400), effects=1, busy_ms=20_000.0)
    assert one(book, used).input.limits == whole
    book.notes()
    assert book.child_starts().input.limits == {"max_turns": 9, "seconds": 40.0}, "the rest is the family's budget"


@pytest.mark.parametrize(
    ("limits", "reason"), [({"effects": 0}, ExitReason.BUDGET_EXCEEDED), ({"seconds": 1.0}, ExitReason.DEADLINE)]
)
def test_effects_and_time_of_children_count(limits: dict[str, Any], reason: ExitReason):
    book = team(**limits)
    one(book, replace(done(value=PLAN), effects=1, busy_ms=2000.0))
    assert book.ended.exit_reason is reason
    assert (book.ended.effects, book.ended.busy_ms) == (1, 2000.0)


def test_a_team_without_a_role_says_which():
    members = tuple(member for member in MEMBERS if member.role != "planner")
    book = team(members=members)
    assert book.failed_with() == "incomplete_team"
