"""Schedules over HTTP."""

from typing import Any

import pytest

from tests.unit.server.doors import Door, open_door

AGENTS = (
    {"name": "default", "tools": ["*"], "description": "Does anything."},
    {"name": "clerk", "mode": "scheduled", "schedule": {"every": 3600, "input": "Count the money."}},
)


async def made(door: Door, **fields: Any) -> Any:
    body = {"name": "nightly", "cron": "30 2 * * *", "timezone": "Europe/Berlin", "goal": "Count.", **fields}
    return await door.post("/v1/schedules", body, 201)


async def test_a_schedule_is_made_shown_and_listed():
    async with open_door(works=False) as door:
        response = await door.client.post("/v1/schedules", json={"name": "hourly", "every": 3600, "input": {"n": 1}})
        assert response.status_code == 201
        assert response.headers["location"] == f"/v1/schedules/{response.json()['id']}"
        assert response.headers["etag"] == '"1"'
        nightly = await made(door)
        assert (nightly["status"], nightly["input"], nightly["agent"]) == ("active", "Count.", "default")
        assert len(nightly["next_ticks"]) == 5
        assert len((await door.get("/v1/schedules/nightly?preview=9"))["next_ticks"]) == 9
        assert (await door.get(f"/v1/schedules/{nightly['id']}"))["name"] == "nightly"
        page = await door.get("/v1/schedules?limit=1")
        assert [one["name"] for one in page["data"]] == ["hourly"]
        rest = await door.get(f"/v1/schedules?cursor={page['next_cursor']}")
        assert ([one["name"] for one in rest["data"]], rest["next_cursor"]) == (["nightly"], None)


@pytest.mark.parametrize(
    ("body", "pointer"),
    [
        ({"cron": "0 0 31 2 *"}, "/cron"),
        ({"cron": "0 0 * * *", "timezone": "Mars/Olympus"}, "/timezone"),
        ({"every": 0}, "/every"),
        ({"every": -1}, "/every"),
        ({"every": 60, "overlap": "perhaps"}, "/overlap"),
        ({"every": 60, "name": "No Spaces"}, "/name"),
        ({"every": 60, "goal": ""}, "/goal"),
        ({"every": 60, "crn": "0 0 * * *"}, "/crn"),
        ({}, ""),
    ],
)
async def test_what_cannot_be_is_refused_at_its_place(body: Any, pointer: str):
    async with open_door(works=False) as door:
        problem = await door.post("/v1/schedules", {"name": "x", **body}, 422)
        assert problem["code"] == "invalid"
        assert problem["errors"][0]["pointer"] == pointer


async def test_an_agent_that_is_not_there_and_a_name_that_is():
    async with open_door(works=False) as door:
        body = {"name": "x", "every": 9, "agent": "defalt"}
        assert "default" in (await door.post("/v1/schedules", body, 404))["near"]
        await made(door)
        body = {"name": "nightly", "every": 9}
        assert (await door.post("/v1/schedules", body, 409))["code"] == "name_taken"
        assert (await door.get("/v1/schedules/nightli", 404))["near"] == ["nightly"]


async def test_a_dry_run_shows_and_keeps_nothing():
    async with open_door(works=False) as door:
        shown = await door.post("/v1/schedules?dry_run=true", {"name": "x", "every": 60, "agent": "team"})
        assert len(shown["next_ticks"]) == 5
        await door.get("/v1/schedules/x", 404)


async def test_a_schedule_is_changed_and_a_stale_change_is_refused():
    async with open_door(works=False) as door:
        await made(door)
        changed = await door.client.patch("/v1/schedules/nightly", json={"every": 60, "goal": "Sum.", "paused": True})
        assert changed.status_code == 200
        found = changed.json()
        assert (found["cron"], found["every"], found["input"], found["status"]) == (None, 60, "Sum.", "paused")
        assert found["next_ticks"] == []
        for tag, status in (('"1"', 412), ("nonsense", 412), ('W/"2"', 200), ("*", 200)):
            answer = await door.client.patch(
                "/v1/schedules/nightly", json={"agent": "cashier"}, headers={"if-match": tag}
            )
            assert answer.status_code == status, tag
        problem = (await door.client.patch("/v1/schedules/nightly", json={"timezone": "Nowhere"})).json()
        assert problem["errors"][0]["pointer"] == "/timezone"
        assert (await door.client.patch("/v1/schedules/nightly", json={"timezon": "UTC"})).status_code == 422
        assert (await door.client.patch("/v1/schedules/nightly", json=[])).status_code == 422
        assert (await door.client.patch("/v1/schedules/nightly", json={"agent": "nobody"})).status_code == 404


async def test_pause_resume_and_delete():
    async with open_door(works=False) as door:
        await made(door)
        assert (await door.post("/v1/schedules/nightly/pause"))["status"] == "paused"
        assert (await door.post("/v1/schedules/nightly/resume"))["status"] == "active"
        stale = await door.client.delete("/v1/schedules/nightly", headers={"if-match": '"1"'})
        assert stale.status_code == 412
        assert (await door.client.delete("/v1/schedules/nightly")).status_code == 204
        assert (await door.client.delete("/v1/schedules/nightly")).status_code == 404


async def test_a_run_that_is_wanted_now_and_its_place_in_the_history():
    async with open_door() as door:
        await made(door)
        headers = {"idempotency-key": "k1"}
        run = await door.post("/v1/schedules/nightly/trigger?wait=20", headers=headers)
        assert (run["status"], run["answer"]) == ("completed", "It is 3 [t1c0].")
        await door.post("/v1/schedules/nightly/trigger", status=201)
        page = await door.get("/v1/schedules/nightly/runs?limit=1")
        rest = await door.get(f"/v1/schedules/nightly/runs?cursor={page['next_cursor']}")
        (line,) = rest["data"]
        assert (line["run_id"], line["run_status"], line["outcome"]) == (run["id"], "completed", "started")
        assert line["triggered_by"] == "local"
        shown = await door.get(f"/v1/runs/{run['id']}")
        assert shown["goal"] == "Count."
        assert shown["metadata"]["schedule"]["name"] == "nightly"


async def test_a_schedule_that_ticks_starts_runs_by_itself():
    async with open_door() as door:
        await door.post("/v1/schedules", {"name": "fast", "every": 1, "goal": "Go."}, 201)
        while not (history := (await door.get("/v1/schedules/fast/runs"))["data"]):
            await door.services.clock.sleep(0.05)
        run = await door.get(f"/v1/runs/{history[-1]['run_id']}?wait=20")
        assert (run["status"], run["created_by"]) == ("completed", "local")


async def test_the_schedule_of_an_agents_file_is_shown_and_is_changed_there():
    async with open_door(agents=AGENTS) as door:
        while not (found := (await door.get("/v1/schedules"))["data"]):
            await door.services.clock.sleep(0.01)
        assert (found[0]["name"], found[0]["agent"], found[0]["managed_by"]) == ("clerk", "clerk", "file")
        refused = await door.client.patch("/v1/schedules/clerk", json={"every": 60})
        assert (refused.status_code, refused.json()["code"]) == (409, "managed_by_file")
        assert (await door.client.delete("/v1/schedules/clerk")).json()["code"] == "managed_by_file"
        assert (await door.post("/v1/schedules/clerk/pause"))["status"] == "paused"
        assert (await door.post("/v1/schedules/clerk/trigger", status=201))["agent"] == "clerk"
