"""Host, Origin and keys."""

from typing import Any

import pytest
from starlette.datastructures import Headers

from ripieno.governance.access import Mode
from ripieno.server.auth import credential, host_name
from tests.unit.server.doors import open_door

KEY: tuple[str, Mode, str | None] = ("0.0.0.0", "auto", "secret")


@pytest.mark.parametrize(
    "host", ["127.0.0.1:8000", "localhost:9", "[::1]:8000", "LOCALHOST", "127.9.9.9", "a.localhost"]
)
async def test_on_loopback_a_loopback_name_needs_no_key(host: str):
    async with open_door(works=False) as door:
        await door.post("/v1/runs", {"goal": "a"}, 201, headers={"host": host})


@pytest.mark.parametrize(
    "host", ["evil.example", "evil.example:8000", "127.0.0.1.nip.io", "", "[::2]", "10.0.0.1:8000"]
)
@pytest.mark.parametrize("method", ["GET", "POST"])
async def test_on_loopback_foreign_names_are_refused(host: str, method: str):
    async with open_door(works=False) as door:
        response = await door.client.request(method, "/v1/runs", headers={"host": host})
        assert (response.status_code, response.json()["code"]) == (403, "host_refused")


@pytest.mark.parametrize("host", ["lab.example", "lab.example:8000", "LAB.example:8000", "other.example:99"])
async def test_names_that_are_allowed(host: str):
    async with open_door(works=False, allowed_hosts=("lab.example", "other.example:99")) as door:
        await door.get("/v1/runs", headers={"host": host})
        await door.get("/v1/runs", 403, headers={"host": "other.example:98"})


async def test_allowed_hosts_bind_behind_a_key_too():
    async with open_door(works=False, access=KEY, allowed_hosts=("lab.example",)) as door:
        headers = {"x-api-key": "secret"}
        await door.get("/v1/runs", headers={**headers, "host": "lab.example"})
        await door.get("/v1/runs", 403, headers={**headers, "host": "elsewhere.example"})


@pytest.mark.parametrize(
    "origin",
    [
        "http://evil.example",
        "http://localhost:8000",
        "http://127.0.0.1:9",
        "https://127.0.0.1",
        "null",
        "127.0.0.1:8000",
    ],
)
@pytest.mark.parametrize(("method", "path"), [("POST", "/v1/runs"), ("DELETE", "/v1/runs/run_1"), ("POST", "/run/")])
async def test_pages_of_other_sites_may_not_write(origin: str, method: str, path: str):
    async with open_door(works=False) as door:
        response = await door.client.request(method, path, headers={"origin": origin}, json={"goal": "a"})
        assert (response.status_code, response.json()["code"]) == (403, "origin_refused")
        assert (await door.get("/v1/runs", headers={"origin": origin}))["data"] == []


@pytest.mark.parametrize(
    ("origin", "host"),
    [
        ("http://127.0.0.1:8000", "127.0.0.1:8000"),
        ("http://LOCALHOST", "localhost:80"),
        ("http://[::1]:8000", "[::1]:8000"),
        ("https://localhost", "localhost"),
        ("http://console.example:5173", "localhost:8000"),
    ],
)
async def test_own_pages_and_allowed_ones_may_write(origin: str, host: str):
    async with open_door(works=False, allowed_hosts=("console.example:5173",)) as door:
        await door.post("/v1/runs", {"goal": "a"}, 201, headers={"origin": origin, "host": host})


@pytest.mark.parametrize(
    "headers",
    [
        {"authorization": "Bearer secret"},
        {"authorization": "bearer  secret "},
        {"x-api-key": "secret"},
        {"x-admin-token": "secret"},
        {"authorization": "Basic abc", "x-api-key": "secret"},
    ],
)
async def test_a_key_in_any_header_opens(headers: dict[str, str]):
    async with open_door(works=False, access=KEY) as door:
        run = await door.post("/v1/runs", {"goal": "a"}, 201, headers=headers)
        assert (await door.get(f"/v1/runs/{run['id']}", headers=headers))["created_by"] == "admin"


@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"authorization": "Bearer wrong"},
        {"authorization": "Bearer"},
        {"authorization": "Basic c2VjcmV0"},
        {"x-api-key": ""},
    ],
)
@pytest.mark.parametrize(
    "path", ["/v1/runs", "/v1/agents", "/v1/tools", "/v1/schemas/agent", "/v1/nothing", "/api/v1/runs/"]
)
async def test_without_it_nothing_opens(headers: dict[str, str], path: str):
    async with open_door(works=False, access=KEY) as door:
        response = await door.client.get(path, headers=headers)
        assert (response.status_code, response.json()["code"]) == (401, "unauthenticated")
        assert response.headers["www-authenticate"] == "Bearer"


@pytest.mark.parametrize(
    "path", ["/health", "/v1/health/live", "/api/v1/health/ready/", "/docs", "/openapi.json", "/console", "/"]
)
async def test_what_everybody_may_see(path: str):
    async with open_door(works=False, access=KEY) as door:
        assert (await door.client.get(path)).status_code == 200


async def test_a_key_is_found_in_order():
    assert credential(Headers({"authorization": "Bearer a", "x-api-key": "b"})) == "a"
    assert credential(Headers({"x-api-key": "b", "x-admin-token": "c"})) == "b"
    assert credential(Headers({})) is None


@pytest.mark.parametrize(
    ("host", "name"), [("a:1", "a"), ("A.b.", "a.b"), ("[::1]:1", "::1"), ("[::1]", "::1"), ("", ""), ("::1", "")]
)
def test_the_name_in_a_host_header(host: str, name: str):
    assert host_name(host) == name


async def refused_handshake(extensions: dict[str, Any]) -> list[Any]:
    async with open_door(works=False, access=KEY) as door:
        sent: list[Any] = []

        async def receive() -> Any:
            return {"type": "websocket.connect"}

        async def send(message: Any) -> None:
            sent.append(message)

        headers = [(b"host", b"a")]
        scope = {"type": "websocket", "path": "/v1/streams/run_1", "headers": headers, "query_string": b""}
        await door.app({**scope, "extensions": extensions}, receive, send)
        return sent


async def test_a_socket_without_a_key_is_refused():
    (closed,) = await refused_handshake({})
    assert closed == {"type": "websocket.close", "code": 1008}
    started, body = await refused_handshake({"websocket.http.response": {}})
    assert (started["type"], started["status"]) == ("websocket.http.response.start", 401)
    assert b"unauthenticated" in body["body"]
