"""Providers that administrators set up and routing between them, on a real server with models on other servers."""

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import httpx2
import pytest

from tests.acceptance.command_line import serving
from tests.wire.openai_server import OpenAIServer, says

pytestmark = pytest.mark.acceptance

AGENT = "name: clerk\ndescription: Answers.\ntools: []\n"


@asynccontextmanager
async def door(folder: Path) -> AsyncGenerator[httpx2.AsyncClient]:
    """The API of a server with one agent and no provider."""
    agents = folder / "config" / "agents"
    agents.mkdir(parents=True, exist_ok=True)
    (agents / "clerk.yaml").write_text(AGENT)
    with serving(folder) as server:
        async with httpx2.AsyncClient(base_url=server.url, timeout=60) as client:
            yield client


async def ran(client: httpx2.AsyncClient, **fields: Any) -> Any:
    """A run of the agent, ended."""
    body = {"goal": "Say hello.", "agent": "clerk", **fields}
    return (await client.post("/v1/runs?wait=30", json=body)).json()


async def provider(client: httpx2.AsyncClient, name: str, server: OpenAIServer, **fields: Any) -> Any:
    body = {"name": name, "kind": "openai_compatible", "base_url": server.url, "model": "small", **fields}
    response = await client.post("/v1/admin/providers", json=body)
    assert response.status_code == 201, response.text
    return response.json()


async def test_a_provider_is_set_up_tried_used_changed_and_forgotten(tmp_path: Path):
    async with OpenAIServer([says("Good day.")] * 9, key="sk-mine-12345") as model, door(tmp_path) as client:
        made = await provider(client, "mine", model, api_key="sk-wrong-000000")
        assert (made["has_key"], made["managed_by"], "api_key" in made) == (True, "api", False)
        tested = (await client.post(f"/v1/admin/providers/{made['id']}/test")).json()
        assert (tested["ok"], tested["code"]) == (False, "model_error")
        assert "sk-" not in str(tested)
        await client.patch("/v1/admin/providers/mine", json={"api_key": "sk-mine-12345"})
        tested = (await client.post("/v1/admin/providers/mine/test")).json()
        assert (tested["ok"], tested["text"], tested["model"]) == (True, "Good day.", "mine:small")
        run = await ran(client, model="mine:small")
        assert (run["status"], run["answer"]) == ("completed", "Good day.")
        assert (await ran(client))["answer"] == "Good day.", "it is the default model now"
        await client.patch("/v1/admin/providers/mine", json={"enabled": False})
        off = await ran(client, model="mine:small")
        assert (off["status"], off["error"]["code"]) == ("failed", "model_error")
        assert (await client.delete("/v1/admin/providers/mine")).status_code == 204
        assert (await client.get("/v1/admin/providers/mine")).status_code == 404
        audit = (await client.get("/v1/admin/audit")).json()["data"]
        actions = [row["action"] for row in audit if row["action"].endswith("_PROVIDER")]
        assert actions == ["DELETE_PROVIDER", "CHANGE_PROVIDER", "CHANGE_PROVIDER", "CREATE_PROVIDER"]
        assert "sk-mine" not in str(audit)


@pytest.mark.parametrize(
    ("change", "pointer"),
    [
        ({"name": "Mine!"}, "/name"),
        ({"kind": "magic"}, "/kind"),
        ({"base_url": "file:///etc/passwd"}, "/base_url"),
        ({"base_url": None}, ""),
        ({"region": "eu-west-1"}, ""),
        ({"headers": {"Authorization": "x"}}, "/headers"),
        ({"api_key": "secret://nowhere"}, "/api_key"),
        ({"colour": "red"}, "/colour"),
    ],
)
async def test_what_is_no_provider_is_refused(tmp_path: Path, change: dict[str, Any], pointer: str):
    async with door(tmp_path) as client:
        good = {"name": "mine", "kind": "openai_compatible", "base_url": "http://127.0.0.1:9/v1", "model": "small"}
        refused = await client.post("/v1/admin/providers", json={**good, **change})
        assert refused.status_code == 422, refused.text
        assert pointer in [one["pointer"] for one in refused.json()["errors"]]
        assert [one["name"] for one in (await client.get("/v1/admin/providers")).json()["data"]] == []


async def test_requests_follow_the_rules_that_are_published(tmp_path: Path):
    async with (
        OpenAIServer([says("From a.")] * 9) as a,
        OpenAIServer([says("From b.")] * 9) as b,
        door(tmp_path) as client,
    ):
        await provider(client, "a", a)
        await provider(client, "b", b)
        nowhere = await ran(client, model="smart")
        assert (nowhere["status"], nowhere["error"]["code"]) == ("failed", "no_route")
        rules = [
            {"route": "smart", "when": 'channel == "mail"', "candidates": ["b:small"]},
            {"route": "smart", "candidates": ["gone:x", "a:small"], "fallbacks": ["b:small"]},
        ]
        tried = {"model": "smart", "channel": "mail", "rules": rules, "last": 10}
        simulated = (await client.post("/v1/admin/routing/simulate", json=tried)).json()
        assert (simulated["model"], simulated["decision"]["rule"]) == ("b:small", "rule 1")
        assert simulated["effect"]["requests"] >= 0
        done = (await client.post("/v1/admin/routing/publish", json={"version": "v1", "rules": rules})).json()
        assert (done["version"], done["warnings"][0]["pointer"]) == ("v1", "/rules/1/candidates/0")
        assert (await ran(client, model="smart"))["answer"] == "From a."
        mailed = await ran(client, model="smart", context={"channel": "mail"})
        assert mailed["answer"] == "From b."
        entries = (await client.get(f"/v1/runs/{mailed['run_id']}/entries")).json()["data"]
        (routing,) = [one["body"]["reply"]["metadata"]["routing"] for one in entries if one["type"] == "model.replied"]
        assert (routing["version"], routing["chosen"], routing["asked"]) == ("v1", "b:small", "smart")
        short = {"version": "v2", "rules": [{"scope": "agent", "key": "clerk", "route": "b"}]}
        await client.post("/v1/admin/routing/publish", json=short)
        assert (await ran(client, model="a:small"))["answer"] == "From b."
        back = await client.post("/v1/admin/routing/rollback", json={"version": "v1"})
        assert back.json()["version"] == "v1"
        assert (await ran(client, model="a:small"))["answer"] == "From a."
        state = (await client.get("/v1/admin/routing")).json()
        assert state["stable"]["version"] == "v1"
        assert [one["version"] for one in state["versions"]] == ["v2", "v1"]


BAD_RULES: list[tuple[dict[str, Any], str]] = [
    ({"rules": [{"when": "channel ==", "candidates": ["a:b"]}]}, "/rules/0/when"),
    ({"rules": [{"when": "colour == 'red'", "candidates": ["a:b"]}]}, "/rules/0/when"),
    ({"rules": [{"candidates": []}]}, "/rules/0/candidates"),
    ({"rules": [{"scope": "moon", "key": "x", "route": "y"}]}, "/rules/0/scope"),
    ({}, "/rules"),
    ({"version": "v1", "rules": [{"candidates": ["a:b"]}], "canary": 0.5}, "/canary"),
]


@pytest.mark.parametrize(("body", "pointer"), BAD_RULES)
async def test_rules_that_do_not_work_are_not_published(tmp_path: Path, body: Any, pointer: str):
    async with door(tmp_path) as client:
        refused = await client.post("/v1/admin/routing/publish", json=body)
        assert refused.status_code == 422, refused.text
        pointers = [one["pointer"] for one in refused.json()["errors"]]
        assert [one for one in pointers if one.startswith(pointer)], pointers
        assert (await client.get("/v1/admin/routing")).json()["stable"] is None
