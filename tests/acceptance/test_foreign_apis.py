"""APIs that others described and others serve: a mock that validates each request, and httpbin."""

import asyncio
import base64
import gzip
import json
import os
import socket
from collections.abc import AsyncGenerator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import httpx2
import pytest

from ripieno.domain.jsons import JsonObject
from ripieno.domain.principals import Principal
from ripieno.domain.tools import ToolCall, ToolContext, ToolResult, ToolStatus
from ripieno.testing.fake_clock import FakeClock
from ripieno.testing.memory_secrets import MemorySecrets
from ripieno.tools import schemas
from ripieno.tools.egress.guard import guarded_client
from ripieno.tools.egress.policy import EgressPolicy
from ripieno.tools.openapi.addresses import place_of
from ripieno.tools.openapi.config import parsed
from ripieno.tools.openapi.documents import load
from ripieno.tools.openapi.reading import read
from ripieno.tools.openapi.toolset import Means, OpenApiToolset
from tests.servers.npm_packages import npm_package, npm_program
from tests.servers.python_packages import python_with
from tests.unit.tools.openapi.described import document, parameter

pytestmark = [pytest.mark.acceptance, pytest.mark.timeout(300)]

EXAMPLES = ("@readme/oas-examples", "8.2.2")
PRISM = ("@stoplight/prism-cli", "5.16.0", "prism")
OWNER = Principal("alice", "acme")
SECONDS = 60


def described(path: str) -> JsonObject:
    """A description of the package of examples."""
    folder = npm_package(*EXAMPLES) / "node_modules" / EXAMPLES[0]
    return load((folder / path).read_bytes())


@asynccontextmanager
async def running(*command: str, log: Path | None = None) -> AsyncGenerator[str]:
    """The address of a server that takes `{port}`, once it answers; the server is gone after the block."""
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port = probe.getsockname()[1]
    words = [word.replace("{port}", str(port)) for word in command]
    with (log or Path(os.devnull)).open("w") as output:
        process = await asyncio.create_subprocess_exec(*words, stdout=output, stderr=output)
        try:
            async with asyncio.timeout(SECONDS):
                while not await _answers(port):
                    assert process.returncode is None, f"{words[0]} has ended"
                    await asyncio.sleep(0.05)
            yield f"http://127.0.0.1:{port}"
        finally:
            if process.returncode is None:
                process.kill()
            await process.wait()


async def _answers(port: int) -> bool:
    try:
        _, writer = await asyncio.open_connection("127.0.0.1", port)
    except OSError:
        return False
    writer.close()
    return True


class Calls:
    """Tools of a description, which call a real server through the guard."""

    def __init__(self, client: httpx2.AsyncClient, about: JsonObject, home: str, **config: Any) -> None:
        self.secrets = MemorySecrets(FakeClock())
        api = read(about, "t")
        assert not api.problems
        place = place_of(api, parsed({"base_url": home, **config}), "")
        self.toolset = OpenApiToolset("t", api, place, client, Means(self.secrets, FakeClock(), schemas.check))

    async def call(self, tool: str, **arguments: Any) -> ToolResult:
        """Call one as a tenant does."""
        call = ToolCall("c1", f"t.{tool}", arguments)
        return await self.toolset.call(call, ToolContext("acme", Path(), idempotency_key="k1"))


@asynccontextmanager
async def calling(about: JsonObject, home: str, **config: Any) -> AsyncGenerator[Calls]:
    """The tools of a description at an address that an administrator opened."""
    origin = f"http://{httpx2.URL(home).netloc.decode()}"
    policy = EgressPolicy(allow_domains=(), allow_origins=(origin,), max_bytes=90_000)
    async with guarded_client(policy) as client:
        yield Calls(client, about, home, **config)


# -- a mock that validates what arrives ------------------------------------------------------------------------------

PET: JsonObject = {"id": 7, "name": "Rex", "photoUrls": ["https://photos.test/rex.png"], "status": "available"}
USER: JsonObject = {"id": 1, "username": "ann", "email": "ann@mail.test", "userStatus": 1}
ORDER: JsonObject = {"id": 3, "petId": 7, "quantity": 1, "status": "placed", "complete": False}

PETSTORE: Sequence[tuple[str, JsonObject]] = (
    ("addPet", {"body": PET}),
    ("updatePet", {"body": PET}),
    ("findPetsByStatus", {"status": ["available", "sold"]}),
    ("getPetById", {"petId": 7}),
    ("updatePetWithForm", {"petId": 7, "body": {"name": "Rex & Co", "status": "sold"}}),
    ("deletePet", {"petId": 7}),
    ("getInventory", {}),
    ("placeOrder", {"body": ORDER}),
    ("getOrderById", {"orderId": 3}),
    ("deleteOrder", {"orderId": 3}),
    ("createUser", {"body": USER}),
    ("createUsersWithListInput", {"body": [USER]}),
    ("loginUser", {"username": "ann", "password": "p w"}),
    ("getUserByName", {"username": "ann/b c"}),
    ("updateUser", {"username": "ann", "body": USER}),
)

COMPLAINT = "[VALIDATOR] ✖"

# They take a body and do not say of which kind; the mock then takes none.
SPEECHLESS = {("2.0", tool) for tool in ("placeOrder", "createUser", "createUsersWithListInput", "updateUser")}


@pytest.mark.needs("npm")
@pytest.mark.parametrize("version", ["2.0", "3.0", "3.1"])
async def test_a_mock_that_validates_takes_our_requests(version: str, tmp_path: Path):
    """What it answers says little: of some operations the description knows failures only. What it logs tells."""
    name = f"{version}/json/petstore.json"
    file = npm_package(*EXAMPLES) / "node_modules" / EXAMPLES[0] / name
    command = [npm_program(*PRISM), "mock", "-h", "127.0.0.1", "-p", "{port}", str(file)]
    auth = {"petstore_auth": {"secret": "secret://token"}, "api_key": {"secret": "secret://key"}}
    about = described(name)
    log = tmp_path / "prism.log"
    async with running(*command, log=log) as home, calling(about, home, auth=auth) as calls:
        for secret in ("token", "key"):
            await calls.secrets.put(OWNER, secret, "s3cret-value")
        wanted = [each for each in PETSTORE if (version, each[0]) not in SPEECHLESS]
        for tool, arguments in wanted:
            result = await calls.call(tool, **arguments)
            assert result.status in {ToolStatus.OK, ToolStatus.ERROR}
            assert COMPLAINT not in log.read_text(), (tool, result)
        assert log.read_text().count("Request received") == len(wanted)
        async with httpx2.AsyncClient() as client:
            await client.get(f"{home}/pet/seven")
    assert COMPLAINT in log.read_text(), "it takes anything"


@pytest.mark.needs("npm")
def test_descriptions_of_all_kinds_are_read():
    """Circular, polymorphic, styled, with cookies, forms and variables: each operation becomes a tool."""
    folder = npm_package(*EXAMPLES) / "node_modules" / EXAMPLES[0]
    files = sorted(folder.glob("[23].*/json/*.json"))
    taken = 0
    for file in files:
        about = load(file.read_bytes())
        if not about.get("paths"):
            continue
        api = read(about, "x")
        assert not api.problems, file.name
        names = [operation.name for operation in api.operations]
        assert len(set(names)) == len(names)
        assert max(map(len, names)) <= 64
        taken += len(names)
    assert taken > 500


# -- httpbin ---------------------------------------------------------------------------------------------------------

FORM = {
    "requestBody": {
        "content": {
            "application/x-www-form-urlencoded": {
                "schema": {"type": "object", "properties": {"a": {"type": "string"}, "b": {"type": "integer"}}}
            },
            "multipart/form-data": {
                "schema": {
                    "type": "object",
                    "properties": {"a": {"type": "string"}, "file": {"type": "string", "format": "binary"}},
                }
            },
            "application/octet-stream": {"schema": {"type": "string", "format": "binary"}},
        }
    }
}


def operation(name: str, *parameters: JsonObject, **more: Any) -> JsonObject:
    return {"operationId": name, "parameters": list(parameters), **more}


HTTPBIN = document(
    {
        "/get": {"get": operation("get", parameter("q", "query"), parameter("X-Word", "header"))},
        "/post": {"post": operation("post", **FORM)},
        "/status/{code}": {"get": operation("status", parameter("code", "path"))},
        "/redirect-to": {"get": operation("redirect", parameter("url", "query"))},
        "/cookies": {"get": operation("cookies", parameter("taste", "cookie"))},
        "/gzip": {"get": operation("zipped")},
        "/bytes/{n}": {"get": operation("bytes", parameter("n", "path"))},
        "/drip": {"get": operation("drip", parameter("numbytes", "query"), parameter("duration", "query"))},
        "/basic-auth/ann/pw": {"get": operation("basic", security=[{"basic": []}])},
        "/bearer": {"get": operation("bearer", security=[{"bearer": []}])},
        "/stream-bytes/{n}": {"get": operation("flood", parameter("n", "path"))},
    }
)
HTTPBIN["components"] = {
    "securitySchemes": {"basic": {"type": "http", "scheme": "basic"}, "bearer": {"type": "http", "scheme": "bearer"}}
}
AUTH = {
    "basic": {"username": "ann", "secret": "secret://password"},
    "bearer": {"secret": "secret://token"},
}


@asynccontextmanager
async def httpbin() -> AsyncGenerator[Calls]:
    """Tools before a real httpbin."""
    python = python_with("httpbin==0.10.2", "flask==2.2.5", "werkzeug==2.2.3")
    command = [python, "-m", "flask", "--app", "httpbin", "run", "-h", "127.0.0.1", "-p", "{port}"]
    async with running(*command) as home, calling(HTTPBIN, home, auth=AUTH) as calls:
        await calls.secrets.put(OWNER, "password", "pw")
        await calls.secrets.put(OWNER, "token", "t0ken")
        yield calls


async def test_what_httpbin_says_it_got_is_what_was_meant():
    async with httpbin() as calls:
        got = json.loads((await calls.call("get", q="a b&c=é", **{"X-Word": "hi"})).text)
        assert got["args"] == {"q": "a b&c=é"}
        assert got["headers"]["X-Word"] == "hi"
        form = json.loads((await calls.call("post", body={"a": "x & y", "b": 7})).text)
        assert form["form"] == {"a": "x & y", "b": "7"}
        picture = base64.b64encode(gzip.compress(b"picture")).decode()
        parts = {"content_type": "multipart/form-data", "body": {"a": "é", "file": picture}}
        sent = json.loads((await calls.call("post", **parts)).text)
        assert sent["form"] == {"a": "é"}
        assert picture in sent["files"]["file"]
        raw = {"content_type": "application/octet-stream", "body": picture}
        assert picture in json.loads((await calls.call("post", **raw)).text)["data"]
        assert json.loads((await calls.call("cookies", taste="sweet; bitter")).text)["cookies"]["taste"]
        assert json.loads((await calls.call("basic")).text)["authenticated"] is True
        assert json.loads((await calls.call("bearer")).text)["authenticated"] is True


async def test_what_httpbin_does_badly_is_a_result():
    async with httpbin() as calls:
        for code in ("404", "418", "429", "500", "503"):
            failed = await calls.call("status", code=code)
            assert failed.status in {ToolStatus.ERROR, ToolStatus.UNAVAILABLE}
            assert code in failed.text
        zipped = await calls.call("zipped")
        assert (zipped.status, "that was not asked for" in zipped.text) == (ToolStatus.DENIED, True)
        away = await calls.call("redirect", url="http://169.254.169.254/latest")
        assert (away.status, "secret" in away.text) == (ToolStatus.ERROR, False)
        assert (await calls.call("bytes", n="1000")).status is ToolStatus.OK
        assert (await calls.call("flood", n="100000")).status is ToolStatus.DENIED
        assert (await calls.call("drip", numbytes="5", duration="1")).text.startswith("<5 bytes")
