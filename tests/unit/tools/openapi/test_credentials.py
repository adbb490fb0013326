"""Credentials: from secrets, into the place that the API reads, and nowhere else."""

from typing import Any

import httpx2
import pytest

from ripieno.domain.errors import Invalid, NotFound, ToolUnavailable
from ripieno.domain.jsons import JsonObject
from tests.unit.tools.openapi.calls import Caller, ok
from tests.unit.tools.openapi.described import document

SCHEMES: JsonObject = {
    "head": {"type": "apiKey", "in": "header", "name": "X-Key"},
    "query": {"type": "apiKey", "in": "query", "name": "api key"},
    "cookie": {"type": "apiKey", "in": "cookie", "name": "sid"},
    "basic": {"type": "http", "scheme": "basic"},
    "bearer": {"type": "http", "scheme": "bearer"},
    "app": {
        "type": "oauth2",
        "flows": {"clientCredentials": {"tokenUrl": "/token", "scopes": {"read": "", "write": ""}}},
    },
    "digest": {"type": "http", "scheme": "digest"},
    "away": {"type": "oauth2", "flows": {"clientCredentials": {"tokenUrl": "https://evil.test/token"}}},
}


def described(security: list[JsonObject], **more: JsonObject) -> JsonObject:
    paths = {"/x": {"get": {"operationId": "x", "security": security}}, **more}
    return document(paths, components={"securitySchemes": SCHEMES})


async def asked(security: list[JsonObject], auth: JsonObject, kept: str = "s3cret+/=") -> httpx2.Request:
    caller = Caller(described(security), ok, auth=auth)
    await caller.keep("s", kept)
    assert (await caller.call("x")).ok
    return caller.requests[-1]


async def test_a_key_in_each_place():
    both: list[JsonObject] = [{"head": [], "query": [], "cookie": []}]
    request = await asked(both, {name: {"secret": "secret://s"} for name in ("head", "query", "cookie")})
    assert request.headers["x-key"] == "s3cret+/="
    assert request.url.query == b"api%20key=s3cret%2B%2F%3D"
    assert request.headers["cookie"] == "sid=s3cret+/="


async def test_basic_and_bearer():
    request = await asked([{"basic": []}], {"basic": {"secret": "secret://s", "username": "Aladdin"}}, "open sesame")
    assert request.headers["authorization"] == "Basic QWxhZGRpbjpvcGVuIHNlc2FtZQ=="
    request = await asked([{"bearer": []}], {"bearer": {"secret": "secret://s"}}, "t0ken")
    assert request.headers["authorization"] == "Bearer t0ken"


async def test_the_first_alternative_that_can_be_met_is_used():
    auth: JsonObject = {"bearer": {"secret": "secret://s"}}
    request = await asked([{}, {"head": []}, {"head": [], "bearer": []}, {"bearer": []}], auth)
    assert request.headers["authorization"] == "Bearer s3cret+/="
    assert "x-key" not in request.headers
    assert "authorization" not in (await asked([{}, {"head": []}], auth)).headers
    assert "authorization" not in (await asked([], auth)).headers


async def test_a_scheme_that_the_document_does_not_know_goes_with_every_request():
    auth: JsonObject = {"own": {"secret": "secret://s", "type": "apiKey", "in": "query", "name": "k"}}
    assert (await asked([{"head": []}], auth)).url.query == b"k=s3cret%2B%2F%3D"
    assert (await asked([], auth)).url.query == b"k=s3cret%2B%2F%3D"


async def test_without_credentials_nothing_is_sent():
    caller = Caller(described([{"head": []}, {"bearer": []}]), ok)
    with pytest.raises(ToolUnavailable, match="needs credentials for bearer or head"):
        await caller.call("x")
    caller = Caller(described([{"head": []}]), ok, auth={"head": {"secret": "secret://none"}})
    with pytest.raises(NotFound):
        await caller.call("x")
    assert caller.requests == []


async def test_a_secret_that_no_header_can_hold_is_not_sent_and_not_told():
    caller = Caller(described([{"head": []}]), ok, auth={"head": {"secret": "secret://s"}})
    await caller.keep("s", "hunter2\r\nX-Evil: 1")
    with pytest.raises(Invalid) as caught:
        await caller.call("x")
    assert "hunter2" not in caught.value.detail
    assert caller.requests == []


@pytest.mark.parametrize(
    ("name", "given", "why"),
    [
        ("heat", {}, "it has head"),
        ("digest", {}, "not supported"),
        ("away", {}, "evil.test"),
    ],
)
def test_what_does_not_fit_the_document_is_refused_before_any_call(name: str, given: JsonObject, why: str):
    with pytest.raises(Invalid, match=why):
        Caller(described([]), ok, auth={name: {"secret": "secret://s", **given}})


class TokenServer:
    """Gives tokens that count up, and says what it was asked."""

    def __init__(self, **answer: Any) -> None:
        self.asked: list[bytes] = []
        self.answer = answer
        self.status = 200
        self.api_status = 200

    def __call__(self, request: httpx2.Request) -> httpx2.Response:
        if request.url.path != "/token":
            return httpx2.Response(self.api_status, json={"by": request.headers.get("authorization")})
        self.asked.append(request.headers["authorization"].encode() + b" " + request.content)
        return httpx2.Response(self.status, json={"access_token": f"t{len(self.asked)}", **self.answer})


def app(server: TokenServer, **more: Any) -> Caller:
    paths = {"/y": {"get": {"operationId": "y", "security": [{"app": ["write"]}]}}}
    auth = {"app": {"secret": "secret://s", "client_id": "me:1", **more}}
    return Caller(described([{"app": ["read"]}], **paths), server, auth=auth)


async def test_a_token_is_asked_for_once_and_again_before_it_ends():
    server = TokenServer(expires_in=100)
    caller = app(server)
    await caller.keep("s", "p:w")
    assert [(await caller.call("x")).data for _ in range(2)] == [{"by": "Bearer t1"}] * 2
    assert server.asked == [b"Basic bWUlM0ExOnAlM0F3 grant_type=client_credentials&scope=read"]
    caller.clock.advance(71)
    assert (await caller.call("x")).data == {"by": "Bearer t2"}


async def test_each_set_of_scopes_has_its_token_unless_the_administrator_named_one():
    server = TokenServer(expires_in=100)
    caller = app(server)
    await caller.keep("s", "w")
    assert [(await caller.call(tool)).data for tool in ("x", "y")] == [{"by": "Bearer t1"}, {"by": "Bearer t2"}]
    server = TokenServer(expires_in=100)
    caller = app(server, scopes=["all"])
    await caller.keep("s", "w")
    assert [(await caller.call(tool)).data for tool in ("x", "y")] == [{"by": "Bearer t1"}] * 2
    assert server.asked[0].endswith(b"&scope=all")


async def test_a_token_that_is_refused_is_not_used_again():
    server = TokenServer(expires_in=100)
    caller = app(server)
    await caller.keep("s", "w")
    server.api_status = 401
    assert (await caller.call("x")).hint == "the credentials do not allow this"
    server.api_status = 200
    assert (await caller.call("x")).data == {"by": "Bearer t2"}


async def test_another_tenants_token_is_never_used():
    server = TokenServer(expires_in=100)
    caller = app(server)
    await caller.keep("s", "w")
    await caller.call("x")
    from pathlib import Path

    from ripieno.domain.tools import ToolCall, ToolContext

    with pytest.raises(NotFound):
        await caller.toolset.call(ToolCall("c", "t.x"), ToolContext("other", Path()))


@pytest.mark.parametrize(
    ("status", "answer", "why"),
    [
        (400, {"error": "invalid_client"}, "gives no token: invalid_client"),
        (500, {}, "gives no token: HTTP 500"),
        (200, {"access_token": 3}, "gives no token"),
        (302, {}, "gives no token: HTTP 302"),
        (200, {"access_token": "a\r\nb"}, "one line"),
    ],
)
async def test_a_token_server_that_gives_none(status: int, answer: JsonObject, why: str):
    server = TokenServer(**answer)
    server.status = status
    caller = app(server)
    await caller.keep("s", "w")
    with pytest.raises((ToolUnavailable, Invalid), match=why):
        await caller.call("x")
    assert [request.url.path for request in caller.requests] == ["/token"]


async def test_a_token_server_that_does_not_answer():
    def away(request: httpx2.Request) -> httpx2.Response:
        raise httpx2.ConnectError("no", request=request)

    caller = Caller(described([{"app": []}]), away, auth={"app": {"secret": "secret://s"}})
    await caller.keep("s", "w")
    with pytest.raises(ToolUnavailable, match="does not answer: ConnectError"):
        await caller.call("x")
