"""Runs over HTTP: start, list, look at, stop."""

import asyncio
from dataclasses import replace
from typing import Any

import pytest

from ripieno.domain.batches import Append
from ripieno.domain.entries import EntryType, NewEntry
from ripieno.domain.principals import Principal
from ripieno.domain.usage import Usage
from ripieno.governance.access import StaticAccess
from ripieno.server.app import create_app
from ripieno.testing.recording_tools import Scripted
from ripieno.testing.scripted_model import answers, calls, says
from tests.unit.server.doors import ADDS, PAYS, client_of, open_door


async def test_a_run_is_created_and_found_under_its_location():
    async with open_door(works=False) as door:
        response = await door.client.post("/v1/runs", json={"goal": "  add  "})
        run = response.json()
        assert response.status_code == 201
        assert response.headers["location"] == f"/v1/runs/{run['run_id']}" == run["links"]["self"]
        assert (run["status"], run["agent"], run["answer"], run["waiting_for"]) == ("queued", "default", None, [])
        assert run["session_id"].startswith("ses_")
        found = await door.get(response.headers["location"])
        assert (found["id"], found["goal"], found["tasks"]) == (run["run_id"], "add", [])


async def test_wait_answers_with_the_end():
    async with open_door() as door:
        run = await door.post("/v1/runs?wait=20", {"goal": "add"}, 200)
        assert (run["status"], run["exit_reason"], run["answer"]) == ("completed", "completed", "It is 3 [t1c0].")
        assert (run["output"], run["error"]) == ("It is 3 [t1c0].", None)


async def test_wait_answers_when_a_person_is_needed():
    async with open_door(PAYS) as door:
        run = await door.post("/v1/runs?wait=20", {"goal": "pay", "agent": "cashier"}, 202)
        assert run["status"] == "awaiting_approval"
        (asked,) = run["waiting_for"]
        assert (asked["kind"], asked["run_id"], asked["request"]["tool"]) == ("approval", run["id"], "shop.pay")
        assert asked["interrupt_id"].startswith("apr_")


async def test_wait_answers_when_the_time_is_up():
    async with open_door(works=False) as door:
        run = await door.post("/v1/runs?wait=0", {"goal": "add"}, 202)
        assert run["status"] == "queued"
        assert (await door.get(f"/v1/runs/{run['id']}?wait=0.01"))["status"] == "queued"


async def test_wait_is_over_when_the_server_stops():
    async with open_door(works=False) as door:
        door.services.stopping.set()
        run = await door.post("/v1/runs?wait=600", {"goal": "add"}, 202)
        assert run["status"] == "queued"


@pytest.mark.parametrize(
    "body",
    [
        {"goal": "add"},
        {"input": "add"},
        {"input": {"prompt": "add", "n": 1}},
        {"input": {"task": "add"}, "agent_profile_id": "default"},
        {"goal": "add", "agent": "default", "an_older_key": True},
    ],
)
async def test_the_ways_to_say_what_to_do(body: dict[str, Any]):
    async with open_door(works=False) as door:
        run = await door.post("/run", body, 201)
        found = await door.get(f"/v1/runs/{run['id']}")
        assert (found["goal"], found["agent"]) == ("add", "default")
        assert found["data"] == (body["input"] if isinstance(body.get("input"), dict) else None)


async def test_everything_that_a_run_can_be_told_arrives():
    constraints = {
        "max_turns": 3,
        "seconds": 9.5,
        "deadline": "2126-01-01T00:00:00Z",
        "budget": {"usd": 1, "tokens": 5},
    }
    body = {
        "goal": "add",
        "context": {"who": "ann"},
        "constraints": constraints,
        "model": "scripted:two",
        "priority": 7,
        "lane": "batch",
        "dry_run": True,
        "stream_tokens": True,
        "metadata": {"ticket": 4},
    }
    async with open_door(works=False) as door:
        run = await door.post("/v1/runs", body, 201)
        found = await door.get(f"/v1/runs/{run['id']}")
    assert found["constraints"] == {"max_turns": 3, "seconds": 9.5, "usd": 1.0, "tokens": 5}
    assert (found["deadline"], found["context"]) == ("2126-01-01T00:00:00Z", {"who": "ann"})
    assert (found["model"], found["priority"], found["lane"], found["dry_run"]) == ("scripted:two", 7, "batch", True)
    assert found["metadata"] == {"ticket": 4, "stream_tokens": True}


async def test_a_run_shows_its_steps_and_what_it_used():
    script = [calls(("math.add", {"a": 1}), usage=Usage(10, 5, cost_usd=0.5, calls=1)), says("3", usage=Usage(1, 1))]
    async with open_door(script) as door:
        run = await door.post("/v1/runs?wait=20", {"goal": "add"})
        found = await door.get(f"/v1/runs/{run['id']}")
    assert [(task["kind"], task["name"], task["status"]) for task in found["tasks"]] == [
        ("model", "scripted", "completed"),
        ("tool", "math.add", "completed"),
        ("model", "scripted", "completed"),
    ]
    assert found["steps"] == found["tasks"]
    assert (found["usage"]["tokens"], found["usage"]["cost_usd"], found["own_usage"]["calls"]) == (17, 0.5, 1)
    assert found["evidence"][0]["id"] == "t1c0"
    assert (found["parent_id"], found["forked_from"], found["created_by"]) == (None, None, "local")


async def test_a_structured_answer_is_the_output():
    schema = {"type": "object", "properties": {"sum": {"type": "integer"}}}
    agents = [{"name": "default", "output_schema": schema}]
    async with open_door([answers({"sum": 3})], agents=agents) as door:
        run = await door.post("/v1/runs?wait=20", {"goal": "add"})
    assert (run["answer"], run["output"]) == ('{"sum":3}', {"sum": 3})


async def test_a_run_that_failed_says_why():
    async with open_door([]) as door:
        run = await door.post("/v1/runs?wait=20", {"goal": "add"})
    assert (run["status"], run["exit_reason"], run["error"]["code"]) == ("failed", "model_error", "model_error")


async def test_the_sides_of_a_journal():
    async with open_door() as door:
        here = f"/v1/runs/{(await door.post('/v1/runs?wait=20', {'goal': 'add'}))['id']}"
        assert [task["key"] for task in (await door.get(f"{here}/tasks"))["data"]][1] == "g1/turn/1/call/0"
        task = await door.get(f"{here}/tasks/g1/turn/1/call/0")
        assert (task["input"], task["output"]["text"]) == ({"a": 1}, "3")
        assert task == await door.get(f"{here}/tasks/g1%2Fturn%2F1%2Fcall%2F0")
        (action,) = (await door.get(f"{here}/actions"))["data"]
        assert (action["tool"], action["effect"], action["state"]) == ("math.add", "read", "done")
        roles = [message["role"] for message in (await door.get(f"{here}/messages"))["data"]]
        assert roles == ["user", "assistant", "tool", "assistant"]
        assert [span["kind"] for span in (await door.get(f"{here}/timeline"))["data"]] == [
            "run",
            "model",
            "tool",
            "model",
        ]
        assert (await door.get(f"{here}/logs"))["data"][-1]["message"] == "run completed (completed)"
        near = (await door.get(f"{here}/tasks/g9", 404))["near"]
        assert near == ["g1/turn/1/model", "g1/turn/1/call/0", "g1/turn/2/model"]


async def test_entries_and_events_come_in_pages():
    async with open_door() as door:
        here = f"/v1/runs/{(await door.post('/v1/runs?wait=20', {'goal': 'add'}))['id']}"
        for name, of in (("entries", "seq"), ("events", "sequence")):
            first = await door.client.get(f"{here}/{name}?limit=3")
            assert [item[of] for item in first.json()["data"]] == [1, 2, 3]
            assert first.json()["next_cursor"] == "3"
            assert first.headers["link"] == f'<{here}/{name}?limit=3&after=3>; rel="next"'
            second = await door.client.get(f"{here}/{name}?limit=3&after=3")
            assert [item[of] for item in second.json()["data"]] == [4, 5]
            assert (second.json()["next_cursor"], "link" in second.headers) == (None, False)
        last = (await door.get(f"{here}/events", headers={"Last-Event-ID": "4"}))["data"]
        assert [(event["type"], event["specversion"]) for event in last] == [("run.completed", "1.0")]


async def test_a_list_is_filtered_and_paged():
    async with open_door(works=False) as door:
        made = [await door.post("/v1/runs", {"goal": f"{n}", "agent": "cashier"}, 201) for n in range(3)]
        other = await door.post("/v1/runs", {"goal": "x"}, 201)
        first = await door.client.get("/v1/runs?agent=cashier&limit=2")
        assert [run["id"] for run in first.json()["data"]] == [made[2]["id"], made[1]["id"]]
        cursor = first.json()["next_cursor"]
        assert first.headers["link"] == f'</v1/runs?agent=cashier&limit=2&cursor={cursor}>; rel="next"'
        rest = await door.get(f"/v1/runs?agent=cashier&limit=2&cursor={cursor}")
        assert ([run["id"] for run in rest["data"]], rest["next_cursor"]) == ([made[0]["id"]], None)
        session = (await door.get(f"/v1/runs?session_id={other['session_id']}"))["data"]
        assert [run["id"] for run in session] == [other["id"]]
        assert (await door.get("/v1/runs?status=completed"))["data"] == []
        assert (await door.get("/v1/runs?created_after=2126-01-01T00:00:00Z"))["data"] == []
        assert (await door.get("/v1/runs?workflow=any"))["data"] == []
        assert len((await door.get("/v1/runs?status=queued&limit=200"))["data"]) == 4


async def test_cancel_and_delete_stop_a_run():
    async with open_door(works=False) as door:
        for method, path in (("POST", "/cancel"), ("DELETE", "")):
            run = await door.post("/v1/runs", {"goal": "add"}, 201)
            response = await door.client.request(method, f"/v1/runs/{run['id']}{path}")
            assert (response.status_code, response.json()["status"]) == (200, "cancelled")
            assert response.json()["exit_reason"] == "operator"
        again = await door.post(f"/v1/runs/{run['id']}/cancel", {"reason": "sure"})
        assert again["status"] == "cancelled"


async def test_a_run_that_has_ended_cannot_be_stopped():
    async with open_door() as door:
        run = await door.post("/v1/runs?wait=20", {"goal": "add"})
        problem = await door.post(f"/v1/runs/{run['id']}/cancel", status=409)
        assert (problem["code"], problem["run_id"]) == ("run_ended", run["id"])


async def test_pause_holds_and_resume_lets_go():
    begun, may = asyncio.Event(), asyncio.Event()

    async def answer(_: dict[str, Any]) -> str:
        begun.set()
        await may.wait()
        return "3"

    async with open_door(tools={"math.add": Scripted(answer)}) as door:
        run = await door.post("/v1/runs", {"goal": "add"}, 201)
        await begun.wait()
        await door.post(f"/v1/runs/{run['id']}/pause")
        may.set()
        await door.until(run["id"], "paused")
        await door.post(f"/v1/runs/{run['id']}/resume")
        await door.until(run["id"], "completed")
        problem = await door.post(f"/v1/runs/{run['id']}/resume", status=409)
        assert problem["code"] == "run_ended"


async def test_resume_needs_a_pause():
    async with open_door(works=False) as door:
        run = await door.post("/v1/runs", {"goal": "add"}, 201)
        assert (await door.post(f"/v1/runs/{run['id']}/resume", status=409))["code"] == "not_paused"


@pytest.mark.parametrize("prefix", ["/v1", "/api/v1", ""])
@pytest.mark.parametrize("slash", ["", "/"])
async def test_every_address_is_served_under_three_prefixes_with_and_without_a_slash(prefix: str, slash: str):
    async with open_door(works=False) as door:
        run = await door.post(f"{prefix}/runs{slash}", {"goal": "add"}, 201)
        assert (await door.get(f"{prefix}/runs/{run['id']}{slash}"))["id"] == run["id"]
        assert (await door.get(f"{prefix}/health/live{slash}"))["status"] == "healthy"


async def test_a_long_journal_is_read_page_by_page():
    async with open_door(works=False) as door:
        run = await door.post("/v1/runs", {"goal": "add"}, 201)
        journal = door.platform.ports.journal
        (claimed,) = await journal.claim("worker", 1)
        body = {"code": "model_unavailable", "detail": "429"}
        for page in range(5):
            keys = (f"g1/turn/{page * 500 + n}/model" for n in range(500))
            lines = tuple(NewEntry(key, EntryType.MODEL_FAILED, body) for key in keys)
            await journal.append(Append(run["id"], claimed.run.epoch, lines))
        tasks = (await door.get(f"/v1/runs/{run['id']}/tasks"))["data"]
        assert [task["seq"] for task in tasks] == list(range(1, 2501))


async def test_many_runs_at_once():
    async with open_door(ADDS) as door:
        async with asyncio.TaskGroup() as group:
            tasks = [group.create_task(door.post("/v1/runs?wait=30", {"goal": "add"})) for _ in range(20)]
        assert {task.result()["status"] for task in tasks} == {"completed"}


class Eve(StaticAccess):
    """Everybody is Eve, of another tenant."""

    def principal(self, credential: str | None) -> Principal:
        del credential
        return Principal("eve", "other")


async def test_what_belongs_to_another_tenant_is_not_found():
    async with open_door(works=False) as door:
        run = await door.post("/v1/runs", {"goal": "add"}, 201)
        services = replace(door.services, access=Eve("127.0.0.1", "auto", None))
        async with client_of(create_app(services)) as eve:
            for path in ("", "/tasks", "/events", "/entries", "/actions", "/stream"):
                assert (await eve.get(f"/v1/runs/{run['id']}{path}")).status_code == 404
            problem = (await eve.post(f"/v1/runs/{run['id']}/cancel")).json()
            assert (problem["code"], problem["near"]) == ("not_found", [])
            assert (await eve.get(f"/v1/sessions/{run['session_id']}")).status_code == 404
            assert (await eve.get("/v1/runs")).json()["data"] == []
        assert (await door.get(f"/v1/runs/{run['id']}"))["status"] == "queued"
