"""MCP servers over HTTP: added, shown without secrets, changed, accepted; and what is refused."""

import asyncio
import json
import sys
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import httpx2
import pytest

from ripieno.domain.principals import Principal
from ripieno.governance.access import StaticAccess
from ripieno.server.app import create_app
from ripieno.testing.platform import in_memory
from ripieno.testing.recording_tools import RecordingTools
from ripieno.testing.scripted_model import ScriptedModel
from ripieno.tools.mcp.servers import McpServers
from tests.acceptance.test_mcp_http import remote
from tests.acceptance.test_mcp_servers import COUNTER, Cluster, call, until, written
from tests.unit.server.doors import client_of, services_of

pytestmark = pytest.mark.acceptance

SERVERS = "/v1/mcp/servers"
PEOPLE = {
    "alice-key": Principal("alice", "acme", ("admin",)),
    "bob-key": Principal("bob", "acme", ("user",)),
    "eve-key": Principal("eve", "other", ("admin",)),
}
AWAY = {"transport": "http", "url": "http://127.0.0.1:9/mcp"}


@dataclass
class Desk:
    """The door, and the servers behind it."""

    client: httpx2.AsyncClient
    servers: McpServers
    cluster: Cluster

    async def ask(self, method: str, path: str = "", body: Any = None, status: int = 200, who: str = "alice") -> Any:
        """The JSON answer, after a look at its status."""
        headers = {"authorization": f"Bearer {who}-key"}
        answer = await self.client.request(method, f"{SERVERS}{path}", json=body, headers=headers)
        assert answer.status_code == status, answer.text
        return answer.json() if answer.content else None


@asynccontextmanager
async def desk(folder: Path, **surroundings: Any) -> AsyncGenerator[Desk]:
    """An HTTP door in front of servers, one of which the file defines: `counter`."""
    cluster = Cluster(folder)
    written(cluster.file, "counter")
    platform = in_memory(ScriptedModel(()), RecordingTools({}), [], folder / "workspaces")
    access = StaticAccess("127.0.0.1", "key", "root-key", PEOPLE)
    async with cluster.process(**surroundings) as servers:
        await servers.settled("acme")
        app = create_app(replace(services_of(platform, access), mcp=servers))
        async with client_of(app) as client:
            yield Desk(client, servers, cluster)


async def test_a_server_is_added_shown_changed_and_deleted(tmp_path: Path):
    async with remote(tmp_path, "http") as server, desk(tmp_path) as door:
        url = f"http://127.0.0.1:{server.port}/mcp"
        headers = {"x-key": "openly", "x-other": "secret://other"}
        await door.cluster.secrets.put(PEOPLE["alice-key"], "other", "hunter2")
        made = await door.ask(
            "POST", "", {"name": "shop", "transport": "http", "url": url, "headers": headers, "allow": ["c*"]}, 201
        )
        assert (made["name"], made["managed_by"], made["transport"]) == ("shop", "api", "http")
        assert (made["health"]["state"], made["tools"], made["quarantined"]) == ("ready", ["shop.count"], [])
        assert made["config"]["headers"] == {"x-key": "***", "x-other": "secret://other"}
        assert [(pin["tool"], pin["quarantined"]) for pin in made["pins"]] == [("count", False)]
        listed = await door.ask("GET", who="bob")
        assert [(one["name"], one["managed_by"]) for one in listed["data"]] == [("counter", "file"), ("shop", "api")]
        assert "hunter2" not in json.dumps(listed)
        changed = await door.ask("PATCH", "/shop", {"allow": ["h*"], "headers": None})
        assert (changed["tools"], changed["config"].get("headers")) == (["shop.huge"], None)
        again = await door.ask("POST", "/shop/reconnect")
        assert again["name"] == "shop"
        await door.ask("DELETE", "/shop", status=204)
        await door.ask("GET", "/shop", status=404)


async def test_a_tool_in_quarantine_is_accepted_as_it_was_looked_at(tmp_path: Path):
    async with desk(tmp_path, allow_new=False) as door:
        assert (await call(door.servers, "counter.grow")).ok
        pins: dict[str, Any] = {}
        async with asyncio.timeout(30):
            while "extra" not in pins:
                await asyncio.sleep(0.01)
                pins = {pin["tool"]: pin for pin in (await door.ask("GET", "/counter"))["pins"]}
        pin = pins["extra"]
        assert (pin["quarantined"], pin["new"], pin["accepted_by"]) == (True, True, "")
        assert {"field": "description", "accepted": None, "offered": "Be new."} in pin["difference"]
        accept = "/counter/tools/extra/accept"
        stale = await door.ask("POST", accept, {"digest": "another"}, 422)
        assert [one["pointer"] for one in stale["errors"]] == ["/digest"]
        await door.ask("POST", accept, status=403, who="bob")
        done = await door.ask("POST", accept, {"digest": pin["digest"]})
        assert (done["quarantined"], done["accepted_by"], done["difference"]) == (False, "alice", [])
        await door.ask("POST", "/counter/tools/none/accept", status=404)
        await until(lambda: "counter.extra" in {spec.name for spec in door.servers.specs("acme")})


@pytest.mark.parametrize(
    ("body", "pointer"),
    [
        ({}, "/name"),
        ({"name": "a b", **AWAY}, "/name"),
        ({"name": "x" * 33, **AWAY}, "/name"),
        ({"name": "a", **AWAY, "url": "ftp://x.test"}, "/url"),
        ({"name": "a", **AWAY, "argz": []}, "/argz"),
        ({"name": "a", **AWAY, "timeout": 0}, "/timeout"),
        ({"name": "a", **AWAY, "headers": {"x-key": "***"}}, "/headers"),
        ({"name": "a", "transport": "http"}, ""),
        ({"name": "a", **AWAY, "command": "sh"}, ""),
    ],
)
async def test_what_is_wrong_is_refused_and_nothing_is_kept(tmp_path: Path, body: dict[str, Any], pointer: str):
    async with desk(tmp_path) as door:
        problem = await door.ask("POST", "", body, 422)
        assert [one["pointer"] for one in problem["errors"]] == [pointer]
        assert [one["name"] for one in (await door.ask("GET"))["data"]] == ["counter"]


async def test_what_a_file_defines_is_not_changed_here(tmp_path: Path):
    async with desk(tmp_path) as door:
        for method, path, body in (
            ("POST", "", {"name": "counter", **AWAY}),
            ("PATCH", "/counter", {"timeout": 5}),
            ("DELETE", "/counter", None),
        ):
            assert (await door.ask(method, path, body, 409))["code"] == "managed_by_file"
        assert (await door.ask("GET", "/counter"))["health"]["state"] == "ready"


async def test_programs_are_refused_and_shown_where_they_are_allowed(tmp_path: Path):
    program = {"name": "mine", "command": sys.executable, "args": [str(COUNTER)]}
    body = {**program, "env": {"COUNTER_FILE": str(tmp_path / "n")}}
    async with desk(tmp_path) as door:
        assert (await door.ask("POST", "", body, 403))["code"] == "forbidden"
        async with door.cluster.process(stdio_over_api=True) as permitted:
            await permitted.add(PEOPLE["alice-key"], "mine", {key: body[key] for key in ("command", "args", "env")})
        await door.servers.refresh()
        shown = await door.ask("GET", "/mine")
        assert shown["health"]["state"] == "unused"
        assert "tools.mcp.stdio_over_api" in shown["problem"]
        assert shown["config"]["env"] == {"COUNTER_FILE": "***"}


async def test_others_see_and_change_nothing(tmp_path: Path):
    async with desk(tmp_path) as door:
        await door.ask("POST", "", {"name": "shop", **AWAY}, 201)
        assert (await door.ask("POST", "", {"name": "shop", **AWAY}, 409))["code"] == "conflict"
        for method, path, body in (
            ("GET", "/shop", None),
            ("PATCH", "/shop", {"timeout": 5}),
            ("DELETE", "/shop", None),
            ("POST", "/shop/reconnect", None),
            ("POST", "/shop/tools/count/accept", None),
        ):
            await door.ask(method, path, body, 404, who="eve")
            if method != "GET":
                await door.ask(method, path, body, 403, who="bob")
        await door.ask("POST", "", {"name": "bobs", **AWAY}, 403, who="bob")
        assert [one["name"] for one in (await door.ask("GET", who="eve"))["data"]] == ["counter"]
        assert (await door.ask("GET", "/shop"))["health"]["state"] == "down"
