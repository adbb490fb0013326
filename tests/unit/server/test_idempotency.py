"""The same key, the same answer."""

import asyncio
from dataclasses import replace
from typing import Any

import pytest

from ripieno.domain import ids
from ripieno.domain.errors import NotFound, StoreBusy
from ripieno.domain.replies import StoredReply
from ripieno.domain.tools import Risk
from ripieno.engine.api import Engine
from ripieno.server.app import create_app
from ripieno.testing.recording_tools import Scripted
from tests.unit.server.doors import PAYS, Door, client_of, open_door

KEY = {"idempotency-key": "k-1"}
BODY = {"goal": "add"}


async def runs_in(door: Door) -> int:
    return len((await door.get("/v1/runs"))["data"])


async def test_a_run_is_started_once():
    async with open_door(works=False) as door:
        first = await door.client.post("/v1/runs", json=BODY, headers=KEY)
        again = await door.client.post("/v1/runs", json=BODY, headers=KEY)
        assert (first.status_code, again.status_code) == (201, 201)
        assert again.content == first.content
        assert again.headers["location"] == first.headers["location"]
        assert ("idempotent-replayed" in first.headers, again.headers["idempotent-replayed"]) == (False, "true")
        assert await runs_in(door) == 1


async def test_the_prefix_does_not_matter_but_the_address_does():
    async with open_door(works=False) as door:
        first = await door.post("/v1/runs", BODY, 201, headers=KEY)
        assert (await door.post("/api/v1/runs/", BODY, 201, headers=KEY))["id"] == first["id"]
        other = await door.post("/v1/orchestrate", {"goal": "add", "agent_ids": ["default"]}, 201, headers=KEY)
        assert other["id"] != first["id"]


async def test_another_body_under_the_same_key_is_a_conflict():
    async with open_door(works=False) as door:
        await door.post("/v1/runs", BODY, 201, headers=KEY)
        problem = await door.post("/v1/runs", {"goal": "other"}, 409, headers=KEY)
        assert problem["code"] == "idempotency_conflict"
        assert await runs_in(door) == 1


async def test_a_request_that_is_still_served_is_in_flight():
    begun, may = asyncio.Event(), asyncio.Event()

    async def answer(_: dict[str, Any]) -> str:
        begun.set()
        await may.wait()
        return "3"

    async with open_door(tools={"math.add": Scripted(answer)}, works=False) as door, asyncio.TaskGroup() as group:
        first = group.create_task(door.post("/v1/tools/math.add/call", {}, headers=KEY))
        await begun.wait()
        problem = await door.post("/v1/tools/math.add/call", {}, 409, headers=KEY)
        assert problem["code"] == "idempotency_in_flight"
        may.set()
        assert (await first)["text"] == "3"
        assert (await door.post("/v1/tools/math.add/call", {}, headers=KEY))["text"] == "3"
        assert len(door.tools.calls) == 1


async def test_a_decision_is_answered_again():
    async with open_door(PAYS) as door:
        run = await door.post("/v1/runs?wait=20", {"goal": "pay", "agent": "cashier"}, 202)
        here = f"/v1/runs/{run['id']}"
        first = await door.post(f"{here}/approve", {"approved": True}, headers=KEY)
        assert await door.post(f"{here}/approve", {"approved": True}, headers=KEY) == first
        assert (await door.get(f"{here}?wait=20"))["status"] == "completed"


async def test_delete_takes_a_key_too():
    async with open_door(works=False) as door:
        run = await door.post("/v1/runs", BODY, 201)
        for replayed in (None, "true"):
            response = await door.client.delete(f"/v1/runs/{run['id']}", headers=KEY)
            assert (response.status_code, response.headers.get("idempotent-replayed")) == (200, replayed)


@pytest.mark.parametrize("key", ["", "x" * 256, "a b", "\u00e9"])
async def test_keys_that_are_none(key: str):
    async with open_door(works=False) as door:
        headers = {b"idempotency-key": key.encode()}
        response = await door.client.post("/v1/runs", json=BODY, headers=headers)
        assert (response.status_code, response.json()["errors"][0]["pointer"]) == (422, "/Idempotency-Key")
        assert await runs_in(door) == 0


async def test_a_refused_body_frees_the_key():
    async with open_door(works=False) as door:
        await door.post("/v1/runs", {}, 422, headers=KEY)
        response = await door.client.post("/v1/runs", content=b"{", headers={**KEY, "content-type": "application/json"})
        assert response.status_code == 400
        await door.post("/v1/runs", BODY, 201, headers=KEY)


async def test_what_was_not_found_or_not_allowed_frees_the_key():
    async with open_door(tools={"shop.pay": Scripted("paid", risk=Risk.HIGH)}, works=False) as door:
        await door.post("/v1/runs", {**BODY, "session_id": "ses_0"}, 404, headers=KEY)
        assert (await door.post("/v1/runs", BODY, 201, headers=KEY))["status"] == "queued"
        for _ in range(2):
            response = await door.client.post("/v1/tools/shop.pay/call", json={}, headers=KEY)
            assert (response.status_code, "idempotent-replayed" in response.headers) == (403, False)


async def test_a_refused_retry_does_not_give_away_the_id_of_a_run_that_was_begun():
    async with open_door(works=False) as door:
        engine = Shaky(door.platform.engine, StoreBusy("away"), NotFound("agent", "default"))
        async with client_of(create_app(replace(door.services, engine=engine))) as client:
            found = [(await client.post("/v1/runs", json=BODY, headers=KEY)).status_code for _ in range(3)]
        assert found == [503, 404, 201]
        assert await runs_in(door) == 1


async def test_other_refusals_are_kept():
    async with open_door(works=False) as door:
        run = await door.post("/v1/runs", BODY, 201)
        here = f"/v1/runs/{run['id']}/approve"
        first = await door.client.post(here, json={"approved": True}, headers=KEY)
        again = await door.client.post(here, json={"approved": True}, headers=KEY)
        assert (first.status_code, again.status_code) == (409, 409)
        assert again.headers["idempotent-replayed"] == "true"
        assert again.headers["content-type"] == "application/problem+json"


async def cut_off(door: Door, path: str, body: bytes = b"{}") -> str:
    """Leave behind what a process leaves that was killed in the middle of a request."""
    import hashlib

    run_id = door.services.clock.new_id(ids.RUN)
    scope = f"default\nlocal\nPOST {path}"
    await door.services.replies.begin(scope, "k-1", hashlib.sha256(body).hexdigest(), run_id)
    return run_id


async def test_a_start_that_was_cut_off_is_tried_again_under_its_id():
    async with open_door(works=False) as door:
        run_id = await cut_off(door, "/v1/runs", b'{"goal":"add"}')
        first = await door.post("/v1/runs", BODY, 201, headers=KEY)
        assert first["id"] == run_id
        assert (await door.post("/v1/runs", BODY, 201, headers=KEY))["id"] == run_id
        assert await runs_in(door) == 1


async def test_what_was_cut_off_and_may_have_happened_is_not_done_again():
    async with open_door(works=False) as door:
        run = await door.post("/v1/runs", BODY, 201)
        path = f"/v1/runs/{run['id']}/pause"
        await cut_off(door, path)
        assert (await door.post(path, {}, 409, headers=KEY))["code"] == "idempotency_unknown"
        assert (await door.get(f"/v1/runs/{run['id']}"))["status"] == "queued"


async def test_a_tool_call_that_was_cut_off_is_made_once():
    async with open_door() as door:
        path, body = "/v1/tools/shop.pay/call", {"arguments": {"eur": 3}}
        run_id = await cut_off(door, path, b'{"arguments":{"eur":3}}')
        first = await door.post(path, body, headers=KEY)
        assert (first["text"], first["run_id"]) == ("paid", run_id)
        assert (await door.post(path, body, headers=KEY)) == first
        assert len(door.tools.calls) == 1


class Shaky(Engine):
    """An engine that starts the first run and then fails to say so, and may refuse the next tries."""

    def __init__(self, real: Engine, *errors: Exception) -> None:
        self.real = real
        self.errors = list(errors)

    async def start(self, *args: Any, **options: Any) -> Any:
        run = await self.real.start(*args, **options)
        if self.errors:
            raise self.errors.pop(0)
        return run


@pytest.mark.parametrize(("error", "status"), [(StoreBusy("away"), 503), (RuntimeError("oh"), 500)])
async def test_after_a_failure_the_same_run_is_found_again(error: Exception, status: int):
    async with open_door(works=False) as door:
        services = replace(door.services, engine=Shaky(door.platform.engine, error))
        async with client_of(create_app(services)) as client:
            assert (await client.post("/v1/runs", json=BODY, headers=KEY)).status_code == status
            second = await client.post("/v1/runs", json=BODY, headers=KEY)
            assert (second.status_code, "idempotent-replayed" in second.headers) == (201, False)
        assert await runs_in(door) == 1


async def test_many_at_once_start_one_run():
    async with open_door(works=False) as door:
        responses = await asyncio.gather(*(door.client.post("/v1/runs", json=BODY, headers=KEY) for _ in range(10)))
        assert {response.status_code for response in responses} <= {201, 409}
        assert await runs_in(door) == 1


async def test_a_stored_reply_says_that_it_is_not_done():
    assert StoredReply("hash", "run_1").status == 0
