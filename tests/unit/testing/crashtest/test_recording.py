"""A recorded run as a plan: what it holds, and what it refuses."""

from pathlib import Path
from typing import Any

import pytest

from ripieno.domain.errors import Invalid, ModelRefused
from ripieno.domain.interrupts import Decision, DecisionKind
from ripieno.domain.jsons import JsonObject, encode
from ripieno.domain.messages import AssistantMessage, ModelRequest, Reply
from ripieno.domain.tools import Risk, ToolCall, ToolContext, ToolResult, ToolSpec, ToolStatus
from ripieno.testing.crashtest.plans import Recording
from ripieno.testing.crashtest.recording import Journal, RecordedModel, RecordedTools, as_recorded, followed, plan_of
from ripieno.testing.recording_tools import RecordingTools

PAY = ToolSpec("shop.pay", "Pay", {"type": "object"})
CALL = ToolCall("1", "shop.pay", {"n": 1})


def entry(key: str, kind: str, **body: Any) -> JsonObject:
    return {"key": key, "type": kind, "body": body}


def journal(**changes: Any) -> Journal:
    start = {
        "definition": {"name": "clerk", "instructions": "It is {{ today }}"},
        "instructions": "It is Monday",
        "model": "offline",
        "goal": "pay",
        "data": {"n": 1},
        "tools": [encode(PAY)],
        "members": [
            {
                "name": "idler",
                "role": "worker",
                "description": "",
                "capabilities": [],
                "tools": ["shop.look", "shop.pay"],
            }
        ],
    }
    paid, lost = encode(ToolResult(ToolStatus.OK, "paid")), encode(ToolResult(ToolStatus.LOST, "?"))
    entries = [
        entry("g2/start", "run.started", **start),
        entry("g2/turn/1", "model.replied", reply=encode(Reply("hm")), fingerprint="f1"),
        entry("g2/turn/1/call/0", "tool.returned", call=encode(CALL), result=paid),
        entry("g2/turn/1/call/1", "tool.returned", call=encode(CALL), result=lost),
        entry("g2/turn/1/call/0/approval/decision", "interrupt.decided", decision=encode(NO)),
        entry("end", "run.completed", result={}),
    ]
    given: dict[str, Any] = {"run_id": "run_1", "agent": "clerk", "status": "completed", "entries": entries}
    return Journal(**{**given, **changes})


NO = Decision(DecisionKind.DENY, "bob", reason="too dear")


def recording() -> Recording:
    found = plan_of([journal()], Risk.HIGH).recording
    assert found is not None
    return found


def test_all_that_is_needed_is_in_the_journal():
    plan = plan_of([journal()], Risk.MEDIUM)
    assert (plan.agent, plan.goal, plan.ask_from) == ("clerk", "pay", Risk.MEDIUM)
    assert [agent.name for agent in plan.agents] == ["clerk", "idler"]
    assert [spec.name for spec in plan.tools] == ["shop.look", "shop.pay"]
    assert plan.agents[0].instructions == "{% raw %}It is Monday{% endraw %}"
    assert plan.recording is not None
    assert (plan.recording.data, plan.recording.status) == ({"n": 1}, "completed")


def test_only_what_has_ended_can_be_played_again():
    with pytest.raises(Invalid, match="run_1 is running"):
        plan_of([journal(status="running")], Risk.HIGH)


async def test_the_model_answers_what_it_was_asked_then_and_nothing_else():
    model = RecordedModel(recording().replies)
    assert [event async for event in model.stream(ModelRequest("m", (), fingerprint="f1"))] == [Reply("hm")]
    other = ModelRequest("m", (AssistantMessage("hm"),), fingerprint="f2")
    with pytest.raises(ModelRefused, match=r"no answer to this conversation \(turn 2\)"):
        _ = [event async for event in model.stream(other)]


async def test_tools_answer_as_then_or_as_recorders():
    tools = RecordedTools(RecordingTools({"shop.pay": "recorded"}), recording().results)

    async def call(key: str, agent: str = "clerk") -> str:
        return (await tools.call(CALL, ToolContext("t", Path(), agent=agent, key=key))).text

    assert [spec.name for spec in await tools.list(ToolContext("t", Path()))] == ["shop.pay"]
    assert await call("g1/turn/1/call/0") == "paid"
    assert await call("g1/turn/1/call/1") == "recorded", "a call that was lost then tells nothing"
    assert await call("g1/turn/1/call/0", "other") == "recorded"


def test_people_decide_as_then():
    assert as_recorded(recording(), "g1/turn/1/call/0/approval") == NO
    assert as_recorded(recording(), "g1/turn/9/call/0/approval") is None


@pytest.mark.parametrize(
    ("mark", "status", "same"), [("f1", "completed", True), ("f1", "failed", False), ("f2", "completed", False)]
)
def test_whether_a_life_went_as_then(mark: str, status: str, same: bool):
    runs = [{"agent": "clerk", "status": status, "entries": [[1, "g1/turn/1", "model.replied", mark]]}]
    assert followed(recording(), runs) is same


def test_toolsets_that_changed_meanwhile_are_taken_as_they_come():
    body = {
        "name": "idler",
        "role": "worker",
        "description": "",
        "capabilities": [],
        "tools": ["shop.pay", "shop.look"],
    }
    first = journal()
    again = journal()
    again.entries[0]["body"]["members"].append(body)
    assert {spec.name for spec in plan_of([first, again], Risk.HIGH).tools} == {"shop.look", "shop.pay"}
