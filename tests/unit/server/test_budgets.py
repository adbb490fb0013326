"""Budgets and usage over HTTP."""

from typing import Any

import pytest

from ripieno.domain.usage import Usage
from ripieno.testing.scripted_model import calls, says
from tests.unit.server.doors import open_door

HUNDRED = Usage(60, 40, cost_usd=0.25, calls=1)
DAILY: dict[str, Any] = {"scope": "tenant", "window": "day", "limits": {"usd": 5, "tokens": 100_000}}


async def test_a_budget_is_set_shown_and_removed():
    async with open_door(works=False) as door:
        put = await door.client.put("/v1/budgets", json=DAILY)
        assert put.status_code == 200
        shown = put.json()
        assert (shown["scope"], shown["window"], shown["limits"]) == ("tenant", "day", {"usd": 5, "tokens": 100_000})
        assert (shown["state"], shown["on_exceeded"], shown["warn_at"]) == ("ok", "stop", 0.8)
        assert shown["spent"] == {"usd": 0, "tokens": 0}
        assert (shown["raised"], shown["set_by"]) == ({"usd": 0, "tokens": 0}, "local")
        assert (await door.get("/v1/budgets"))["data"] == [shown]
        assert (await door.client.delete("/v1/budgets?scope=tenant&window=day")).status_code == 204
        gone = await door.client.delete("/v1/budgets?scope=tenant&window=day")
        assert (gone.status_code, gone.json()["code"]) == (404, "not_found")
        assert (await door.get("/v1/budgets"))["data"] == []


async def test_limits_may_stand_beside_the_scope():
    async with open_door(works=False) as door:
        beside = {"scope": "tenant", "window": "month", "usd": 200, "effects": 0}
        put = await door.client.put("/v1/budgets", json=beside)
        assert (put.status_code, put.json()["limits"]) == (200, {"usd": 200, "effects": 0})
        for wrong, pointer in (({"usd": -1}, "/limits/usd"), ({"euros": 3}, "/euros"), ({**DAILY, "usd": 3}, "/usd")):
            refused = await door.client.put("/v1/budgets", json={"scope": "tenant", **wrong})
            assert (refused.status_code, refused.json()["errors"][0]["pointer"]) == (422, pointer)
        assert (await door.client.put("/v1/budgets", json=[1])).status_code == 422


@pytest.mark.parametrize(
    ("change", "pointer"),
    [
        ({"limits": {"usd": -1}}, "/limits/usd"),
        ({"limits": {"tokens": 1.5}}, "/limits/tokens"),
        ({"limits": {}}, ""),
        ({"limits": {"money": 3}}, "/limits/money"),
        ({"scope": "run:run_1"}, "/scope"),
        ({"scope": "planet"}, "/scope"),
        ({"window": "week"}, "/window"),
        ({"on_exceeded": "cry"}, "/on_exceeded"),
        ({"warn_at": 2}, "/warn_at"),
    ],
)
async def test_a_budget_that_makes_no_sense_is_refused(change: dict[str, Any], pointer: str):
    async with open_door(works=False) as door:
        refused = await door.client.put("/v1/budgets", json={**DAILY, **change})
        assert (refused.status_code, refused.json()["code"]) == (422, "invalid")
        assert [problem["pointer"] for problem in refused.json()["errors"]] == [pointer]


async def test_a_spent_budget_stops_a_run_and_says_so():
    async with open_door([says("never")]) as door:
        await door.client.put("/v1/budgets", json={"scope": "agent:default", "limits": {"tokens": 0}})
        found = await door.post("/v1/runs?wait=20", {"goal": "go", "agent": "default"})
        assert (found["status"], found["exit_reason"]) == ("failed", "budget_exceeded")
        assert found["error"]["code"] == "budget_exceeded"
        assert found["error"]["detail"].startswith("the budget of agent default is spent: 0 tokens allowed, 0 spent")
        (state,) = (await door.get("/v1/budgets"))["data"]
        assert state["state"] == "exceeded"


async def test_a_run_shows_its_own_budget():
    async with open_door([says("done", usage=HUNDRED)]) as door:
        wanted = {"goal": "go", "agent": "default", "constraints": {"budget": {"tokens": 50_000, "effects": 3}}}
        run = await door.post("/v1/runs?wait=20", wanted)
        budget = (await door.get(f"/v1/runs/{run['id']}"))["budget"]
        assert budget["limit"] == {"tokens": 50_000, "effects": 3}
        assert (budget["spent"]["tokens"], budget["reserved"]["tokens"]) == (100, 0)
        free = await door.post("/v1/runs?wait=20", {"goal": "go", "agent": "default"})
        assert (await door.get(f"/v1/runs/{free['id']}"))["budget"] is None


async def test_a_person_allows_more_over_http():
    async with open_door([says("done", usage=HUNDRED)]) as door:
        budget = {"tokens": 0, "on_exceeded": "ask"}
        wanted = {"goal": "go", "agent": "default", "constraints": {"budget": budget}}
        run = await door.post("/v1/runs?wait=20", wanted, status=202)
        (asked,) = run["waiting_for"]
        assert (run["status"], asked["kind"]) == ("awaiting_approval", "budget")
        decision = {"decision": "approve", "amount": 100_000}
        await door.post(f"/v1/interrupts/{asked['interrupt_id']}/decide", decision)
        run = await door.until(run["id"], "completed")
        assert run["budget"]["limit"]["tokens"] == 100_000


async def test_usage_by_group():
    script = [calls(("math.add", {"a": 1}), usage=HUNDRED), says("3", usage=HUNDRED)]
    async with open_door(script) as door:
        await door.post("/v1/runs?wait=20", {"goal": "go", "agent": "default"})
        (row,) = (await door.get("/v1/usage?group_by=agent"))["data"]
        assert (row["group"], row["cost_usd"], row["tokens"], row["calls"], row["effects"]) == (
            "default",
            0.5,
            200,
            2,
            0,
        )
        for group in ("user", "session", "model", "tenant", "day"):
            (row,) = (await door.get(f"/v1/usage?group_by={group}"))["data"]
            assert (row["tokens"], row["calls"]) == (200, 2)
        assert (await door.get("/v1/usage?until=2020-01-01T00:00:00Z"))["data"] == []
        costs = await door.get("/v1/metrics/costs?group_by=model")
        assert (costs["total_usd"], costs["group_by"]) == (0.5, "model")
        assert [(row["cost_usd"], row["share"], row["calls"]) for row in costs["data"]] == [(0.5, 1.0, 2)]
        nothing = await door.get("/v1/metrics/costs?until=2020-01-01T00:00:00Z")
        assert (nothing["data"], nothing["total_usd"]) == ([], 0)
        assert (await door.get("/v1/metrics/costs?group_by=colour", 422))["code"] == "invalid"


@pytest.mark.parametrize("query", ["group_by=colour", "since=2020-01-01T00:00:00Z", "since=yesterday", "by=agent"])
async def test_a_wrong_question_about_usage_is_refused(query: str):
    async with open_door(works=False) as door:
        assert (await door.get(f"/v1/usage?{query}", 422))["code"] == "invalid"
