"""A toolset: what it lists, what it sends, and what it says when something breaks."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import httpx2
import pytest

from ripieno.domain.effects import EffectClass
from ripieno.domain.jsons import JsonObject
from ripieno.domain.tools import Risk, ToolCall, ToolContext, ToolStatus
from ripieno.testing.fake_clock import FakeClock
from ripieno.testing.memory_secrets import MemorySecrets
from ripieno.tools import schemas
from ripieno.tools.egress.guard import guarded_client
from ripieno.tools.egress.policy import AnswerDenied, EgressDenied, EgressPolicy
from ripieno.tools.openapi import toolset
from ripieno.tools.openapi.addresses import place_of
from ripieno.tools.openapi.config import parsed
from ripieno.tools.openapi.reading import read
from ripieno.tools.openapi.toolset import Means, OpenApiToolset
from tests.unit.tools.openapi.calls import Caller, ok
from tests.unit.tools.openapi.described import body_of, document, parameter

PETS: JsonObject = document(
    {
        "/pets": {
            "get": {
                "operationId": "listPets",
                "summary": "All pets.",
                "tags": ["pets"],
                "parameters": [parameter("page")],
            },
            "post": {"operationId": "addPet", **body_of({"application/json": {"type": "object"}})},
        },
        "/up": {"put": {"operationId": "upload", "servers": [{"url": "https://up.test"}]}},
    }
)
CONTEXT = ToolContext("acme", Path())


async def test_it_lists_operations_as_tools():
    caller = Caller(PETS, ok, timeout=7)
    specs = await caller.toolset.list(CONTEXT)
    assert [spec.name for spec in specs] == ["t.listPets", "t.addPet"]
    first = specs[0]
    assert first.description == "All pets.\n\nPages: ask for the next by page."
    assert (first.effect, first.risk, first.source, first.timeout) == (EffectClass.READ, Risk.LOW, "openapi", 7)
    assert first.keywords == ("pets",)
    assert await caller.toolset.list(CONTEXT) is caller.toolset.specs
    assert [problem.where for problem in caller.toolset.problems] == ["PUT /up"]


async def test_only_what_is_included_is_there():
    caller = Caller(PETS, ok, include={"tags": ["pets"]}, origins=["https://up.test"])
    assert [spec.name for spec in caller.toolset.specs] == ["t.listPets"]
    assert caller.toolset.problems == []
    result = await caller.call("listPet")
    assert result.status is ToolStatus.UNKNOWN_TOOL
    assert result.hint == "Did you mean t.listPets?"


async def test_a_call_is_a_request():
    caller = Caller(PETS, ok)
    result = await caller.call("listPets", {"page": "2"})
    assert (result.status, result.data) == (ToolStatus.OK, {"ok": True})
    (request,) = caller.requests
    assert (request.method, str(request.url)) == ("GET", "https://api.test/v1/pets?page=2")


async def test_the_key_of_a_call_is_the_same_for_every_attempt():
    caller = Caller(PETS, ok, idempotency_header="Idempotency-Key")
    for attempt in (1, 2):
        await caller.call("addPet", {"body": {}}, idempotency_key="k1", attempt=attempt)
    assert [request.headers["idempotency-key"] for request in caller.requests] == ["k1", "k1"]


async def test_a_dry_run_shows_the_request_and_sends_nothing():
    paths: JsonObject = {"/x": {"post": {"operationId": "x", "security": [{"key": []}], **body_of({"text/plain": {}})}}}
    schemes = {"securitySchemes": {"key": {"type": "apiKey", "in": "header", "name": "X-Key"}}}
    caller = Caller(document(paths, components=schemes), ok, auth={"key": {"secret": "secret://s"}})
    await caller.keep("s", "hunter2")
    result = await caller.call("x", {"body": "hello"}, dry_run=True)
    assert result.text == "dry run: POST https://api.test/v1/x\nhello"
    assert "hunter2" not in str(result)
    assert caller.requests == []


async def test_a_call_whose_turn_is_over_is_not_sent():
    caller = Caller(PETS, ok)
    assert (await caller.call("addPet", {"body": {}}, may_begin=lambda: False)).status is ToolStatus.NOT_SENT
    assert caller.requests == []


async def test_arguments_that_cannot_be_written_are_wrong():
    paths: JsonObject = {"/x/{id}": {"get": {"operationId": "x", "parameters": [parameter("id", "path")]}}}
    result = await Caller(document(paths), ok).call("x", {"id": ".."})
    assert result.status is ToolStatus.INVALID_ARGUMENTS


@pytest.mark.parametrize(
    ("tool", "error", "status"),
    [
        ("listPets", httpx2.ConnectError("no"), "unavailable"),
        ("addPet", httpx2.ConnectError("no"), "unavailable"),
        ("addPet", httpx2.ConnectTimeout("no"), "unavailable"),
        ("listPets", httpx2.ReadTimeout("no"), "unavailable"),
        ("addPet", httpx2.ReadTimeout("no"), "lost"),
        ("addPet", httpx2.RemoteProtocolError("no"), "lost"),
        ("addPet", EgressDenied("no"), "denied"),
        ("addPet", AnswerDenied("no"), "lost"),
        ("listPets", AnswerDenied("no"), "denied"),
    ],
)
async def test_what_breaks_is_told_by_what_may_have_happened(tool: str, error: Exception, status: str):
    def breaks(request: httpx2.Request) -> httpx2.Response:
        del request
        raise error

    assert (await Caller(PETS, breaks).call(tool, {"body": {}} if tool == "addPet" else {})).status == status


async def test_a_redirect_never_takes_credentials_along():
    def moved(request: httpx2.Request) -> httpx2.Response:
        del request
        return httpx2.Response(307, headers={"location": "https://evil.test/"})

    caller = Caller(PETS, moved, auth={"a": {"secret": "secret://s", "type": "bearer"}})
    await caller.keep("s", "hunter2")
    assert (await caller.call("listPets")).status is ToolStatus.ERROR
    assert [request.url.host for request in caller.requests] == ["api.test"]


async def test_an_answer_without_end_is_cut():
    def much(request: httpx2.Request) -> httpx2.Response:
        del request
        return httpx2.Response(200, text="x" * (toolset.MOST_BYTES + 5))

    result = await Caller(PETS, much).call("listPets")
    assert (result.status, result.truncated, result.total_bytes) == (ToolStatus.OK, True, toolset.MOST_BYTES + 5)
    assert len(result.text) == toolset.MOST_BYTES


class Loopback:
    """A server on this machine, which counts who comes."""

    def __init__(self) -> None:
        self.arrived = 0
        self.url = ""

    async def __call__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.arrived += 1
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 200 OK\r\ncontent-type: text/plain\r\ncontent-length: 5\r\n\r\nhello")
        await writer.drain()
        writer.close()


@pytest.fixture
async def loopback() -> AsyncIterator[Loopback]:
    found = Loopback()
    server = await asyncio.start_server(found, "127.0.0.1", 0)
    found.url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    async with server:
        yield found


@pytest.mark.parametrize(("named_by", "status", "arrived"), [("document", "denied", 0), ("administrator", "ok", 1)])
async def test_a_document_opens_no_way_to_this_machine(loopback: Loopback, named_by: str, status: str, arrived: int):
    config = parsed({"base_url": loopback.url} if named_by == "administrator" else {})
    api = read({**PETS, "servers": [{"url": loopback.url}]}, "t")
    place, clock = place_of(api, config, ""), FakeClock()
    async with guarded_client(EgressPolicy(allow_origins=place.opened)) as client:
        tools = OpenApiToolset("t", api, place, client, Means(MemorySecrets(clock), clock, schemas.check))
        result = await tools.call(ToolCall("c", "t.listPets"), CONTEXT)
    assert (result.status, loopback.arrived) == (status, arrived)
