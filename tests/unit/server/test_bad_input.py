"""What clients get wrong, and what they are told."""

from collections.abc import AsyncIterator
from typing import Any

import pytest

from tests.unit.server.doors import Door, open_door

JSON = {"content-type": "application/json"}


@pytest.fixture
async def door() -> AsyncIterator[Door]:
    async with open_door(works=False, body_bytes=2048) as opened:
        yield opened


def check(response: Any, status: int, code: str) -> Any:
    problem = response.json()
    assert (response.status_code, problem["code"], problem["status"]) == (status, code, status)
    assert response.headers["content-type"] == "application/problem+json"
    assert problem["type"] == f"/problems/{code}"
    assert {"title", "detail", "instance", "errors", "trace_id"} <= problem.keys()
    assert problem["trace_id"] == response.headers["traceparent"].split("-")[1]
    return problem


@pytest.mark.parametrize(
    "content",
    [
        b"{",
        b'{"goal": }',
        b"[1,",
        b"nope",
        b'{"goal": "a"} x',
        b"\xff\xfe",
        b'{"goal": "\\ud800"}',
        b'{"goal": "a", "context": {"x": NaN}}',
        b'{"goal": "a", "context": {"x": [{"y": 1e999}]}}',
        b'{"goal": "a", "context": {"x": ' + b"[" * 500 + b"]" * 500 + b"}}",
    ],
)
async def test_json_that_is_none(door: Door, content: bytes):
    problem = check(await door.client.post("/v1/runs", content=content, headers=JSON), 400, "malformed")
    assert " at line 1 column " in problem["detail"] or problem["detail"] == "a number is too large"


async def test_numbers_that_look_too_large_but_are_not(door: Door):
    content = b'{"goal": "1e999", "context": {"x": [1e100, true, null, "a"]}}'
    response = await door.client.post("/v1/runs", content=content, headers=JSON)
    assert response.status_code == 201, response.text


@pytest.mark.parametrize(
    ("body", "pointers"),
    [
        ({}, ["/goal"]),
        ({"goal": ""}, ["/goal"]),
        ({"goal": "  "}, ["/goal"]),
        ({"goal": 3}, ["/goal"]),
        ({"input": 3}, ["/input"]),
        ({"input": {"n": 1}}, ["/goal"]),
        ({"goal": "a", "agent": 3}, ["/agent"]),
        ({"goal": "a", "context": []}, ["/context"]),
        ({"goal": "a", "priority": 1000, "lane": ""}, ["/priority", "/lane"]),
        ({"goal": "a", "constraints": {"max_turns": 0}}, ["/constraints/max_turns"]),
        ({"goal": "a", "constraints": {"max_turn": 1}}, ["/constraints/max_turn"]),
        ({"goal": "a", "constraints": {"deadline": "2026-01-01T00:00:00"}}, ["/constraints/deadline"]),
        ({"goal": "a", "constraints": {"budget": {"usd": -1}}}, ["/constraints/budget/usd"]),
        ([], [""]),
        (None, [""]),
    ],
)
async def test_bodies_that_break_the_schema(door: Door, body: Any, pointers: list[str]):
    problem = check(await door.client.post("/v1/runs", json=body), 422, "invalid")
    assert sorted(error["pointer"] for error in problem["errors"]) == sorted(pointers)


@pytest.mark.parametrize(
    ("path", "body", "pointer", "meant"),
    [
        ("/v1/runs", {"goal": "a", "agnet": "cashier"}, "/agnet", "agent"),
        ("/v1/runs", {"goal": "a", "Constraint": {"max_turns": 1}}, "/Constraint", "constraints"),
        ("/v1/agents/cashier/invoke", {"task_data": {"prompt": "a"}, "dry-run": True}, "/dry-run", "dry_run"),
        ("/v1/tools/math.add/call", {"arguments": {}, "dryrun": True}, "/dryrun", "dry_run"),
        ("/v1/interrupts/i/decide", {"decision": "approve", "argumnets": {"eur": 1}}, "/argumnets", "arguments"),
    ],
)
async def test_members_that_are_probably_misspelt(door: Door, path: str, body: Any, pointer: str, meant: str):
    problem = check(await door.client.post(path, json=body), 422, "invalid")
    key = pointer.removeprefix("/")
    assert problem["errors"] == [{"pointer": pointer, "detail": f"unknown key {key}; did you mean {meant}?"}]


async def test_other_unknown_members_are_ignored(door: Door):
    response = await door.client.post("/v1/runs", json={"goal": "a", "colour": "red", "stream": True, "user_id": 3})
    assert response.status_code == 201, response.text


async def test_no_body_at_all(door: Door):
    problem = check(await door.client.post("/v1/runs"), 422, "invalid")
    assert problem["errors"] == [{"pointer": "", "detail": "Field required"}]


async def test_pointers_are_escaped(door: Door):
    body = {"goal": "a", "constraints": {"a/b~c": 1}}
    problem = check(await door.client.post("/v1/runs", json=body), 422, "invalid")
    assert problem["errors"][0]["pointer"] == "/constraints/a~1b~0c"


@pytest.mark.parametrize(
    ("body", "code", "pointer"),
    [
        ({"goal": "a", "workflow": "triage"}, "workflows_unavailable", "/workflow"),
        ({"goal": "a", "attachments": [{"artifact_id": "art_1"}]}, "invalid", "/attachments/0/artifact_id"),
    ],
)
async def test_what_this_version_does_not_have_is_said(door: Door, body: Any, code: str, pointer: str):
    problem = check(await door.client.post("/v1/runs", json=body), 422, code)
    assert [error["pointer"] for error in problem["errors"]] == [pointer]


@pytest.mark.parametrize(
    ("path", "pointer"),
    [
        ("/v1/runs?limit=-1", "/limit"),
        ("/v1/runs?limit=0", "/limit"),
        ("/v1/runs?limit=201", "/limit"),
        ("/v1/runs?limit=x", "/limit"),
        ("/v1/runs?cursor=rubbish", "/cursor"),
        ("/v1/runs?cursor=run_zz", "/cursor"),
        ("/v1/runs?status=happy", "/status"),
        ("/v1/runs?created_after=yesterday", "/created_after"),
        ("/v1/runs?created_after=2026-01-01T00:00:00", "/created_after"),
        ("/v1/interrupts?kind=x", "/kind"),
        ("/v1/approvals?limit=0", "/limit"),
        ("/v1/runs/run_1?wait=-1", "/wait"),
        ("/v1/runs/run_1?wait=601", "/wait"),
        ("/v1/runs/run_1?wait=nan", "/wait"),
        ("/v1/runs/run_1/events?after=-1", "/after"),
        ("/v1/runs/run_1/entries?after=x", "/after"),
    ],
)
async def test_queries_out_of_range(door: Door, path: str, pointer: str):
    problem = check(await door.client.get(path), 422, "invalid")
    assert [error["pointer"] for error in problem["errors"]] == [pointer]
    assert problem["errors"][0]["detail"].startswith("query parameter: ")


async def test_a_place_to_go_on_from_that_is_none(door: Door):
    run = await door.post("/v1/runs", {"goal": "a"}, 201)
    response = await door.client.get(f"/v1/runs/{run['id']}/events", headers={"Last-Event-ID": "x"})
    problem = check(response, 422, "invalid")
    assert problem["errors"][0]["pointer"] == "/last-event-id"


@pytest.mark.parametrize(
    ("path", "near"),
    [
        ("/v1/agents/defalt", ["default"]),
        ("/v1/tools/math.ad", ["math.add"]),
        ("/v1/runs/run_0", []),
        ("/v1/interrupts/apr_0", []),
        ("/v1/approvals/apr_0", []),
        ("/v1/sessions/ses_0", []),
        ("/v1/schemas/agents", ["agent", "event", "plan", "review"]),
        ("/problems/nope", []),
    ],
)
async def test_things_that_are_not_there(door: Door, path: str, near: list[str]):
    problem = check(await door.client.get(path), 404, "not_found")
    assert problem["instance"] == path
    assert set(near) <= set(problem["near"])


@pytest.mark.parametrize(
    ("path", "body"),
    [
        ("/v1/runs", {"goal": "a", "agent": "cashir"}),
        ("/v1/agents/cashir/invoke", {"task_data": {"prompt": "a"}}),
        ("/v1/orchestrate", {"goal": "a", "agent_ids": ["cashir"]}),
    ],
)
async def test_an_agent_that_is_not_there(door: Door, path: str, body: Any):
    problem = check(await door.client.post(path, json=body), 404, "not_found")
    assert "cashier" in problem["near"]


async def test_a_session_that_is_not_there(door: Door):
    check(await door.client.post("/v1/runs", json={"goal": "a", "session_id": "ses_0"}), 404, "not_found")


async def test_an_address_that_is_not_there(door: Door):
    problem = check(await door.client.get("/v1/nothing/here"), 404, "route_not_found")
    assert problem["instance"] == "/v1/nothing/here"


async def test_a_method_that_is_not_there(door: Door):
    response = await door.client.put("/v1/runs", json={})
    check(response, 405, "method_not_allowed")
    assert set(response.headers["allow"].split(", ")) <= {"GET", "POST"}


@pytest.mark.parametrize("media_type", ["text/plain", "application/x-www-form-urlencoded", "multipart/form-data", ""])
async def test_bodies_that_are_not_json(door: Door, media_type: str):
    headers = {"content-type": media_type} if media_type else {}
    response = await door.client.post("/v1/runs", content=b'{"goal": "a"}', headers=headers)
    check(response, 415, "unsupported_media_type")


@pytest.mark.parametrize(
    "media_type", ["application/json; charset=utf-8", "application/vnd.x+json", "Application/JSON"]
)
async def test_json_has_several_names(door: Door, media_type: str):
    response = await door.client.post("/v1/runs", content=b'{"goal": "a"}', headers={"content-type": media_type})
    assert response.status_code == 201, response.text


async def test_a_body_that_says_it_is_too_large(door: Door):
    check(await door.client.post("/v1/runs", json={"goal": "a" * 3000}), 413, "too_large")


async def test_a_body_that_turns_out_too_large(door: Door):
    async def chunks() -> AsyncIterator[bytes]:
        yield b'{"goal": "'
        for _ in range(10):
            yield b"a" * 500

    check(await door.client.post("/v1/runs", content=chunks(), headers=JSON), 413, "too_large")


async def test_a_length_that_is_none(door: Door):
    response = await door.client.post("/v1/runs", content=b"{}", headers={**JSON, "content-length": "many"})
    check(response, 400, "bad_request")


@pytest.mark.parametrize(
    ("path", "body", "pointer"),
    [
        ("/v1/runs/{}/approve", {}, "/approved"),
        ("/v1/runs/{}/approve", {"approved": "perhaps"}, "/approved"),
        ("/v1/runs/{}/approve", {"approved": True, "modified_arguments": [1]}, "/modified_arguments"),
        ("/v1/runs/{}/answer", {}, "/answer"),
        ("/v1/runs/{}/cancel", {"reason": 3}, "/reason"),
        ("/v1/interrupts/{}/decide", {}, "/decision"),
        ("/v1/interrupts/{}/decide", [], ""),
        ("/v1/interrupts/{}/decide", {"decision": "maybe"}, "/decision"),
        ("/v1/tools/math.add/call", {"arguments": 3}, "/arguments"),
        ("/v1/agents/default/invoke", {}, "/task_data"),
        ("/v1/agents/default/invoke", {"task_data": {"n": 1}}, "/task_data/prompt"),
        ("/v1/orchestrate", {"agent_ids": []}, "/goal"),
    ],
)
async def test_other_bodies_that_break_their_schema(door: Door, path: str, body: Any, pointer: str):
    run = await door.post("/v1/runs", {"goal": "a"}, 201)
    problem = check(await door.client.post(path.format(run["id"]), json=body), 422, "invalid")
    assert [error["pointer"] for error in problem["errors"]] == [pointer]
