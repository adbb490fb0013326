"""Several people over HTTP: votes, who may decide, delegation, escalation, and what each refusal is called."""

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from datetime import timedelta
from typing import Any

import pytest

from ripieno.domain.batches import Append
from ripieno.domain.entries import EntryType, NewEntry
from ripieno.domain.interrupts import InterruptKind, NewInterrupt
from ripieno.domain.principals import Principal
from ripieno.governance.access import StaticAccess
from tests.unit.server.doors import PAYS, TOOLS, Door, open_door

PEOPLE = {
    "alice-key": Principal("alice"),
    "bob-key": Principal("bob", roles=("finance",)),
    "carol-key": Principal("carol", roles=("finance",)),
    "dana-key": Principal("dana"),
    "otto-key": Principal("otto", "other", ("admin",)),
}
ADMIN = "admin-key"


def cashier(**rule: Any) -> list[dict[str, Any]]:
    return [{"name": "cashier", "tools": ["shop.*"], "approvals": [{"tool": "shop.pay", **rule}]}]


class Counter:
    """A door that is used by people with keys."""

    def __init__(self, door: Door) -> None:
        self.door = door
        self.asked = ""

    async def say(self, who: str, path: str, body: Any, status: int = 200) -> Any:
        headers = {"X-API-Key": ADMIN if who == "admin" else f"{who}-key"}
        return await self.door.post(path.format(asked=self.asked), body, status, headers=headers)

    async def decide(self, who: str, status: int = 200, **body: Any) -> Any:
        return await self.say(who, "/v1/interrupts/{asked}/decide", {"decision": "approve", **body}, status)


@asynccontextmanager
async def counter(**rule: Any) -> AsyncGenerator[Counter]:
    """A run of alice that waits for an approval."""
    access = StaticAccess("127.0.0.1", "auto", ADMIN, PEOPLE)
    async with open_door(PAYS, TOOLS, agents=cashier(**rule), access=access) as door:
        found = Counter(door)
        run = await found.say("alice", "/v1/runs?wait=20", {"goal": "pay", "agent": "cashier"}, 202)
        found.asked = run["waiting_for"][0]["interrupt_id"]
        yield found


async def test_two_people_approve_and_the_votes_are_seen():
    async with counter(required=2, exclude_requester=True) as at:
        assert (await at.decide("alice", 403))["code"] == "own_request"
        first = await at.decide("bob", reason="fine")
        assert (first["status"], first["required_approvals"], first["exclude_requester"]) == ("pending", 2, True)
        assert [(vote["by"], vote["kind"], vote["reason"]) for vote in first["votes"]] == [("bob", "approve", "fine")]
        waiting = (await at.door.get(f"/v1/runs/{first['run_id']}"))["waiting_for"][0]
        assert (len(waiting["votes"]), waiting["required_approvals"], waiting["assignees"]) == (1, 2, [])
        again = await at.decide("bob", 409)
        assert (again["code"], "needs 1 more" in again["detail"]) == ("already_voted", True)
        second = await at.decide("carol")
        assert (second["status"], [decision["decided_by"] for decision in second["decisions"]]) == (
            "approved",
            ["carol"],
        )
        late = await at.decide("dana", 409)
        assert (late["code"], late["decided_by"]) == ("already_decided", "carol")
        assert late["decided_at"] == second["decisions"][0]["decided_at"].replace("Z", "+00:00")
        assert (await at.door.get(f"/v1/runs/{first['run_id']}?wait=20"))["status"] == "completed"


async def test_without_a_key_everybody_is_one_and_hears_so():
    async with open_door(PAYS, agents=cashier(exclude_requester=True)) as door:
        run = await door.post("/v1/runs?wait=20", {"goal": "pay", "agent": "cashier"}, 202)
        problem = await door.post(f"/v1/runs/{run['id']}/approve", {"approved": True}, 403)
        assert problem["code"] == "own_request"
        assert problem["detail"].endswith("whoever calls without a key is local, so give people keys of their own")


async def test_only_those_decide_to_whom_it_was_put():
    async with counter(assignees=["role:finance"]) as at:
        refused = await at.decide("dana", 403)
        assert (refused["code"], "role:finance" in refused["detail"]) == ("not_assignee", True)
        assert (await at.say("dana", "/v1/approvals/{asked}/delegate", {"to": "dana"}, 403))["code"] == "not_assignee"
        for name, count in (("role:finance", 1), ("dana", 0)):
            for place in ("interrupts", "approvals"):
                assert len((await at.door.get(f"/v1/{place}?assignee={name}"))["data"]) == count
        handed = await at.say("bob", "/v1/approvals/{asked}/delegate", {"to": ["dana", "carol"]})
        assert handed["assignees"] == ["dana", "carol"]
        assert (await at.decide("bob", 403))["code"] == "not_assignee"
        assert (await at.decide("dana", decision="deny", reason="no"))["status"] == "denied"


@pytest.mark.parametrize(
    ("body", "pointer"),
    [({}, "/to"), ({"to": []}, "/to"), ({"to": "a b"}, "/to/0"), ({"to": "dan"}, "/to"), ({"to": ["otto"]}, "/to")],
)
async def test_it_is_put_to_people_who_are_there(body: Any, pointer: str):
    async with counter() as at:
        problem = await at.say("admin", "/v1/interrupts/{asked}/delegate", body, 422)
        assert (problem["code"], problem["errors"][0]["pointer"]) == ("invalid", pointer)


async def test_escalation_and_its_end():
    async with counter(assignees=["dana"], escalate_to=["role:finance"], expires="1h") as at:
        raised = await at.say("dana", "/v1/approvals/{asked}/escalate", None)
        assert (raised["assignees"], raised["on_expiry"], raised["escalate_to"]) == (
            ["role:finance"],
            "deny",
            ["role:finance"],
        )
        assert raised["escalated_at"] is not None
        again = await at.say("admin", "/v1/interrupts/{asked}/escalate", None, 409)
        assert again["code"] == "already_escalated"
        assert (await at.decide("admin"))["status"] == "approved"


async def test_what_is_anothers_or_nowhere_is_not_found():
    async with counter() as at:
        for who, asked in (("otto", at.asked), ("admin", "apr_nothing")):
            for place in ("interrupts", "approvals"):
                here = f"/v1/{place}/{asked}"
                bodies = {"decide": {"decision": "approve"}, "delegate": {"to": who}, "escalate": None}
                for verb, body in bodies.items():
                    assert (await at.say(who, f"{here}/{verb}", body, 404))["code"] == "not_found"


async def ask(door: Door, kind: InterruptKind, **fields: Any) -> str:
    """The address of a question that a run without a worker asks."""
    run = await door.post("/v1/runs", {"goal": "ask"}, 201)
    journal = door.platform.ports.journal
    (claimed,) = await journal.claim("worker", 1)
    question = NewInterrupt("apr_q", "g1/ask", kind, "hash", {"tool": "shop.pay", "arguments": {"eur": 3}}, **fields)
    entry = NewEntry("g1/ask", EntryType.INTERRUPT_OPENED, {"kind": kind.value})
    await journal.append(Append(run["id"], claimed.run.epoch, (entry,), interrupts=(question,)))
    return "/v1/interrupts/apr_q"


async def test_what_expired_is_not_decided():
    async with open_door(works=False) as door:
        past = door.services.clock.now() - timedelta(seconds=1)
        here = await ask(door, InterruptKind.APPROVAL, expires_at=past)
        bodies = {"decide": {"decision": "approve"}, "delegate": {"to": "local"}, "escalate": None}
        for verb, body in bodies.items():
            assert (await door.post(f"{here}/{verb}", body, 409))["code"] == "interrupt_expired"


async def test_a_budget_is_raised_by_an_amount_or_not_at_all():
    async with open_door(works=False) as door:
        here = await ask(door, InterruptKind.BUDGET)
        for amount in (0, -1, "much"):
            body = {"decision": "approve", "amount": amount}
            assert (await door.post(f"{here}/decide", body, 422))["errors"][0]["pointer"] == "/amount"
        decided = await door.post(f"{here}/decide", {"decision": "approve", "amount": 2.5})
        assert (decided["status"], decided["decisions"][0]["amount"]) == ("approved", 2.5)


@pytest.mark.parametrize(
    ("body", "answer"),
    [
        ({"decision": "committed", "result": {"receipt": 7}}, {"receipt": 7}),
        ({"decision": "committed"}, None),
        ({"decision": "retry"}, None),
        ({"decision": "abandon", "reason": "too late"}, None),
    ],
)
async def test_somebody_says_what_became_of_a_lost_call(body: Any, answer: Any):
    async with open_door(works=False) as door:
        here = await ask(door, InterruptKind.UNKNOWN_EFFECT)
        assert (await door.post(f"{here}/decide", {"decision": "approve"}, 422))["code"] == "invalid"
        decided = await door.post(f"{here}/decide", body)
        assert (decided["status"], decided["decisions"][0]["kind"]) == ("answered", body["decision"])
        assert decided["decisions"][0]["answer"] == answer


@pytest.mark.parametrize(
    ("said", "kind", "answer"),
    [
        ("retry", "retry", None),
        ("committed", "committed", None),
        ({"decision": "committed", "result": {"receipt": 7}}, "committed", {"receipt": 7}),
    ],
)
async def test_the_short_way_to_say_what_became_of_a_lost_call(said: Any, kind: str, answer: Any):
    async with open_door(works=False) as door:
        asked = await door.get(await ask(door, InterruptKind.UNKNOWN_EFFECT))
        here = f"/v1/runs/{asked['run_id']}/answer"
        for wrong in ("maybe", {"decision": "perhaps"}, 7):
            assert (await door.post(here, {"answer": wrong}, 422))["errors"][0]["pointer"] == "/answer"
        decision = (await door.post(here, {"answer": said}))["interrupt"]["decisions"][0]
        assert (decision["kind"], decision["answer"]) == (kind, answer)


async def test_arguments_that_break_the_schema_or_that_others_did_not_see():
    async with counter() as at:
        problem = await at.decide("bob", 422, arguments={"eur": 500})
        assert (problem["code"], problem["errors"][0]["pointer"]) == ("invalid", "/eur")
    async with counter(required=2) as at:
        problem = await at.decide("bob", 422, arguments={"eur": 2})
        assert (problem["code"], problem["errors"][0]["pointer"]) == ("invalid", "/arguments")


async def test_agents_show_how_their_calls_are_approved():
    async with open_door(works=False, agents=cashier(required=2, expires="2h")) as door:
        (rule,) = (await door.get("/v1/agents/cashier"))["approvals"]
        assert (rule["tool"], rule["required"], rule["expires"], rule["assignees"]) == ("shop.pay", 2, 7200.0, None)
