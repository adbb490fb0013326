"""Dead letters, halts, events and audit rows over HTTP."""

import pytest

from ripieno.domain.effects import EffectClass
from ripieno.domain.errors import ModelRefused
from ripieno.domain.jsons import JsonObject
from ripieno.domain.messages import ModelRequest, Reply
from ripieno.domain.principals import Principal
from ripieno.domain.tools import ToolResult, ToolStatus
from ripieno.governance.access import StaticAccess
from ripieno.server.app import create_app
from ripieno.testing.recording_tools import Scripted
from ripieno.testing.scripted_model import calls, says
from tests.unit.server.doors import Door, client_of, open_door, services_of


async def dead_run(door: Door) -> JsonObject:
    run = await door.post("/v1/runs", {"goal": "count", "agent": "default"}, 200, params={"wait": 20})
    assert run["status"] == "failed"
    (letter,) = (await door.get("/v1/dlq", params={"kind": "run", "state": "open"}))["data"]
    assert letter["run_id"] == run["id"]
    return letter


async def test_dead_run_is_replayed_once_with_what_was_edited():
    def answer(request: ModelRequest) -> Reply:
        if "gently" not in repr(request.messages):
            raise ModelRefused("no such model")
        return says("Now it works.")

    async with open_door(answer) as door:
        letter = await dead_run(door)
        assert (letter["cause"], letter["state"]) == ("model_error", "open")
        assert letter["payload"]["input"]["goal"] == "count"
        edit = {"edit": {"goal": "count gently"}}
        replayed = await door.post(f"/v1/dlq/{letter['id']}/replay", edit)
        assert replayed["state"] == "replayed"
        run_id = replayed["outcome"]["run_id"]
        run = await door.until(run_id, "completed")
        assert (run["goal"], run["session_id"]) == ("count gently", letter["payload"]["session_id"])
        assert run["metadata"] == {"replay_of": letter["run_id"], "dead_letter": letter["id"]}
        assert await door.post(f"/v1/dlq/{letter['id']}/replay") == replayed
        assert await door.get(f"/v1/dlq/{letter['id']}") == replayed
        refused = await door.client.delete(f"/v1/dlq/{letter['id']}")
        assert (refused.status_code, refused.json()["code"]) == (409, "dead_letter_settled")
        (row,) = (await door.get("/v1/admin/audit", params={"action": "REPLAY_DEAD_LETTER"}))["data"]
        assert (row["actor"], row["target"], row["detail"]) == ("local", letter["id"], {"run_id": run_id})


@pytest.mark.parametrize(
    ("edit", "status", "code"),
    [
        ({"gaol": "x"}, 422, "invalid"),
        ({"goal": ""}, 422, "invalid"),
        ({"agent": "nobody"}, 404, "not_found"),
    ],
)
async def test_edit_that_does_not_fit_is_refused(edit: JsonObject, status: int, code: str):
    async with open_door([ModelRefused("no such model")]) as door:
        letter = await dead_run(door)
        problem = await door.post(f"/v1/dlq/{letter['id']}/replay", {"edit": edit}, status)
        assert problem["code"] == code
        assert (await door.get(f"/v1/dlq/{letter['id']}"))["state"] == "open"


async def test_discarded_letter_is_kept_and_not_replayed():
    async with open_door([ModelRefused("no such model")]) as door:
        letter = await dead_run(door)
        response = await door.client.delete(f"/v1/dlq/{letter['id']}")
        assert response.json()["state"] == "discarded"
        assert (await door.post(f"/v1/dlq/{letter['id']}/replay", None, 409))["code"] == "dead_letter_settled"
        assert (await door.get("/v1/dlq", params={"state": "open"}))["data"] == []
        assert (await door.get("/v1/dlq/dlq_none", 404))["code"] == "not_found"


async def dead_effect(door: Door) -> JsonObject:
    run = await door.post("/v1/runs", {"goal": "pay", "agent": "default"}, 200, params={"wait": 20})
    assert run["status"] == "failed"
    (letter,) = (await door.get("/v1/dlq", params={"kind": "effect"}))["data"]
    return letter


def failing(effect: EffectClass, *results: ToolResult) -> JsonObject:
    left = list(results)
    return {"shop.pay": Scripted(lambda _: left.pop(0), effect=effect)}


NO = ToolResult(ToolStatus.ERROR, "the till is closed")
YES = ToolResult(ToolStatus.OK, "paid")
PAYS_AND_FAILS = [calls(("shop.pay", {"eur": 3})), ModelRefused("no such model")]


async def test_idempotent_effect_is_repeated_under_its_key():
    async with open_door(PAYS_AND_FAILS, failing(EffectClass.IDEMPOTENT, NO, NO, YES)) as door:
        letter = await dead_effect(door)
        assert (letter["cause"], letter["detail"]) == ("effect_failed", "the till is closed")
        refused = await door.post(f"/v1/dlq/{letter['id']}/replay", None, 409)
        assert (refused["code"], "the till is closed" in refused["detail"]) == ("replay_refused", True)
        assert (await door.post(f"/v1/dlq/{letter['id']}/replay", {"edit": {"eur": 4}}, 422))["code"] == "invalid"
        replayed = await door.post(f"/v1/dlq/{letter['id']}/replay")
        assert replayed["outcome"]["result"]["text"] == "paid"
        (action,) = (await door.get(f"/v1/runs/{replayed['outcome']['run_id']}/actions"))["data"]
        assert (action["state"], action["idempotency_key"]) == ("done", letter["payload"]["idempotency_key"])
        assert await door.get("/v1/dlq", params={"run_id": replayed["outcome"]["run_id"]}) == {
            "data": [],
            "next_cursor": None,
        }
        keys = {made.context.idempotency_key for made in door.tools.calls}
        assert keys == {letter["payload"]["idempotency_key"]}
        actions = (await door.get(f"/v1/runs/{letter['run_id']}/actions"))["data"]
        assert len(actions) == 1


async def test_other_effects_are_not_repeated():
    async with open_door(PAYS_AND_FAILS, failing(EffectClass.IRREVERSIBLE, NO)) as door:
        letter = await dead_effect(door)
        refused = await door.post(f"/v1/dlq/{letter['id']}/replay", None, 409)
        assert refused["code"] == "replay_refused"
        assert "irreversible" in refused["detail"]
        assert len(door.tools.calls) == 1


@pytest.mark.parametrize(
    ("path", "body", "state"),
    [
        ("retry", None, "replayed"),
        ("fork", {"from": 1}, "replayed"),
        ("fork", {"from": 1, "dry_run": True}, "open"),
    ],
)
async def test_who_takes_up_a_dead_run_has_dealt_with_it(path: str, body: JsonObject | None, state: str):
    async with open_door([ModelRefused("no such model"), says("done")]) as door:
        run = await door.post("/v1/runs", {"goal": "count"}, 201)
        await door.until(run["id"], "failed")
        (letter,) = (await door.get("/v1/dlq"))["data"]
        went_on = await door.post(f"/v1/runs/{run['id']}/{path}", body, 201 if path == "fork" else 200)
        now = await door.get(f"/v1/dlq/{letter['id']}")
        assert now["state"] == state
        assert state == "open" or now["outcome"]["run_id"] == went_on["id"]


async def test_message_goes_to_another_run():
    async with open_door(works=False) as door:
        over = await door.post("/v1/runs", {"goal": "one"}, 201)
        alive = await door.post("/v1/runs", {"goal": "two"}, 201)
        await door.platform.ports.journal.send("default", over["id"], "note", {"n": 1}, "d1")
        await door.post(f"/v1/runs/{over['id']}/cancel")
        (letter,) = (await door.get("/v1/dlq", params={"run_id": over["id"]}))["data"]
        assert (await door.post(f"/v1/dlq/{letter['id']}/replay", None, 409))["code"] == "run_ended"
        edit = {"edit": {"run_id": alive["id"], "body": {"n": 2}}}
        assert (await door.post(f"/v1/dlq/{letter['id']}/replay", edit))["outcome"] == {"run_id": alive["id"], "n": 1}


async def test_list_goes_page_by_page():
    async with open_door([ModelRefused("no such model")] * 2) as door:
        for _ in range(3):
            await door.post("/v1/runs", {"goal": "count"}, 200, params={"wait": 20})
        first = await door.get("/v1/dlq", params={"limit": 2})
        rest = await door.get("/v1/dlq", params={"limit": 2, "cursor": first["next_cursor"]})
        assert (len(first["data"]), len(rest["data"]), rest["next_cursor"]) == (2, 1, None)


async def test_halted_agent_waits_and_says_why():
    async with open_door() as door:
        body = {"scope": "agent:default", "reason": "smoke"}
        halted = await door.post("/v1/admin/halt", body)
        assert (halted["scope"], halted["by"], halted["reason"]) == ("agent:default", "local", "smoke")
        assert (await door.get("/v1/admin/halts"))["data"] == [halted]
        started = await door.post("/v1/runs", {"goal": "count", "agent": "default"}, 201)
        (waits,) = started["waiting_for"]
        assert (waits["kind"], waits["scope"], waits["reason"], waits["by"]) == (
            "halt",
            "agent:default",
            "smoke",
            "local",
        )
        run = await door.until(started["id"], "waiting")
        assert run["waiting_for"] == started["waiting_for"]
        assert [item["waiting_for"] for item in (await door.get("/v1/runs"))["data"]] == [run["waiting_for"]]
        await door.post("/v1/admin/unhalt", {"scope": "agent:default"})
        assert (await door.until(started["id"], "completed"))["waiting_for"] == []
        rows = (await door.get("/v1/admin/audit"))["data"]
        assert [row["action"] for row in rows] == ["UNHALT_AGENT", "HALT_AGENT"]
        assert (await door.post("/v1/admin/unhalt", {"scope": "agent:default"}, 404))["code"] == "not_found"


async def test_halted_tool_is_refused_where_nothing_can_wait():
    async with open_door() as door:
        await door.post("/v1/admin/halt", {"scope": "tool:math.*", "reason": "smoke"})
        response = await door.client.post("/v1/tools/math.add/call", json={"arguments": {}})
        assert (response.status_code, response.json()["code"]) == (503, "halted")
        assert "retry-after" in response.headers


@pytest.mark.parametrize("scope", ["everything", "agent:", ""])
async def test_scope_that_means_nothing_is_refused(scope: str):
    async with open_door(works=False) as door:
        problem = await door.post("/v1/admin/halt", {"scope": scope}, 422)
        assert problem["errors"][0]["pointer"] == "/scope"


async def test_audit_goes_page_by_page_and_is_filtered():
    async with open_door(works=False) as door:
        for scope in ("agent:a", "agent:b", "tool:c"):
            await door.post("/v1/admin/halt", {"scope": scope})
        first = await door.get("/v1/admin/audit", params={"limit": 2})
        rest = await door.get("/v1/admin/audit", params={"limit": 2, "cursor": first["next_cursor"]})
        assert [row["target"] for row in (*first["data"], *rest["data"])] == ["tool:c", "agent:b", "agent:a"]
        assert rest["next_cursor"] is None
        assert len((await door.get("/v1/admin/audit", params={"action": "HALT_AGENT"}))["data"]) == 2
        assert (await door.get("/v1/admin/audit", params={"actor": "nobody"}))["data"] == []
        since = {"since": "2999-01-01T00:00:00Z"}
        assert (await door.get("/v1/admin/audit", params=since))["data"] == []


async def test_events_are_read_from_a_cursor_on():
    async with open_door() as door:
        run = await door.post("/v1/runs", {"goal": "count", "agent": "default"}, 200, params={"wait": 20})
        page = await door.get("/v1/events", params={"type": "run.*"})
        assert [event["type"] for event in page["data"]] == ["run.created", "run.ended"]
        event = page["data"][0]
        assert (event["specversion"], event["subject"]) == ("1.0", run["id"])
        assert page["next_cursor"] == str(page["data"][-1]["sequence"])
        after = await door.get("/v1/events", params={"after": event["sequence"], "limit": 1})
        assert [found["type"] for found in after["data"]] == ["run.ended"]
        assert (await door.get("/v1/events", params={"after": page["next_cursor"]}))["data"] == []


async def test_only_administrators_halt_and_read_the_audit():
    async with open_door(works=False) as door:
        people = {"alices-own-key": Principal("alice"), "bobs-own-key": Principal("bob", roles=("admin",))}
        access = StaticAccess("127.0.0.1", "key", None, people)
        app = create_app(services_of(door.platform, access))
        async with client_of(app, headers={"x-api-key": "alices-own-key"}) as alice:
            for method, path in (("GET", "/v1/admin/halts"), ("POST", "/v1/admin/halt"), ("GET", "/v1/admin/audit")):
                response = await alice.request(method, path, json={"scope": "all"} if method == "POST" else None)
                assert (response.status_code, response.json()["code"]) == (403, "forbidden")
            assert (await alice.get("/v1/dlq")).status_code == 200
        async with client_of(app, headers={"x-api-key": "bobs-own-key"}) as bob:
            assert (await bob.post("/v1/admin/halt", json={"scope": "all"})).status_code == 200


async def test_store_in_memory_does_not_prune():
    async with open_door(works=False) as door:
        for path in ("/v1/admin/prune", "/v1/admin/archive"):
            assert (await door.post(path, {"older_than_days": 1}, 503))["code"] == "unavailable"
            assert (await door.post(path, {"older_than_days": -1}, 422))["code"] == "invalid"
