"""The parts that the offline model plays in a team: it plans, composes, reviews and delivers."""

import json

import pytest

from ripieno.domain.jsons import JsonObject
from ripieno.domain.messages import Reply
from ripieno.domain.teams import Plan, Review
from tests.unit.models.providers.offline.toolbox import ask, returned

AGENTS: list[JsonObject] = [
    {"name": "planner", "role": "planner", "description": "Plans.", "capabilities": ["planning"], "tools": []},
    {
        "name": "researcher",
        "role": "worker",
        "description": "Researches facts on web pages and in files.",
        "capabilities": ["research", "web pages"],
        "tools": ["web.fetch", "files.read"],
    },
    {
        "name": "executor",
        "role": "executor",
        "description": "Writes the answer.",
        "capabilities": [],
        "tools": ["files.write"],
    },
    {"name": "reviewer", "role": "reviewer", "description": "Judges drafts.", "capabilities": ["review"], "tools": []},
    {
        "name": "system_monitoring",
        "role": "worker",
        "description": "Measures this machine: processors, memory, disks.",
        "capabilities": ["this machine"],
        "tools": ["system.cpu", "system.memory", "system.disk"],
    },
    {
        "name": "log_analysis",
        "role": "worker",
        "description": "Searches the logs of this machine and groups the errors.",
        "capabilities": ["logs of this machine"],
        "tools": ["logs.errors", "logs.search"],
    },
    {
        "name": "code_review",
        "role": "worker",
        "description": "Reviews Python code.",
        "capabilities": ["this checkout"],
        "tools": [
            {"name": "code.review", "description": "Review code."},
            {"name": "git.facts", "keywords": ["branch"]},
        ],
    },
]


def planned(goal: str, agents: list[JsonObject] = AGENTS) -> Plan:
    return Plan.model_validate_json(ask(goal, data={"goal": goal, "agents": agents}, purpose="plan", tools=()).text)


class TestPlan:
    def test_a_general_look_goes_to_all_who_fit_and_the_file_is_the_deliverable(self):
        goal = "Look over this machine and this checkout and say what deserves attention first."
        plan = planned(f"{goal} Write the report to out/today.md.")
        assert {step.agent: step.goal for step in plan.steps} == {
            "system_monitoring": "Look over this machine (look at: cpu, memory, disk)",
            "log_analysis": "Look over this machine (look at: errors, logs search)",
            "code_review": "Look over this checkout (look at: review, facts)",
        }
        assert all(step.needs == () for step in plan.steps)
        assert plan.deliverable is not None
        assert plan.deliverable.path == "out/today.md"

    def test_single_questions_go_to_the_best(self):
        plan = planned("How full are the disks, and what is on https://example.com?")
        assert {step.agent: step.goal for step in plan.steps} == {
            "system_monitoring": "How full are the disks",
            "researcher": "what is on https://example.com",
        }
        assert plan.deliverable is None

    def test_what_comes_later_needs_what_came_before(self):
        plan = planned("Which branch is the checkout on? Then search the logs for that branch")
        assert [(step.agent, step.needs) for step in plan.steps] == [
            ("code_review", ()),
            ("log_analysis", ("code_review",)),
        ]

    def test_a_goal_that_fits_nobody_goes_to_a_generalist(self):
        assert [step.agent for step in planned("Write a poem").steps] == ["researcher"]

    def test_a_general_look_that_names_nothing_goes_to_all_specialists(self):
        assert {step.agent for step in planned("Give me an overview").steps} == {
            "system_monitoring",
            "log_analysis",
            "code_review",
        }

    def test_staff_works_where_there_is_nobody_else(self):
        assert [step.agent for step in planned("Check the disks", AGENTS[:1]).steps] == ["planner"]
        assert [step.agent for step in planned("Check the disks", [AGENTS[0], AGENTS[2]]).steps] == ["executor"]

    def test_a_report_without_a_name_has_one(self):
        deliverable = planned("Check the disks and save a report").deliverable
        assert deliverable is not None
        assert deliverable.path == "report.md"

    def test_names_make_good_step_ids_and_none_twice(self):
        agents: list[JsonObject] = [{"name": "Disk Man!", "description": "disks", "tools": ["system.disk"]}]
        plan = planned("Check the disks. Then check the disks again", agents)
        assert [step.id for step in plan.steps] == ["disk-man", "disk-man-2"]

    def test_without_agents_the_schema_still_rules(self):
        reply = ask("Plan it", purpose="plan", output_schema=Plan.model_json_schema())
        assert Plan.model_validate_json(reply.text).steps


EVIDENCE: list[JsonObject] = [
    {
        "id": "disk/t1c0",
        "tool": "system.disk",
        "arguments": {},
        "excerpt": "disk /boot 20 % full\ndisk / 91 % full: 45.2 GiB used",
        "ok": True,
    },
    {"id": "disk/t1c1", "tool": "system.cpu", "arguments": {}, "excerpt": "cpu 3.0 % busy, no errors", "ok": True},
    {
        "id": "net/t1c0",
        "tool": "net.traceroute",
        "arguments": {"host": "a.example"},
        "excerpt": "traceroute is unavailable",
        "ok": False,
    },
    {"id": "logs/t1c0", "tool": "logs.errors", "arguments": {}, "excerpt": "fatal: 1 x out of memory", "ok": True},
]


def composed(**more: object) -> str:
    data = {
        "goal": "Look over this machine",
        "results": [],
        "evidence": EVIDENCE,
        "issues": [],
        "previous_draft": None,
        **more,
    }
    return ask("Write the answer", data=data, purpose="compose", tools=()).text


def reviewed(draft: str, evidence: list[JsonObject] = EVIDENCE) -> Review:
    data: JsonObject = {"goal": "g", "plan": {}, "evidence": evidence, "draft": draft}
    return Review.model_validate_json(ask("Review it", data=data, purpose="review", tools=()).text)


class TestCompose:
    def test_the_worst_comes_first_and_every_line_cites(self):
        assert composed(
            results=[{"step": "web", "agent": "researcher", "answer": "?", "status": "completed"}]
        ).splitlines() == [
            "# Look over this machine",
            "",
            "## What deserves attention",
            "",
            "- logs.errors: fatal: 1 x out of memory [logs/t1c0]",
            "- system.disk: disk / 91 % full: 45.2 GiB used [disk/t1c0]",
            "",
            "## What was seen",
            "",
            "- system.disk: disk /boot 20 % full [disk/t1c0]",
            "- system.cpu: cpu 3.0 % busy, no errors [disk/t1c1]",
            "",
            "## What could not be done",
            "",
            "- net.traceroute a.example failed: traceroute is unavailable [net/t1c0]",
            "- Not covered: step `web` (researcher) left no evidence",
        ]

    def test_its_own_draft_passes_review(self):
        assert reviewed(composed()).verdict == "accept"

    def test_without_evidence_nothing_is_claimed(self):
        draft = composed(evidence=[])
        assert "Nothing was found" in draft
        assert reviewed(draft, []).verdict == "accept"

    def test_issues_drop_what_is_wrong_and_mend_what_can_be(self):
        draft = (
            "# Report\n\n## Wrong\n\n- Disk /home is 99 % full [disk/t1c0]\n\n## Right\n\n"
            "- disk / 91 % full: 45.2 GiB used [disk/t1c0]\n- cpu 3.0 % busy, no errors [nowhere/t9c9]"
        )
        mended = composed(previous_draft=draft, issues=list(reviewed(draft).issues))
        assert mended.splitlines() == [
            "# Report",
            "",
            "## Right",
            "",
            "- disk / 91 % full: 45.2 GiB used [disk/t1c0]",
            "- cpu 3.0 % busy, no errors [disk/t1c1]",
        ]
        assert reviewed(mended).verdict == "accept"

    def test_an_issue_that_names_a_statement_drops_it(self):
        draft = composed()
        mended = composed(previous_draft=draft, issues=["“system.disk: disk /boot 20 % full” is of no interest"])
        assert "/boot" not in mended
        assert "91 %" in mended

    def test_a_draft_of_which_nothing_is_left_says_so(self):
        assert "no statement of the draft is borne" in composed(
            previous_draft="- It is 5 [x/t1c0]", issues=["all wrong"]
        )


class TestReview:
    @pytest.mark.parametrize(
        ("statement", "problem"),
        [
            ("- Disk / is 91 % full [disk/t1c0].", ""),
            ("Disk / holds about 45 GiB [disk/t1c0]. The processor is idle at 3% [disk/t1c1].", ""),
            ("- Two things hold: 91 % and 3 % [disk/t1c0, disk/t1c1]", ""),
            ("- traceroute was unavailable [net/t1c0]", ""),
            ('- It says "out of memory" [logs/t1c0]', ""),
            ("- Fatal! The system ran out of memory. Once. [logs/t1c0]", ""),
            ("- Disk / [disk/t1c0] is 91 % full [disk/t1c0]", ""),
            ("- Disk / is 91 % full [disk/t1c0]. All the rest is in order.", "cites no evidence"),
            ("- Disk / is 92 % full [disk/t1c0]", "does not show 92"),
            ("- Disk / is 91 % full", "cites no evidence"),
            ("- Disk / is 91 % full [disk/t9c9]", "no evidence disk/t9c9"),
            ('- It says "disk failure" [logs/t1c0]', "does not say"),
            ("- The weather is lovely [logs/t1c0]", "something else"),
        ],
    )
    def test_a_statement_must_be_borne_by_what_it_cites(self, statement: str, problem: str):
        verdict = reviewed(f"# Report 7\n\nIn short:\n\n{statement}\n\n```\ncode 5\n```\n")
        assert (verdict.verdict == "accept") == (not problem)
        assert problem in " ".join(verdict.issues)
        assert len(verdict.unsupported_claims) == bool(problem)

    def test_claims_cite_only_what_exists(self):
        verdict = reviewed("- 91 % and 20 % [disk/t1c0, disk/t7c7]")
        assert [claim.evidence for claim in verdict.unsupported_claims] == [("disk/t1c0",)]

    def test_a_draft_that_says_nothing_goes_back(self):
        assert reviewed("# Report\n").verdict == "rework"


FILE: JsonObject = {"path": "report.md", "content": "# All\n"}


class TestDeliver:
    def deliver(self, *after: object, **more: object) -> Reply:
        return ask("Save the accepted answer as report.md", *after, data=FILE, purpose="deliver", **more)  # pyright: ignore[reportArgumentType]

    def test_it_writes_exactly_what_it_was_given(self):
        assert [(call.name, call.arguments) for call in self.deliver().tool_calls] == [("files.write", FILE)]

    def test_it_says_what_came_of_it(self):
        call = self.deliver()
        assert self.deliver(*returned(call, "wrote report.md")).text == "Saved report.md [t1c0]."
        denied = self.deliver(*returned(call, "denied by a person", error=True))
        assert denied.text == "report.md was not saved: denied by a person [t1c0]"

    def test_without_a_writing_tool_it_says_so(self):
        assert "could not save report.md" in self.deliver(tools=()).text


def test_the_same_request_gets_the_same_reply():
    assert composed() == composed()
    assert json.dumps(planned("Look over this machine").model_dump()) == json.dumps(
        planned("Look over this machine").model_dump()
    )
