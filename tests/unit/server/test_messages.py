"""Messages and signals over HTTP."""

import asyncio
from typing import Any

import pytest

from ripieno.domain.messages import ModelRequest, Reply, ToolMessage
from ripieno.testing.scripted_model import calls, says
from tests.unit.server.doors import open_door

AGENTS = (
    {"name": "default", "tools": ["*"], "description": "Does anything."},
    {"name": "clerk", "tools": ["message.*", "run.*"]},
)


def quotes(request: ModelRequest) -> Reply:
    return says(" | ".join(message.text for message in request.messages if isinstance(message, ToolMessage)))


WAITS = (calls(("run.wait_event", {"topic": "paid"})), quotes)


async def test_a_message_is_sent_looked_at_and_received_once():
    async with open_door(works=False, agents=AGENTS) as door:
        sent = await door.post("/v1/messages", {"to": "clerk", "body": "hello", "from": "bob"}, 201)
        assert (sent["to"], sent["from"], sent["n"]) == ("clerk", "bob", 1)
        await door.post("/v1/messages", {"to": "clerk", "body": {"n": 2}, "reply_to": sent["id"]}, 201)
        page = await door.get("/v1/agents/clerk/messages?limit=1")
        assert [each["body"] for each in page["data"]] == ["hello"]
        (second,) = (await door.get(f"/v1/agents/clerk/messages?cursor={page['next_cursor']}"))["data"]
        assert (second["body"], second["from"], second["reply_to"]) == ({"n": 2}, "local", sent["id"])
        received = await door.get("/v1/agents/clerk/messages?wait=5")
        assert [each["body"] for each in received["data"]] == ["hello", {"n": 2}]
        assert (await door.get("/v1/agents/clerk/messages"))["data"] == []
        assert (await door.get("/v1/agents/clerk/messages?wait=0"))["data"] == []


async def test_who_waits_gets_the_message_when_it_comes():
    async with open_door(works=False, agents=AGENTS) as door:
        waiting = asyncio.create_task(door.get("/v1/agents/clerk/messages?wait=20"))
        await asyncio.sleep(0)
        await door.post("/v1/messages", {"to": "clerk", "body": "hello"}, 201)
        assert [each["body"] for each in (await waiting)["data"]] == ["hello"]


async def test_a_run_shows_what_it_waits_for():
    async with open_door(WAITS, agents=AGENTS) as door:
        run = await door.post("/v1/runs", {"goal": "go", "agent": "clerk"}, 201)
        shown = await door.until(run["id"], "waiting")
        assert shown["waiting_for"] == [{"kind": "event", "run_id": run["id"], "topic": "paid", "until": None}]
        await door.post(f"/v1/runs/{run['id']}/signal", {"topic": "paid"}, 202)
        assert (await door.until(run["id"], "completed"))["waiting_for"] == []


async def test_a_message_that_was_read_is_acknowledged_once():
    async with open_door(works=False, agents=AGENTS) as door:
        sent = await door.post("/v1/messages", {"to": "clerk", "body": "hello"}, 201)
        path = f"/v1/messages/{sent['id']}"
        assert (await door.client.delete(path)).json()["body"] == "hello"
        again = await door.client.delete(path)
        assert (again.status_code, again.json()["code"]) == (409, "already_received")
        assert (await door.client.delete("/v1/messages/msg_nothing")).status_code == 404


@pytest.mark.parametrize(
    ("body", "status", "code"),
    [
        ({"to": "clerc", "body": "x"}, 404, "not_found"),
        ({"to": "run_nobody", "body": "x"}, 404, "not_found"),
        ({"to": "ses_nobody", "body": "x"}, 404, "not_found"),
        ({"to": "", "body": "x"}, 422, "invalid"),
        ({"to": "clerk"}, 422, "invalid"),
        ({"to": "clerk", "body": "x", "form": "bob"}, 422, "invalid"),
    ],
)
async def test_a_message_that_cannot_be_sent(body: Any, status: int, code: str):
    async with open_door(works=False, agents=AGENTS) as door:
        problem = await door.post("/v1/messages", body, status)
        assert problem["code"] == code
        assert "near" not in problem or body["to"] != "clerc" or "clerk" in problem["near"]


async def test_the_same_key_sends_one_message():
    async with open_door(works=False, agents=AGENTS) as door:
        for _ in range(2):
            await door.post("/v1/messages", {"to": "clerk", "body": "x"}, 201, headers={"idempotency-key": "k"})
        assert len((await door.get("/v1/agents/clerk/messages"))["data"]) == 1


async def test_a_signal_wakes_its_run_and_an_ended_run_takes_none():
    async with open_door(WAITS, agents=AGENTS) as door:
        run = await door.post("/v1/runs", {"goal": "go", "agent": "clerk"}, 201)
        await door.until(run["id"], "waiting")
        shown = await door.get(f"/v1/runs/{run['id']}")
        wait = next(task for task in shown["tasks"] if task["kind"] == "wait")
        assert (wait["name"], wait["status"]) == ("paid", "waiting")
        path, body = f"/v1/runs/{run['id']}/signal", {"topic": "paid", "data": {"eur": 3}}
        told = await door.post(path, body, 202, headers={"idempotency-key": "k"})
        assert told == {"run_id": run["id"], "topic": "paid", "n": 1}
        ended = await door.get(f"/v1/runs/{run['id']}?wait=20")
        assert ended["answer"] == '{"data":{"eur":3},"from":"local","topic":"paid"}'
        assert next(task for task in ended["tasks"] if task["kind"] == "wait")["summary"] == "signal came"
        assert (await door.post(path, body, 409))["code"] == "run_ended"
        letter = {"to": run["id"], "body": "too late"}
        assert (await door.post("/v1/messages", letter, 409))["code"] == "run_ended"
        assert (await door.post("/v1/runs/run_nobody/signal", body, 404))["code"] == "not_found"
        assert (await door.post(path, {"data": 1}, 422))["code"] == "invalid"
