"""Questions to people over HTTP: the run's shorthand, interrupts, approvals."""

from typing import Any

import pytest

from ripieno.domain.batches import Append, Park
from ripieno.domain.entries import EntryType, NewEntry
from ripieno.domain.interrupts import InterruptKind, NewInterrupt
from ripieno.domain.messages import ModelRequest, Reply
from ripieno.domain.runs import RunStatus
from ripieno.testing.scripted_model import answers, calls, says, turn_of
from tests.unit.server.doors import PAYS, Door, open_door


async def waiting(door: Door, **body: Any) -> Any:
    return await door.post("/v1/runs?wait=20", {"goal": "pay", "agent": "cashier", **body}, 202)


async def test_approve_lets_the_run_go_on():
    async with open_door(PAYS) as door:
        run = await waiting(door)
        decided = await door.post(f"/v1/runs/{run['id']}/approve", {"approved": True, "reason": "fine"})
        assert (decided["run_id"], decided["interrupt"]["status"]) == (run["id"], "approved")
        (decision,) = decided["interrupt"]["decisions"]
        assert (decision["decided_by"], decision["reason"]) == ("local", "fine")
        assert (await door.get(f"/v1/runs/{run['id']}?wait=20"))["answer"] == "Paid [t1c0]."
        assert door.tools.arguments("shop.pay") == [{"eur": 3}]


async def test_arguments_can_be_edited_within_the_schema():
    async with open_door(PAYS) as door:
        here = f"/v1/runs/{(await waiting(door))['id']}"
        edited = {"approved": True, "modified_arguments": {"eur": 500}}
        problem = await door.post(f"{here}/approve", edited, 422)
        assert [error["pointer"] for error in problem["errors"]] == ["/eur"]
        await door.post(f"{here}/approve", {"approved": True, "modified_arguments": {"eur": 2}})
        assert (await door.get(f"{here}?wait=20"))["status"] == "completed"
        assert door.tools.arguments("shop.pay") == [{"eur": 2}]


async def test_a_denial_makes_no_call():
    async with open_door(PAYS) as door:
        run = await waiting(door)
        denied = {
            "approved": False,
            "modified_arguments": {"eur": 1},
            "interrupt_id": run["waiting_for"][0]["interrupt_id"],
        }
        assert (await door.post(f"/v1/runs/{run['id']}/approve", denied))["interrupt"]["status"] == "denied"
        await door.get(f"/v1/runs/{run['id']}?wait=20")
        assert not door.tools.calls


async def test_a_second_decision_is_told_who_was_first():
    async with open_door(PAYS) as door:
        run = await waiting(door)
        interrupt_id = run["waiting_for"][0]["interrupt_id"]
        await door.post(f"/v1/interrupts/{interrupt_id}/decide", {"decision": "approve"})
        problem = await door.post(f"/v1/interrupts/{interrupt_id}/decide", {"decision": "deny"}, 409)
        assert (problem["code"], problem["decided_by"]) == ("already_decided", "local")
        problem = await door.post(
            f"/v1/runs/{run['id']}/approve", {"approved": True, "interrupt_id": interrupt_id}, 409
        )
        assert problem["code"] == "already_decided"


async def test_several_open_approvals_must_be_named():
    script = [calls(("shop.pay", {"eur": 1}), ("shop.pay", {"eur": 2})), says("ok")]
    async with open_door(script) as door:
        run = await waiting(door)
        open_ids = [asked["interrupt_id"] for asked in run["waiting_for"]]
        problem = await door.post(f"/v1/runs/{run['id']}/approve", {"approved": True}, 409)
        assert (problem["code"], sorted(problem["open"])) == ("which_interrupt", sorted(open_ids))
        other = await door.post(f"/v1/runs/{run['id']}/answer", {"answer": "yes"}, 409)
        assert (other["code"], other["open"]) == ("which_interrupt", [])
        assert other["detail"] == f"run {run['id']} has no open question now"
        left = await door.post(f"/v1/runs/{run['id']}/approve", {"approved": True, "interrupt_id": open_ids[0]})
        assert [asked["interrupt_id"] for asked in left["waiting_for"]] == open_ids[1:]
        await door.post(f"/v1/runs/{run['id']}/approve", {"approved": True})
        assert (await door.get(f"/v1/runs/{run['id']}?wait=20"))["status"] == "completed"


async def test_nothing_to_decide():
    async with open_door(works=False) as door:
        run = await door.post("/v1/runs", {"goal": "add"}, 201)
        problem = await door.post(f"/v1/runs/{run['id']}/approve", {"approved": True}, 409)
        assert (problem["code"], problem["open"]) == ("which_interrupt", [])
        problem = await door.post(f"/v1/runs/{run['id']}/answer", {"answer": "42"}, 409)
        assert problem["code"] == "which_interrupt"


async def test_interrupts_and_approvals_are_listed_shown_and_decided():
    async with open_door(PAYS) as door:
        first, second = await waiting(door), await waiting(door)
        newest = second["waiting_for"][0]["interrupt_id"]
        page = await door.client.get("/v1/approvals?status=pending&limit=1")
        assert [found["id"] for found in page.json()["data"]] == [newest]
        assert page.headers["link"].endswith(f'cursor={page.json()["next_cursor"]}>; rel="next"')
        rest = await door.get(f"/v1/approvals?status=pending&cursor={page.json()['next_cursor']}")
        assert [found["run_id"] for found in rest["data"]] == [first["id"]]
        assert (await door.get("/v1/interrupts?kind=question"))["data"] == []
        assert [found["id"] for found in (await door.get(f"/v1/interrupts?run_id={second['id']}"))["data"]] == [newest]
        shown = await door.get(f"/v1/approvals/{newest}")
        assert shown == await door.get(f"/v1/interrupts/{newest}")
        assert (shown["request"]["arguments"], shown["requested_by"], shown["status"]) == (
            {"eur": 3},
            "local",
            "pending",
        )
        decided = await door.post(f"/v1/approvals/{newest}/decide", {"approved": False, "reason": "no"})
        assert (decided["status"], decided["decisions"][0]["reason"]) == ("denied", "no")
        assert (await door.get(f"/v1/runs/{second['id']}?wait=20"))["status"] == "completed"


@pytest.mark.parametrize("decision", ["answer", "committed"])
async def test_a_decision_must_fit_the_kind(decision: str):
    async with open_door(PAYS) as door:
        interrupt_id = (await waiting(door))["waiting_for"][0]["interrupt_id"]
        problem = await door.post(f"/v1/approvals/{interrupt_id}/decide", {"decision": decision, "answer": 1}, 422)
        assert problem["code"] == "invalid"


async def asked(door: Door) -> tuple[str, str]:
    """A run with an open question, put there by hand: no agent of this version asks one."""
    run = await door.post("/v1/runs", {"goal": "ask"}, 201)
    journal = door.platform.ports.journal
    (claimed,) = await journal.claim("worker", 1)
    question = NewInterrupt("apr_q", "g1/ask", InterruptKind.QUESTION, "hash", {"question": "which?"})
    await journal.append(
        Append(
            run["id"],
            claimed.run.epoch,
            (NewEntry("g1/ask", EntryType.INTERRUPT_OPENED, {"kind": "question"}),),
            interrupts=(question,),
        )
    )
    assert await journal.park(Park(run["id"], claimed.run.epoch, RunStatus.AWAITING_INPUT, 0))
    return f"/v1/runs/{run['id']}", question.id


async def test_a_question_is_answered():
    async with open_door(works=False) as door:
        here, _ = await asked(door)
        answered = await door.post(f"{here}/answer", {"answer": {"n": 42}})
        assert answered["status"] == "queued"
        assert answered["interrupt"]["status"] == "answered"
        assert answered["interrupt"]["decisions"][0]["answer"] == {"n": 42}


async def test_a_question_is_no_approval():
    async with open_door(works=False) as door:
        here, interrupt_id = await asked(door)
        assert (await door.post(f"{here}/approve", {"approved": True}, 409))["code"] == "which_interrupt"
        for method, path, body in (("GET", "", None), ("POST", "/decide", {"decision": "approve"})):
            response = await door.client.request(method, f"/v1/approvals/{interrupt_id}{path}", json=body)
            assert (response.status_code, response.json()["code"]) == (404, "not_found")
        assert (await door.get(f"/v1/interrupts/{interrupt_id}"))["kind"] == "question"


async def test_another_runs_interrupt_cannot_be_named():
    async with open_door(PAYS) as door:
        first, second = await waiting(door), await waiting(door)
        other = {"approved": True, "interrupt_id": second["waiting_for"][0]["interrupt_id"]}
        assert (await door.post(f"/v1/runs/{first['id']}/approve", other, 404))["code"] == "not_found"


async def test_a_team_waits_for_what_its_members_ask():
    async with open_door(member_pays, agents=TEAM) as door:
        run = await door.post("/v1/runs?wait=20", {"goal": "pay", "agent": "desk"}, 202)
        (asked,) = run["waiting_for"]
        assert (run["status"], asked["request"]["tool"]) == ("waiting", "shop.pay")
        assert asked["run_id"] != run["id"]
        named = {"approved": True, "interrupt_id": asked["interrupt_id"]}
        assert (await door.post(f"/v1/runs/{run['id']}/approve", named))["interrupt"]["run_id"] == asked["run_id"]
        ended = await door.get(f"/v1/runs/{run['id']}?wait=20")
        assert ended["status"] == "completed", ended["error"]
        session = await door.get(f"/v1/sessions/{run['session_id']}")
        assert session["summary"]["usage"]["calls"] == ended["usage"]["calls"] > ended["own_usage"]["calls"] == 0


TEAM = (
    {"name": "desk", "mode": "collaborative", "members": ["planner", "cashier", "executor", "reviewer"]},
    {"name": "planner", "role": "planner"},
    {"name": "cashier", "tools": ["shop.*"], "approvals": ["shop.pay"]},
    {"name": "executor", "role": "executor"},
    {"name": "reviewer", "role": "reviewer"},
)


def member_pays(request: ModelRequest) -> Reply:
    match request.purpose:
        case "plan":
            return answers({"steps": [{"id": "pay", "agent": "cashier", "goal": "pay"}]})
        case "review":
            return answers({"verdict": "accept", "claims": [{"claim": "Paid.", "evidence": ["pay/t1c0"]}]})
        case "compose":
            return says("Paid [pay/t1c0].")
        case _:
            return says("Paid [t1c0].") if turn_of(request) else calls(("shop.pay", {"eur": 3}))
