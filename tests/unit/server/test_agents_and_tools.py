"""Agents and tools over HTTP."""

from typing import Any

import pytest

from ripieno.domain.effects import EffectClass
from ripieno.domain.tools import Risk, ToolResult, ToolStatus
from ripieno.testing.recording_tools import Scripted
from tests.unit.server.doors import open_door


async def test_agents_are_listed_by_name():
    async with open_door(works=False) as door:
        body = await door.get("/v1/agents")
        assert [agent["name"] for agent in body["data"]] == ["cashier", "default", "team"]
        assert (body["next_cursor"], body["problems"]) == (None, [])
        assert body["data"][2]["mode"] == "collaborative"
        assert "instructions" not in body["data"][0]
        assert body == await door.get("/agent-profiles")


async def test_an_agent_is_shown_whole_with_its_version():
    agents = [{"name": "default", "instructions": "Count.", "model": "offline", "agent_type": "old"}]
    async with open_door(agents=agents, works=False) as door:
        response = await door.client.get("/v1/agents/default")
        agent = response.json()
        assert (agent["instructions"], agent["model"], agent["metadata"]) == (
            "Count.",
            "offline",
            {"agent_type": "old"},
        )
        assert response.headers["etag"] == f'"{agent["version"]}"'


@pytest.mark.parametrize("key", ["prompt", "goal", "task"])
async def test_an_agent_is_given_a_task(key: str):
    async with open_door(works=False) as door:
        body = {"task_data": {key: "pay", "eur": 3, "verb": "pay"}, "context": {"who": "ann"}}
        response = await door.client.post("/v1/agents/cashier/invoke", json=body)
        run = await door.get(response.headers["location"])
        assert response.status_code == 201
        assert (run["agent"], run["goal"], run["data"], run["context"]) == (
            "cashier",
            "pay",
            {"eur": 3, "verb": "pay"},
            {"who": "ann"},
        )


async def test_a_task_that_is_only_a_goal_has_no_data():
    async with open_door(works=False) as door:
        run = await door.post("/v1/agents/cashier/invoke", {"task_data": {"prompt": "pay"}}, 201)
        assert (await door.get(f"/v1/runs/{run['id']}"))["data"] is None


@pytest.mark.parametrize(
    ("body", "agent"),
    [
        ({"goal": "pays the bills"}, "cashier"),
        ({"task": "pays the bills"}, "cashier"),
        ({"task": {"prompt": "pays the bills"}}, "cashier"),
        ({"goal": "pays the bills", "agent_ids": ["default"]}, "default"),
    ],
)
async def test_the_agent_that_fits_is_found_and_started(body: Any, agent: str):
    async with open_door(works=False) as door:
        run = await door.post("/v1/orchestrate", body, 201)
        assert (run["agent"], run["status"]) == (agent, "started")
        assert run["sessionId"] == run["session_id"]


async def test_orchestrate_can_wait():
    async with open_door() as door:
        run = await door.post("/v1/orchestrate?wait=20", {"goal": "add", "agent_ids": ["default"]})
        assert (run["status"], run["answer"]) == ("completed", "It is 3 [t1c0].")


async def test_tools_are_listed_and_shown():
    async with open_door(works=False) as door:
        body = await door.get("/v1/tools")
        assert [tool["name"] for tool in body["data"]] == ["math.add", "shop.pay"]
        tool = await door.get("/v1/tools/shop.pay")
        assert tool == body["data"][1]
        assert (tool["effect"], tool["input_schema"]["required"]) == ("irreversible", ["eur"])


async def test_a_tool_is_called():
    async with open_door(tools={"math.add": {"sum": 3}}, works=False) as door:
        answer = await door.post("/v1/tools/math.add/call", {"arguments": {"a": 1}})
        assert (answer["tool"], answer["ok"], answer["status"], answer["result"]) == (
            "math.add",
            True,
            "ok",
            {"sum": 3},
        )
        assert door.tools.arguments("math.add") == [{"a": 1}]


async def test_a_dry_run_calls_nothing():
    async with open_door() as door:
        answer = await door.post("/v1/tools/shop.pay/call", {"arguments": {"eur": 1}, "dry_run": True})
        assert answer["ok"]
        assert answer["result"] == answer["text"] == 'dry run: shop.pay would be called with {"eur":1}'
        (action,) = (await door.get(f"/v1/runs/{answer['run_id']}/actions"))["data"]
        assert (action["state"], action["tool"]) == ("simulated", "shop.pay")
        read = await door.post("/v1/tools/math.add/call", {"dry_run": True})
        assert (read["text"], read["run_id"]) == ("dry run: math.add would be called", None)
        assert not door.tools.calls


async def test_a_call_that_changes_the_world_is_a_run_with_a_ledger():
    async with open_door() as door:
        answer = await door.post("/v1/tools/shop.pay/call", {"arguments": {"eur": 1}})
        run = await door.get(f"/v1/runs/{answer['run_id']}")
        assert (run["kind"], run["target"], run["agent"]) == ("tool", "shop.pay", None)
        assert (run["status"], run["answer"]) == ("completed", "paid")
        (action,) = (await door.get(f"/v1/runs/{run['id']}/actions"))["data"]
        (call,) = door.tools.calls
        assert (action["state"], action["idempotency_key"]) == ("done", call.context.idempotency_key)
        wrong = await door.post("/v1/tools/shop.pay/call", {"arguments": {"eur": "x"}}, 422)
        assert (wrong["code"], wrong["errors"][0]["pointer"]) == ("invalid_arguments", "/eur")
        assert (await door.post(f"/v1/runs/{run['id']}/fork", {"from": 1}, 422))["code"] == "invalid"
        plan = await door.post(f"/v1/runs/{run['id']}/rollback", {"dry_run": True})
        assert [item["tool"] for item in plan["cannot"]] == ["shop.pay"]


async def test_a_call_that_fails_and_one_that_nobody_saw_end():
    fails = ToolResult(ToolStatus.ERROR, "closed")
    lost = ToolResult(ToolStatus.LOST, "gone")
    tools = {name: Scripted(said, effect=EffectClass.IRREVERSIBLE) for name, said in (("a.a", fails), ("a.b", lost))}
    async with open_door(tools=tools) as door:
        answer = await door.post("/v1/tools/a.a/call", {})
        assert (answer["ok"], answer["status"], answer["text"]) == (False, "error", "closed")
        assert (await door.get(f"/v1/runs/{answer['run_id']}"))["exit_reason"] == "tool_error"
        problem = await door.post("/v1/tools/a.b/call", {}, 503, headers={"Idempotency-Key": "k"})
        assert problem["code"] == "call_unfinished"
        (run,) = (await door.get("/v1/runs?status=awaiting_input"))["data"]
        await door.post(f"/v1/runs/{run['id']}/cancel")
        ended = await door.post("/v1/tools/a.b/call", {}, headers={"Idempotency-Key": "k"})
        assert (ended["status"], ended["run_id"]) == ("lost", run["id"])


async def test_what_a_tool_does_wrong_is_its_answer():
    broken = ToolResult(ToolStatus.UNAVAILABLE, "no ping here", hint="install it")
    async with open_door(tools={"net.ping": broken}, works=False) as door:
        answer = await door.post("/v1/tools/net.ping/call", {})
        assert (answer["ok"], answer["status"], answer["hint"]) == (False, "unavailable", "install it")


@pytest.mark.parametrize(
    ("data", "errors"),
    [
        (None, []),
        ([1], []),
        ({"problems": [1, {"pointer": "/a"}]}, [{"pointer": "/a", "detail": ""}]),
        ({"problems": [{"pointer": "/a", "detail": "is missing"}]}, [{"pointer": "/a", "detail": "is missing"}]),
    ],
)
async def test_wrong_arguments_are_refused_with_their_places(data: Any, errors: list[Any]):
    wrong = ToolResult(ToolStatus.INVALID_ARGUMENTS, "/a: is missing", data=data)
    async with open_door(tools={"math.add": wrong}, works=False) as door:
        problem = await door.post("/v1/tools/math.add/call", {}, 422)
        assert (problem["code"], problem["detail"]) == ("invalid_arguments", "/a: is missing")
        assert problem["errors"] == errors


async def test_problems_of_a_call_that_fitted_are_its_own():
    broken = ToolResult(ToolStatus.DENIED, "no", data={"problems": [{"pointer": "/a", "detail": "secret"}]})
    async with open_door(tools={"math.add": broken}, works=False) as door:
        assert (await door.post("/v1/tools/math.add/call", {}, 403))["errors"] == []


async def test_what_needs_a_person_is_refused_outside_a_run():
    async with open_door(tools={"shop.pay": Scripted(risk=Risk.HIGH)}, works=False) as door:
        problem = await door.post("/v1/tools/shop.pay/call", {}, 403)
        assert problem["code"] == "tool_denied"
        assert "start a run" in problem["detail"]
        assert not door.tools.calls


async def test_a_tool_that_is_not_there():
    async with open_door(works=False) as door:
        problem = await door.post("/v1/tools/math.ad/call", {}, 404)
        assert (problem["code"], problem["near"]) == ("not_found", ["math.add"])
