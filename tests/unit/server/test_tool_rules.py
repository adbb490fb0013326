"""The tools over HTTP: pages and filters, how they do, and what administrators say about them."""

from typing import Any

import pytest

from ripieno.domain.effects import EffectClass
from ripieno.domain.tools import Risk, ToolResult, ToolStatus
from ripieno.testing.recording_tools import Scripted
from tests.unit.server.doors import Door, open_door

TOOLS = {
    "math.add": Scripted(3, description="Adds numbers."),
    "shop.list": Scripted("goods", description="Lists what can be bought."),
    "shop.pay": Scripted("paid", effect=EffectClass.IRREVERSIBLE, description="Pays a bill."),
}


async def said(door: Door, name: str, body: Any, status: int = 200) -> Any:
    response = await door.client.patch(f"/v1/tools/{name}", json=body)
    assert response.status_code == status, response.text
    return response.json()


def names(page: Any) -> list[str]:
    return [tool["name"] for tool in page["data"]]


async def test_tools_come_page_by_page():
    async with open_door(tools=TOOLS, works=False) as door:
        response = await door.client.get("/v1/tools?limit=2")
        first = response.json()
        assert (names(first), first["next_cursor"]) == (["math.add", "shop.list"], "shop.list")
        assert 'rel="next"' in response.headers["link"]
        last = await door.get(f"/v1/tools?limit=2&cursor={first['next_cursor']}")
        assert (names(last), last["next_cursor"]) == (["shop.pay"], None)
        problem = await door.get("/v1/tools?cursor=shop.nothing", 422)
        assert problem["errors"][0]["pointer"] == "/cursor"


async def test_agents_come_page_by_page():
    async with open_door(works=False) as door:
        first = await door.get("/v1/agents?limit=1")
        assert (names(first), first["next_cursor"]) == (["cashier"], "cashier")
        assert names(await door.get("/v1/agents?cursor=default")) == ["team"]


@pytest.mark.parametrize(
    ("query", "found"),
    [
        ("toolset=shop", ["shop.list", "shop.pay"]),
        ("source=scripted", ["math.add", "shop.list", "shop.pay"]),
        ("source=tes", []),
        ("q=bills", ["shop.pay"]),
        ("q=weather", []),
    ],
)
async def test_tools_are_found(query: str, found: list[str]):
    async with open_door(tools=TOOLS, works=False) as door:
        assert names(await door.get(f"/v1/tools?{query}")) == found


async def test_an_unknown_filter_is_refused():
    async with open_door(works=False) as door:
        await door.get("/v1/tools?colour=red", 422)


async def test_a_tool_is_shown_with_its_version_limits_and_cost():
    async with open_door(tools=TOOLS, works=False) as door:
        tool = await door.get("/v1/tools/math.add")
        assert (tool["toolset"], len(tool["version"])) == ("math", 12)
        assert tool["tokens"] > 5
        assert tool["limits"] == {"timeout": 60, "attempts": None, "concurrency": None, "per_minute": None}
        assert tool["health"]["status"] == "ok"
        assert tool["health"]["last_used"] is None


async def test_how_a_tool_did_is_shown():
    away = ToolResult(ToolStatus.UNAVAILABLE, "it is away")
    async with open_door(tools={"math.add": [3, away]}, works=False) as door:
        for _ in range(2):
            await door.post("/v1/tools/math.add/call", {"arguments": {}})
        health = (await door.get("/v1/tools/math.add"))["health"]
        assert (health["status"], health["calls"], health["failures"]) == ("degraded", 2, 1)
        assert health["last_error"] == "unavailable: it is away"
        assert health["p95_ms"] is not None


async def test_a_breaker_that_is_open_is_shown():
    async with open_door(tools=TOOLS, works=False) as door:
        for _ in range(5):
            await door.services.plane.breakers.failed("tool:default:math.add")
        health = (await door.get("/v1/tools/math.add"))["health"]
        assert health["status"] == "open"
        assert health["retry_in"] > 0


async def test_administrators_set_limits_and_what_is_said_holds_at_once():
    async with open_door(tools=TOOLS, works=False) as door:
        rule = await said(door, "math", {"limits": {"per_minute": 1, "timeout": 5}, "risk": "medium"})
        assert (rule["name"], rule["enabled"], rule["limits"]["per_minute"]) == ("math", True, 1)
        tool = await door.get("/v1/tools/math.add")
        assert (tool["limits"]["per_minute"], tool["timeout"], tool["risk"]) == (1, 5, "medium")
        assert (await door.post("/v1/tools/math.add/call", {"arguments": {}}))["status"] == "ok"
        answer = await door.post("/v1/tools/math.add/call", {"arguments": {}})
        assert (answer["status"], "retry_after" in str(answer)) == ("rate_limited", True)
        kept = await said(door, "math", {"effect": "read"})
        assert (kept["limits"]["per_minute"], kept["effect"]) == (1, "read")


async def test_a_tool_is_switched_off_and_on_again():
    async with open_door(tools=TOOLS, works=False) as door:
        await said(door, "shop.pay", {"enabled": False})
        assert "shop.pay" not in names(await door.get("/v1/tools"))
        assert (await door.get("/v1/tools/shop.pay"))["enabled"] is False
        await said(door, "shop.pay", {"enabled": True})
        assert "shop.pay" in names(await door.get("/v1/tools"))
        assert (await door.client.delete("/v1/tools/shop.pay")).status_code == 204
        assert (await door.client.delete("/v1/tools/shop.pay")).status_code == 404


@pytest.mark.parametrize(
    ("name", "body", "status"),
    [
        ("shop.pya", {"enabled": False}, 404),
        ("shop.pay", {}, 422),
        ("shop", {"enabled": False, "timeout": 3}, 422),
        ("shop.pay", {"limits": {"attempts": 0}}, 422),
        ("shop.pay", {"limits": {"speed": 1}}, 422),
        ("shop.pay", {"timeout": 3}, 404),
    ],
)
async def test_what_cannot_be_said_is_refused(name: str, body: Any, status: int):
    async with open_door(tools=TOOLS, works=False) as door:
        await said(door, name, body, status)
        assert Risk(str((await door.get("/v1/tools/shop.pay"))["risk"])) is Risk.LOW
        assert not door.services.plane.rules.rules("default")


async def test_memory_and_schedule_of_an_agent_are_shown():
    agents = [{"name": "default", "memory": {"session": True}, "schedule": {"every": 3600}, "mode": "scheduled"}]
    async with open_door(agents=agents, works=False) as door:
        agent = await door.get("/v1/agents/default")
        assert agent["memory"]["session"] is True
        assert agent["schedule"]["every"] == 3600
