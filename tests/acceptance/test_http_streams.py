"""Server-sent events from a real server: whole, resumed, live, kept alive, stopped."""

import asyncio
from typing import Any

import pytest

from tests.acceptance.http_server import ADDS, TYPES, Event, gate, live

pytestmark = pytest.mark.acceptance


def named(events: list[Event]) -> list[tuple[str, int | None]]:
    return [(event.name, event.id) for event in events]


async def test_a_stream_tells_a_run_from_its_start_to_its_end():
    async with live() as server:
        run_id = await server.start()
        events = await server.events(f"/v1/runs/{run_id}/events")
    assert named(events) == [*((name, seq) for seq, name in enumerate(TYPES, 1)), ("end", None)]
    assert [event.data["sequence"] for event in events[:-1]] == [1, 2, 3, 4, 5]
    assert {event.data["specversion"] for event in events[:-1]} == {"1.0"}
    assert {event.data["data"]["run_id"] for event in events[:-1]} == {run_id}
    assert events[-1].data["status"] == "completed"
    assert events[-1].data["answer"] == "It is 3 [t1c0]."


@pytest.mark.parametrize("after", range(6))
async def test_a_stream_goes_on_from_any_place(after: int):
    async with live() as server:
        here = f"/v1/runs/{await server.ended()}/events"
        by_query = await server.events(f"{here}?after={after}")
        by_header = await server.events(here, **{"Last-Event-ID": str(after)})
    assert by_query == by_header
    assert [event.id for event in by_query] == [*range(after + 1, 6), None]


async def test_a_place_beyond_the_end_is_the_end():
    async with live() as server:
        (end,) = await server.events(f"/v1/runs/{await server.ended()}/events?after=99999999999999999999999")
    assert (end.name, end.data["status"]) == ("end", "completed")


async def test_a_stream_that_was_cut_is_resumed_without_a_gap():
    holding = gate()
    async with live(tools={"math.add": holding.answer}) as server:
        run_id = await server.start()
        seen: list[int | None] = []
        async with server.stream(f"/v1/runs/{run_id}/events") as events:
            async for event in events:
                seen.append(event.id)
                if event.name == "model.replied":
                    break
        await holding.begun.wait()
        holding.may.set()
        rest = await server.events(f"/v1/runs/{run_id}/events", **{"Last-Event-ID": str(seen[-1])})
    assert [*seen, *(event.id for event in rest)] == [1, 2, 3, 4, 5, None]


async def test_events_come_while_the_run_works():
    holding = gate()
    names: list[str] = []
    async with live(tools={"math.add": holding.answer}) as server:
        run_id = await server.start()
        async with server.stream(f"/v1/runs/{run_id}/events") as events:
            async for event in events:
                names.append(event.name)
                if event.id == 2:
                    holding.may.set()  # the tool answers only once the wish for it has been seen
    assert names == [*TYPES, "end"]


@pytest.mark.parametrize(("query", "body"), [("?tokens=true", {}), ("", {"stream_tokens": True})])
async def test_tokens_come_without_a_place(query: str, body: dict[str, Any]):
    holding = gate()
    async with live(tools={"math.add": holding.answer}) as server:
        run_id = await server.start(**body)
        await holding.begun.wait()
        names: list[str] = []
        async with server.stream(f"/v1/runs/{run_id}/events{query}") as events:
            async for event in events:
                names.append(event.name)
                if event.name == "token":
                    assert event.id is None
                    assert event.data == {"run_id": run_id, "text": "It is 3 [t1c0]."}
                if event.id == 2:
                    holding.may.set()
    assert names.count("token") == 1
    assert names[-1] == "end"


async def test_the_classic_stream():
    holding = gate()
    async with live(tools={"math.add": holding.answer}) as server:
        run_id = await server.start(agent="careful")
        events: list[Event] = []
        async with server.stream(f"/v1/runs/{run_id}/stream") as stream:
            async for event in stream:
                events.append(event)
                if event.name == "status" and event.data["status"] == "awaiting_approval":
                    await approve(server, run_id)
                    holding.may.set()
        again = await server.events(f"/v1/runs/{run_id}/stream", **{"Last-Event-ID": "4"})
    told = [event for event in events if event.name != "token"]
    assert [(event.name, event.data.get("status")) for event in told] == [
        ("status", "queued"),
        ("status", "running"),
        ("step", "completed"),
        ("status", "awaiting_approval"),
        ("step", "waiting"),
        ("status", "running"),
        ("step", "completed"),
        ("step", "completed"),
        ("step", "completed"),
        ("status", "completed"),
        ("answer", None),
        ("end", "completed"),
    ]
    assert told[-2].data == {"run_id": run_id, "answer": "It is 3 [t1c0].", "output": "It is 3 [t1c0]."}
    assert "".join(event.data["text"] for event in events if event.name == "token").endswith("It is 3 [t1c0].")
    assert [event.name for event in again] == ["step", "step", "status", "answer", "end"]


async def approve(server: Any, run_id: str) -> None:
    """The run parks a moment after its question is written."""
    while True:
        response = await server.client.post(f"/v1/runs/{run_id}/approve", json={"approved": True})
        if response.status_code == 200:
            return


async def test_a_quiet_stream_is_kept_alive():
    holding = gate()
    comments = 0
    async with live(tools={"math.add": holding.answer}, keep_alive_seconds=0.02) as server:
        run_id = await server.start()
        async with server.stream(f"/v1/runs/{run_id}/events?after=0") as events:
            async for event in events:
                comments += event.data == ": keep-alive"
                if comments == 2:
                    holding.may.set()
    assert comments >= 2


async def test_a_client_that_leaves_leaves_nothing_behind():
    holding = gate()
    async with live(tools={"math.add": holding.answer}) as server:
        run_id = await server.start()
        async with server.stream(f"/v1/runs/{run_id}/events?tokens=true") as events:
            await anext(events)
            fanout = server.platform.engine._fanout
            assert run_id in fanout._events
        async with asyncio.timeout(10):
            while fanout._events or fanout._queues:
                await asyncio.sleep(0.005)
        holding.may.set()


async def test_streams_end_when_the_server_stops():
    holding = gate()
    names: list[str] = []
    stop = asyncio.Event()

    async def read(server: Any, run_id: str) -> None:
        async with server.stream(f"/v1/runs/{run_id}/events") as events:
            async for event in events:
                names.append(event.name)
                stop.set()

    async with asyncio.TaskGroup() as group, live(tools={"math.add": holding.answer}) as server:
        run_id = await server.start()
        reader = group.create_task(read(server, run_id))
        await stop.wait()
        server.services.stopping.set()
        await asyncio.wait_for(reader, 5)
        assert "end" not in names
        holding.may.set()


async def test_many_streams_of_one_run():
    holding = gate()
    async with live(tools={"math.add": holding.answer}) as server:
        run_id = await server.start()
        async with asyncio.TaskGroup() as group:
            readers = [group.create_task(server.events(f"/v1/runs/{run_id}/events")) for _ in range(20)]
            await holding.begun.wait()
            holding.may.set()
    assert {tuple(named(reader.result())) for reader in readers} == {
        (*((name, seq) for seq, name in enumerate(TYPES, 1)), ("end", None))
    }


async def test_a_run_that_is_not_there_is_an_ordinary_problem():
    async with live(ADDS) as server:
        for path in ("events", "stream"):
            response = await server.client.get(f"/v1/runs/run_0/{path}", headers={"accept": "text/event-stream"})
            assert (response.status_code, response.json()["code"]) == (404, "not_found")
