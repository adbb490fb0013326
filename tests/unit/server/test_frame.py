"""What every answer carries, and what happens when something falls out."""

import logging
import re
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import pytest
from structlog.contextvars import get_contextvars

from ripieno.domain.errors import LegLost, StoreBusy
from ripieno.domain.filters import Counts
from ripieno.server import errors
from ripieno.server.app import create_app
from ripieno.server.frame import canonical
from ripieno.testing.given_definitions import GivenDefinitions
from tests.unit.server.doors import Door, client_of, open_door

TRACE = "0af7651916cd43dd8448eb211c80319c"


async def headers_of(sent: Mapping[str, str]) -> Mapping[str, str]:
    async with open_door(works=False) as door:
        return (await door.client.get("/v1/runs", headers=sent)).headers


async def test_every_answer_has_an_id_and_a_trace():
    headers = await headers_of({})
    assert re.fullmatch(r"req_[0-9a-f]{32}", headers["x-request-id"])
    assert re.fullmatch(r"00-[0-9a-f]{32}-[0-9a-f]{16}-01", headers["traceparent"])
    assert headers["x-content-type-options"] == "nosniff"
    assert headers["cache-control"] == "no-store"
    assert "frame-ancestors 'none'" in headers["content-security-policy"]


async def test_a_callers_id_and_trace_are_kept():
    headers = await headers_of({"x-request-id": "abc-1", "traceparent": f"00-{TRACE}-b7ad6b7169203331-01"})
    assert headers["x-request-id"] == "abc-1"
    assert headers["traceparent"].split("-")[1] == TRACE
    assert headers["traceparent"].split("-")[2] != "b7ad6b7169203331"


@pytest.mark.parametrize("request_id", ["a b", "x" * 129, "<script>"])
@pytest.mark.parametrize("trace", [f"00-{'0' * 32}-b7ad6b7169203331-01", f"00-{TRACE}-{'0' * 16}-01", "rubbish"])
async def test_rubbish_is_replaced(request_id: str, trace: str):
    headers = await headers_of({"x-request-id": request_id, "traceparent": trace})
    assert headers["x-request-id"].startswith("req_")
    assert TRACE not in headers["traceparent"]
    assert "0" * 32 not in headers["traceparent"]


class Curious(GivenDefinitions):
    """Definitions that remember what a log line would carry while they were asked."""

    carried: Mapping[str, Any] = {}

    async def agents(self) -> Any:
        self.carried = get_contextvars()
        return []


async def test_what_is_logged_meanwhile_carries_the_trace():
    curious = Curious([])
    async with (
        open_door(works=False) as door,
        client_of(create_app(replace(door.services, definitions=curious))) as client,
    ):
        response = await client.get("/v1/agents")
    assert curious.carried["request_id"] == response.headers["x-request-id"]
    assert curious.carried["trace_id"] == response.headers["traceparent"].split("-")[1]
    assert get_contextvars() == {}


class Broken(GivenDefinitions):
    """Definitions that fail in a way nobody foresaw, or in a way that is foreseen."""

    def __init__(self, error: Exception) -> None:
        super().__init__([])
        self.error = error

    async def agents(self) -> Any:
        raise self.error


async def answer_to(door: Door, error: Exception) -> Any:
    async with client_of(create_app(replace(door.services, definitions=Broken(error)))) as client:
        return await client.get("/v1/agents")


@pytest.mark.parametrize(
    ("error", "code"), [(RuntimeError("the secret is 42"), "internal"), (LegLost("secret epoch"), "leg_lost")]
)
async def test_the_unforeseen_is_logged_and_not_told(error: Exception, code: str, caplog: pytest.LogCaptureFixture):
    async with open_door(works=False) as door:
        with caplog.at_level(logging.ERROR):
            response = await answer_to(door, error)
    problem = response.json()
    assert (response.status_code, problem["code"]) == (500, code)
    assert "secret" not in response.text
    assert "Error" not in response.text
    assert problem["trace_id"] in caplog.text
    assert "secret" in caplog.text
    assert response.headers["x-request-id"].startswith("req_")


@pytest.mark.parametrize(("retry_after", "header"), [(None, "1"), (0.2, "1"), (7.6, "8")])
async def test_what_is_away_says_when_to_come_back(retry_after: float | None, header: str):
    async with open_door(works=False) as door:
        response = await answer_to(door, StoreBusy("held by 42", retry_after))
    assert (response.status_code, response.json()["code"]) == (503, "store_busy")
    assert response.headers["retry-after"] == header


def test_an_error_of_no_family_is_not_told():
    response = errors.answer({"type": "http", "path": "/x"}, RuntimeError("secret"))
    assert (response.status_code, b"secret" in response.body, b'"instance":"/x"' in response.body) == (500, False, True)


class Away:
    """Records that cannot be had."""

    async def counts(self) -> Counts:
        raise StoreBusy("the disk is gone")


async def test_health_without_a_database():
    async with open_door(works=False) as door:
        records: Any = Away()
        async with client_of(create_app(replace(door.services, records=records))) as client:
            response = await client.get("/health/ready")
            assert (response.status_code, response.json()["status"]) == (503, "unhealthy")
            assert response.json()["database"] == {"status": "unhealthy", "detail": "store_busy"}
            assert (await client.get("/health/live")).status_code == 200


@pytest.mark.parametrize(
    ("path", "address"),
    [
        ("/", "/"),
        ("/runs", "/v1/runs"),
        ("/runs/", "/v1/runs"),
        ("/v1/runs//", "/v1/runs"),
        ("/api/v1/runs", "/v1/runs"),
        ("/health", "/v1/health"),
        ("/docs/", "/docs"),
        ("/problems/x", "/problems/x"),
        ("/api/v1", "/v1"),
    ],
)
def test_the_documented_address_of_a_path(path: str, address: str):
    assert canonical(path) == address


async def test_what_is_not_http_passes():
    async with open_door(works=False) as door:
        messages = [{"type": "lifespan.startup"}, {"type": "lifespan.shutdown"}]
        sent: list[str] = []

        async def receive() -> Any:
            return messages.pop(0)

        async def send(message: Any) -> None:
            sent.append(message["type"])

        await door.app({"type": "lifespan", "app": door.app}, receive, send)
    assert sent == ["lifespan.startup.complete", "lifespan.shutdown.complete"]
