import asyncio
import json
from collections.abc import AsyncGenerator, Callable, Iterable
from contextlib import asynccontextmanager
from typing import Any

import httpx2
import pytest

from ripieno.cli.api import Api
from ripieno.cli.exits import Exit, Stop
from ripieno.testing.fake_clock import FakeClock

Handler = Callable[[httpx2.Request], httpx2.Response]


@asynccontextmanager
async def api_of(handler: Handler, key: str | None = None, clock: FakeClock | None = None) -> AsyncGenerator[Api]:
    api = Api("http://x", key, clock or FakeClock(), here=False, transport=httpx2.MockTransport(handler))
    yield api
    await api.close()


def refuse(status: int, content: Any = None, text: str = "") -> Handler:
    return lambda _: httpx2.Response(status, content=json.dumps(content) if content is not None else text)


def frames(*seqs: int, end: bool) -> bytes:
    def frame(seq: int) -> str:
        event = {"id": f"run_1/{seq}", "type": "x", "subject": "k", "time": "2026-01-01T00:00:00Z", "sequence": seq}
        return f"id: {seq}\nevent: x\ndata: {json.dumps({**event, 'data': {}})}\n\n"

    return ("".join(frame(seq) for seq in seqs) + ("event: end\ndata: {}\n\n" if end else "")).encode()


class Connections:
    """Answers one connection after the other, and writes down from where each goes on."""

    def __init__(self, answers: Iterable[bytes | int | Exception]) -> None:
        self._answers = iter(answers)
        self.asked: list[str] = []

    def __call__(self, request: httpx2.Request) -> httpx2.Response:
        self.asked.append(request.headers["last-event-id"])
        answer = next(self._answers)
        if isinstance(answer, Exception):
            raise answer
        return httpx2.Response(answer) if isinstance(answer, int) else httpx2.Response(200, content=answer)


async def followed(connections: Connections, clock: FakeClock) -> list[int]:
    async with api_of(connections, clock=clock) as api, asyncio.TaskGroup() as group:
        time = group.create_task(passing(clock))
        found = [event.seq async for event in api.follow("run_1")]
        time.cancel()
        return found


async def passing(clock: FakeClock) -> None:
    while True:
        await clock.sleepers(1)
        clock.advance(3)


async def test_json_in_json_out():
    seen: list[httpx2.Request] = []

    def handler(request: httpx2.Request) -> httpx2.Response:
        seen.append(request)
        return httpx2.Response(200, json={"data": []})

    async with api_of(handler, key="secret") as api:
        assert await api.get("/v1/runs", limit=5, cursor=None) == {"data": []}
        assert await api.post("/v1/runs", {"goal": "g"}) == {"data": []}
    assert [(request.method, str(request.url)) for request in seen] == [
        ("GET", "http://x/v1/runs?limit=5"),
        ("POST", "http://x/v1/runs"),
    ]
    assert seen[0].headers["authorization"] == "Bearer secret"
    assert json.loads(seen[1].content) == {"goal": "g"}


@pytest.mark.parametrize(
    ("handler", "exit_code", "code", "sentence"),
    [
        (refuse(404, {"code": "not_found", "detail": "no run 'x'"}), Exit.USAGE, "not_found", "no run 'x'"),
        (
            refuse(422, {"code": "invalid", "detail": "no", "errors": [{"pointer": "/a", "detail": "bad"}]}),
            Exit.USAGE,
            "invalid",
            "no (/a bad)",
        ),
        (refuse(409, {"code": "run_ended", "detail": "it has"}), Exit.FAILED, "run_ended", "it has"),
        (
            refuse(
                409, {"code": "effects_done", "detail": "no", "effects": [{"tool": "t", "run_id": "r", "key": "k"}]}
            ),
            Exit.FAILED,
            "effects_done",
            "no (t r:k)",
        ),
        (
            refuse(
                409, {"code": "cannot_be_undone", "effects": [{"tool": "t", "run_id": "r", "key": "k", "reason": "w"}]}
            ),
            Exit.FAILED,
            "cannot_be_undone",
            " (t r:k: w)",
        ),
        (refuse(401, {"code": "unauthenticated", "title": "A key"}), Exit.FAILED, "unauthenticated", "A key"),
        (refuse(500, text="<html>"), Exit.FAILED, "http_500", "the server answered 500"),
        (refuse(500, [1]), Exit.FAILED, "http_500", "the server answered 500"),
    ],
)
async def test_refusals(handler: Handler, exit_code: Exit, code: str, sentence: str):
    async with api_of(handler) as api:
        with pytest.raises(Stop) as caught:
            await api.get("/v1/runs/x")
    assert (caught.value.exit_code, caught.value.code, caught.value.sentences) == (exit_code, code, (sentence,))


async def test_a_server_that_does_not_answer():
    def handler(_: httpx2.Request) -> httpx2.Response:
        raise httpx2.ConnectError("refused")

    async with api_of(handler) as api:
        with pytest.raises(Stop, match="no answer from http://x: refused") as caught:
            await api.get("/v1/runs")
    assert caught.value.exit_code == Exit.UNREACHABLE


@pytest.mark.parametrize("url", ["localhost:8000", "ftp://x", "http://x:bad", ""])
def test_what_is_no_url(url: str):
    with pytest.raises(Stop) as caught:
        Api(url, None, FakeClock(), here=False)
    assert caught.value.exit_code == Exit.USAGE


async def test_a_stream_is_taken_up_where_it_broke_off():
    connections = Connections([frames(1, 2, end=False), httpx2.ReadError("cut"), 503, frames(2, 3, end=True)])
    assert await followed(connections, FakeClock()) == [1, 2, 3]
    assert connections.asked == ["0", "2", "2", "2"]


async def test_a_stream_that_stays_away():
    connections = Connections([frames(1, end=False), *[httpx2.ConnectError("refused")] * 50])
    with pytest.RaisesGroup(pytest.RaisesExc(Stop, match="no answer")):
        await followed(connections, FakeClock())
    assert 5 < len(connections.asked) < 50


async def test_patience_begins_anew_when_the_server_was_there():
    answers = [answer for seq in range(1, 40) for answer in (frames(seq, end=False), httpx2.ConnectError("refused"))]
    connections = Connections([*answers, frames(40, end=True)])
    assert await followed(connections, FakeClock()) == list(range(1, 41))


async def test_a_stream_of_a_run_that_does_not_exist():
    async with api_of(refuse(404, {"code": "not_found", "detail": "no run"})) as api:
        with pytest.raises(Stop, match="no run"):
            _ = [event async for event in api.follow("run_x")]
