"""Events that are published over HTTP."""

from typing import Any

import pytest

from tests.unit.server.doors import open_door
from tests.unit.server.test_messages import AGENTS, WAITS

PLAIN = {"event_type": "paid", "source_service": "billing", "source_id": "invoice/7", "payload": {"usd": 3}}
CLOUD = {"specversion": "1.0", "id": "e1", "type": "paid", "source": "/billing", "data": {"usd": 3}, "traceparent": "x"}


@pytest.mark.parametrize("told", [PLAIN, CLOUD], ids=["plain", "cloudevent"])
async def test_a_run_that_waits_for_its_type_goes_on(told: dict[str, Any]):
    async with open_door(WAITS, agents=AGENTS) as door:
        run = await door.post("/v1/runs", {"goal": "go", "agent": "clerk"}, 201)
        await door.until(run["run_id"], "waiting")
        published = await door.post("/v1/events/publish", told, 202)
        ended = await door.get(f"/v1/runs/{run['run_id']}?wait=20")
        assert '"usd":3' in ended["answer"]
        assert published["event_id"] in ended["answer"]
        (shown,) = (await door.get("/v1/events?type=paid"))["data"]
        assert (shown["id"], shown["type"], shown["data"]) == (published["event_id"], "paid", {"usd": 3})
        assert shown["source"] == published["source"]


async def test_under_one_key_an_event_is_published_once():
    async with open_door(works=False, agents=AGENTS) as door:
        first, second = [
            await door.post("/v1/events/publish", PLAIN, 202, headers={"Idempotency-Key": "k"}) for _ in range(2)
        ]
        assert first == second
        await door.post("/v1/events/publish", CLOUD, 202)
        await door.post("/v1/events/publish", CLOUD, 202)
        assert len((await door.get("/v1/events?type=paid"))["data"]) == 2


@pytest.mark.parametrize(
    ("change", "pointer"),
    [
        ({"event_type": "run.completed"}, "/event_type"),
        ({"event_type": "audit"}, "/event_type"),
        ({"event_type": "two words"}, "/event_type"),
        ({"source_service": ""}, "/source_service"),
        ({"colour": "red"}, "/colour"),
        ({"payload": "x" * 300_000}, "/payload"),
        ({"specversion": "0.3"}, "/specversion"),
    ],
)
async def test_what_is_no_event_is_refused(change: dict[str, Any], pointer: str):
    async with open_door(works=False, agents=AGENTS) as door:
        problem = await door.post("/v1/events/publish", {**PLAIN, **change}, 422)
        assert pointer in [each["pointer"] for each in problem["errors"]]
        assert (await door.get("/v1/events"))["data"] == []
