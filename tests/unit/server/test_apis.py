"""Importing APIs over HTTP: tools appear, change and go, and nothing is half registered."""

import asyncio
import json
from collections.abc import AsyncIterator
from typing import Any

import pytest

from ripieno.domain.jsons import JsonObject
from ripieno.domain.principals import Principal
from ripieno.governance.access import StaticAccess
from tests.unit.server.doors import open_door
from tests.unit.tools.openapi.described import body_of, document, parameter

GET = {"operationId": "getPet", "parameters": [parameter("id", "path", {"type": "integer"})]}
ADD = {"operationId": "addPet", **body_of({"application/json": {"type": "object"}}, required=True)}


def pets(**paths: Any) -> JsonObject:
    return document({"/pets/{id}": {"get": GET}, "/pets": {"post": ADD}, **paths})


class Pets:
    """An API on this machine: answers with what it was sent; serves its description."""

    def __init__(self) -> None:
        self.url = ""
        self.heads: list[str] = []
        self.description = b"{}"

    async def __call__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = (await reader.readuntil(b"\r\n\r\n")).decode()
        self.heads.append(head)
        line = head.splitlines()[0]
        content = self.description if "/openapi.json" in line else json.dumps({"line": line}).encode()
        writer.write(b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\nconnection: close\r\n")
        writer.write(f"content-length: {len(content)}\r\n\r\n".encode() + content)
        await writer.drain()
        writer.close()


@pytest.fixture
async def server() -> AsyncIterator[Pets]:
    found = Pets()
    listening = await asyncio.start_server(found, "127.0.0.1", 0)
    found.url = f"http://127.0.0.1:{listening.sockets[0].getsockname()[1]}"
    async with listening:
        yield found


IMPORT = "/v1/tools/import/openapi"


async def test_an_api_becomes_tools_that_can_be_called(server: Pets):
    async with open_door(works=False) as door:
        done = await door.post(IMPORT, {"name": "pets", "document": pets(), "base_url": server.url})
        assert done == {
            "toolset": "pets",
            "base_url": server.url,
            "added": ["pets.addPet", "pets.getPet"],
            "changed": [],
            "removed": [],
            "problems": [],
            "dry_run": False,
        }
        names = [tool["name"] for tool in (await door.get("/v1/tools"))["data"]]
        assert {"pets.addPet", "pets.getPet"} < set(names)
        called = await door.post("/v1/tools/pets.getPet/call", {"arguments": {"id": 7}})
        assert called["data"] == {"line": "GET /pets/7 HTTP/1.1"}
        wrong = await door.post("/v1/tools/pets.getPet/call", {"arguments": {"id": "x"}}, 422)
        assert wrong["errors"][0]["pointer"] == "/id"
        one = await door.get("/v1/tools/pets")
        assert (one["name"], one["tools"], one["config"]) == (
            "pets",
            ["pets.getPet", "pets.addPet"],
            {"base_url": server.url},
        )


async def test_another_import_tells_what_it_changes_and_keeps_what_was_said(server: Pets):
    async with open_door(works=False) as door:
        await door.post(IMPORT, {"name": "pets", "document": pets(), "base_url": server.url})
        new = pets(**{"/all": {"get": {"operationId": "all"}}})
        new["paths"]["/pets/{id}"]["get"] = {**GET, "summary": "Changed."}
        del new["paths"]["/pets"]
        for dry_run in (True, False):
            done = await door.post(IMPORT, {"name": "pets", "document": new, "dry_run": dry_run})
            assert (done["added"], done["changed"], done["removed"]) == (["pets.all"], ["pets.getPet"], ["pets.addPet"])
            assert done["base_url"] == server.url
        again = await door.post(IMPORT, {"name": "pets", "document": new})
        assert (again["added"], again["changed"], again["removed"]) == ([], [], [])
        assert (await door.get("/v1/tools/pets"))["tools"] == ["pets.getPet", "pets.all"]


async def test_a_description_is_fetched_and_read_as_yaml_too(server: Pets):
    paths = json.dumps(pets()["paths"])
    lines = ("openapi: 3.1.0", "info: {title: My Pets, version: '1'}", "servers: [{url: /v1}]", f"paths: {paths}")
    server.description = "\n".join(lines).encode()
    async with open_door(works=False) as door:
        done = await door.post(IMPORT, {"url": f"{server.url}/openapi.json"})
        assert (done["toolset"], done["base_url"], len(done["added"])) == ("my_pets", f"{server.url}/v1", 2)
        called = await door.post("/v1/tools/my_pets.getPet/call", {"arguments": {"id": 7}})
        assert called["data"] == {"line": "GET /v1/pets/7 HTTP/1.1"}


async def test_in_short_and_again_and_away(server: Pets):
    async with open_door(works=False) as door:
        body = {"name": "pets", "openapi": pets(), "base_url": server.url}
        made = await door.client.post("/v1/tools", json=body)
        assert (made.status_code, made.headers["location"]) == (201, "/v1/tools/pets")
        changed = await door.client.patch("/v1/tools/pets", json={"include": {"operations": ["get*"]}})
        assert changed.json()["removed"] == ["pets.addPet"]
        assert (await door.client.delete("/v1/tools/pets")).status_code == 204
        await door.get("/v1/tools/pets", 404)
        await door.post("/v1/tools/pets.getPet/call", {"arguments": {"id": 7}}, 404)
        assert (await door.client.delete("/v1/tools/pets")).status_code == 404


async def test_a_secret_goes_to_the_api_and_into_no_answer(server: Pets):
    async with open_door(works=False) as door:
        await door.client.put("/v1/secrets/key", json={"value": "hunter2"})
        auth = {"own": {"type": "bearer", "secret": "secret://key"}}
        await door.post(IMPORT, {"name": "pets", "document": pets(), "base_url": server.url, "auth": auth})
        await door.post("/v1/tools/pets.getPet/call", {"arguments": {"id": 7}})
        assert "authorization: bearer hunter2" in server.heads[-1].lower()
        assert "hunter2" not in json.dumps(await door.get("/v1/tools/pets"))


@pytest.mark.parametrize(
    ("body", "status", "pointer"),
    [
        ({}, 422, ""),
        ({"document": pets(), "url": "http://127.0.0.1:9/"}, 422, ""),
        ({"document": "a: [1"}, 422, None),
        ({"document": {"openapi": "3.1.0"}}, 422, None),
        ({"document": {**pets(), "info": {}}}, 422, "/name"),
        ({"document": pets(), "name": "a b"}, 422, "/name"),
        ({"document": pets(), "name": "x" * 33}, 422, "/name"),
        ({"document": pets(), "name": "agent"}, 409, None),
        ({"document": pets(), "base_url": "file:///etc"}, 422, "/base_url"),
        ({"document": pets(), "auth": {"none": {"secret": "secret://s"}}}, 422, "/auth/none"),
        ({"document": pets(), "auth": {"none": {"secret": "openly"}}}, 422, "/auth/none/secret"),
        ({"document": {**pets(), "servers": [{"url": "/"}]}}, 422, "/base_url"),
        ({"document": pets(), "include": {"operations": ["none"]}}, 422, None),
        ({"file": "../secrets.yaml"}, 422, "/file"),
        ({"file": "/etc/passwd"}, 422, "/file"),
        ({"file": "none.yaml"}, 422, "/file"),
        ({"file": "a\0b"}, 422, "/file"),
        ({"url": "ftp://x.test/"}, 422, None),
        ({"url": "http://127.0.0.1:1/openapi.json"}, 422, None),
        ({"document": pets(), "more": 1}, 422, "/more"),
    ],
)
async def test_what_is_wrong_is_refused_and_nothing_is_kept(body: JsonObject, status: int, pointer: str | None):
    async with open_door(works=False) as door:
        before = await door.get("/v1/tools")
        problem = await door.post(IMPORT, body, status)
        assert pointer is None or [one["pointer"] for one in problem["errors"]] == [pointer]
        assert await door.get("/v1/tools") == before


async def test_only_administrators_import():
    access = StaticAccess("127.0.0.1", "key", "root-key", {"bob-key": Principal("bob", "acme", ("user",))})
    async with open_door(works=False, access=access) as door:
        bob = {"authorization": "Bearer bob-key"}
        for method, path, body in (
            ("POST", IMPORT, {"document": pets()}),
            ("POST", "/v1/tools", {"name": "pets", "openapi": pets()}),
            ("PATCH", "/v1/tools/pets", {}),
            ("DELETE", "/v1/tools/pets", None),
        ):
            refused = await door.client.request(method, path, json=body, headers=bob)
            assert refused.status_code == 403, refused.text


async def test_a_description_in_a_body_may_be_larger_than_other_bodies():
    async with open_door(works=False, body_bytes=2048) as door:
        large = pets()
        large["info"]["description"] = "x" * 10_000
        done = await door.post(IMPORT, {"name": "pets", "document": large, "dry_run": True})
        assert done["added"] == ["pets.addPet", "pets.getPet"]
        assert (await door.post("/v1/runs", {"goal": "x" * 10_000}, 413))["code"] == "too_large"
