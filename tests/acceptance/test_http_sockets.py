"""WebSockets from a real server: a run's events, a session's events, refusals."""

import asyncio
import json
import logging
from typing import Any

import pytest
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import InvalidStatus

from tests.acceptance.http_server import TYPES, Live, gate, live

pytestmark = pytest.mark.acceptance


def address(server: Live, path: str) -> str:
    return server.url.replace("http://", "ws://") + path


async def told(socket: ClientConnection) -> list[Any]:
    return [json.loads(message) async for message in socket]


@pytest.mark.parametrize("prefix", ["/v1", "/api/v1", ""])
async def test_a_runs_events_and_its_end(prefix: str):
    async with live() as server:
        run_id = await server.start()
        async with connect(address(server, f"{prefix}/streams/{run_id}")) as socket:
            events = await told(socket)
        assert socket.close_code == 1000
    assert [event["type"] for event in events] == [*TYPES, "end"]
    assert [event["sequence"] for event in events[:-1]] == [1, 2, 3, 4, 5]
    assert events[-1]["data"]["answer"] == "It is 3 [t1c0]."


async def test_it_goes_on_from_a_place():
    async with live() as server:
        run_id = await server.ended()
        async with connect(address(server, f"/v1/streams/{run_id}?after=4")) as socket:
            assert [event["type"] for event in await told(socket)] == ["run.completed", "end"]


async def test_a_sessions_events_come_from_all_its_runs():
    async with live() as server:
        first = await server.ended()
        session_id = (await server.client.get(f"/v1/runs/{first}")).json()["session_id"]
        runs, ends = [first], list[str]()
        async with connect(address(server, f"/v1/streams/{session_id}")) as socket:
            async for message in socket:
                event = json.loads(message)
                if event["type"] == "end":
                    ends.append(event["data"]["run_id"])
                    if len(ends) == 2:
                        break
                    runs.append(await server.start(session_id=session_id))
    assert ends == runs
    assert len(set(runs)) == 2


async def test_tokens_come_where_the_run_asked_for_them():
    holding = gate()
    async with live(tools={"math.add": holding.answer}) as server:
        run_id = await server.start(stream_tokens=True)
        await holding.begun.wait()
        async with connect(address(server, f"/v1/streams/{run_id}")) as socket:
            events: list[Any] = []
            async for message in socket:
                events.append(json.loads(message))
                if events[-1].get("sequence") == 2:
                    holding.may.set()
    assert [event["data"]["text"] for event in events if event["type"] == "token"] == ["It is 3 [t1c0]."]


@pytest.mark.parametrize(
    ("path", "headers", "status", "code"),
    [
        ("/v1/streams/run_0", {}, 404, "not_found"),
        ("/v1/streams/ses_0", {}, 404, "not_found"),
        ("/v1/streams/run_0", {"origin": "http://evil.example"}, 403, "origin_refused"),
        ("/v1/streams/run_0", {"host": "evil.example"}, 403, "host_refused"),
    ],
)
async def test_handshakes_that_are_refused(
    path: str, headers: dict[str, str], status: int, code: str, caplog: pytest.LogCaptureFixture
):
    async with live() as server:
        with pytest.raises(InvalidStatus) as caught:
            await connect(address(server, path), additional_headers=headers)
        assert caught.value.response.status_code == status
        assert json.loads(caught.value.response.body or b"")["code"] == code
    assert [record.message for record in caplog.records if record.levelno >= logging.WARNING] == []


async def test_a_socket_is_closed_when_the_server_stops():
    holding = gate()
    async with live(tools={"math.add": holding.answer}) as server:
        async with connect(address(server, f"/v1/streams/{await server.start()}")) as socket:
            await socket.recv()
            server.services.stopping.set()
            async with asyncio.timeout(5):
                await socket.wait_closed()
            assert socket.close_code == 1012
        holding.may.set()


async def test_what_a_client_says_is_not_listened_to():
    holding = gate()
    async with live(tools={"math.add": holding.answer}) as server:
        run_id = await server.start()
        async with connect(address(server, f"/v1/streams/{run_id}")) as socket:
            await socket.send("hello")
            await socket.send(b"\x00")
            await (await socket.ping())  # an answer means that what was sent before has arrived
            holding.may.set()
            assert (await told(socket))[-1]["type"] == "end"


async def test_a_client_that_leaves_leaves_nothing_behind():
    holding = gate()
    async with live(tools={"math.add": holding.answer}) as server:
        run_id = await server.start(stream_tokens=True)
        async with connect(address(server, f"/v1/streams/{run_id}")) as socket:
            await socket.recv()
        fanout = server.platform.engine._fanout
        async with asyncio.timeout(10):
            while fanout._events or fanout._queues:
                await asyncio.sleep(0.005)
        holding.may.set()
