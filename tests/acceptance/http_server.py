"""A real HTTP server on a free port over a platform in memory, and a reader of its streams."""

import asyncio
import json
from collections.abc import AsyncGenerator, AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import httpx2

from ripieno import bootstrap
from ripieno.bootstrap import Platform
from ripieno.domain.agents import AgentDefinition
from ripieno.server.app import create_app
from ripieno.server.services import HttpConfig, Services
from ripieno.server.serving import bind, serving, url_of
from ripieno.testing.platform import in_memory
from ripieno.testing.recording_tools import RecordingTools, Scripted
from ripieno.testing.scripted_model import ScriptedModel, calls, says

ADDS = (calls(("math.add", {"a": 1}), text="Let me see."), says("It is 3 [t1c0]."))
TYPES = ["run.started", "model.replied", "tool.returned", "model.replied", "run.completed"]


@dataclass
class Gate:
    """A tool that says when it has begun, and answers when it may."""

    begun: asyncio.Event
    may: asyncio.Event

    async def answer(self, _: dict[str, Any]) -> str:
        self.begun.set()
        await self.may.wait()
        return "3"


def gate() -> Gate:
    return Gate(asyncio.Event(), asyncio.Event())


@dataclass
class Live:
    """What a test works with."""

    url: str
    client: httpx2.AsyncClient
    services: Services
    platform: Platform

    async def start(self, **body: Any) -> str:
        response = await self.client.post("/v1/runs", json={"goal": "add", **body})
        assert response.status_code == 201, response.text
        return response.json()["id"]

    async def ended(self, **body: Any) -> str:
        response = await self.client.post("/v1/runs?wait=30", json={"goal": "add", **body})
        assert response.status_code == 200, response.text
        return response.json()["id"]

    @asynccontextmanager
    async def stream(self, path: str, **headers: str) -> AsyncGenerator[AsyncIterator["Event"]]:
        """The events of a stream, as they come; comments are events without a name."""
        accept = {"accept": "text/event-stream", **headers}
        async with self.client.stream("GET", path, headers=accept) as response:
            assert response.status_code == 200
            assert response.headers["content-type"].startswith("text/event-stream")
            assert response.headers["cache-control"] == "no-cache"
            yield _parsed(response.aiter_lines())

    async def events(self, path: str, **headers: str) -> list["Event"]:
        """All events of a stream that ends."""
        async with self.stream(path, **headers) as events:
            return [event async for event in events]


@dataclass(frozen=True)
class Event:
    name: str
    id: int | None
    data: Any


async def _parsed(lines: AsyncIterator[str]) -> AsyncIterator[Event]:
    fields: dict[str, str] = {}
    async for line in lines:
        if line.startswith(":"):
            yield Event("", None, line)
        elif line:
            name, _, value = line.partition(": ")
            fields[name] = value
        elif fields:
            number = int(fields["id"]) if "id" in fields else None
            yield Event(fields["event"], number, json.loads(fields["data"]))
            fields = {}


@asynccontextmanager
async def live(
    script: Sequence[Any] = ADDS, tools: Mapping[str, Scripted | Any] | None = None, **config: Any
) -> AsyncGenerator[Live]:
    """Serve until the block ends."""
    agents = [
        AgentDefinition(name="default", tools=("*",)),
        AgentDefinition(name="careful", tools=("*",), approvals=("math.*",)),
    ]
    model = ScriptedModel(script, per_conversation=True)
    with TemporaryDirectory() as folder, bind("127.0.0.1", 0) as listener:
        platform = in_memory(model, RecordingTools(tools or {"math.add": 3}), agents, Path(folder))
        served = HttpConfig(version="1", **config)
        services = replace(bootstrap.services(platform), config=served)
        url = url_of(listener)
        async with (
            bootstrap.running(platform),
            serving(create_app(services), listener, 5),
            httpx2.AsyncClient(base_url=url, timeout=30) as client,
        ):
            try:
                yield Live(url, client, services, platform)
            finally:
                services.stopping.set()
