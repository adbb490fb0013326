"""An HTTP door over a platform in memory, without a socket."""

import asyncio
from collections.abc import AsyncGenerator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import httpx2
from fastapi import FastAPI

from ripieno import bootstrap
from ripieno.bootstrap import Platform
from ripieno.domain.agents import AgentDefinition
from ripieno.domain.effects import EffectClass
from ripieno.domain.jsons import JsonObject
from ripieno.governance.access import Mode, StaticAccess
from ripieno.server.app import create_app
from ripieno.server.services import HttpConfig, Services
from ripieno.testing.platform import in_memory
from ripieno.testing.recording_tools import RecordingTools, Scripted
from ripieno.testing.scripted_model import ScriptedModel, calls, says

AGENTS: tuple[JsonObject, ...] = (
    {"name": "default", "tools": ["*"], "description": "Does anything."},
    {"name": "cashier", "tools": ["shop.*"], "approvals": ["shop.pay"], "description": "Pays bills in the shop."},
    {"name": "team", "mode": "collaborative", "members": ["default"]},
)
PAY_SCHEMA: JsonObject = {
    "type": "object",
    "properties": {"eur": {"type": "integer", "maximum": 100}},
    "required": ["eur"],
    "additionalProperties": False,
}
TOOLS: Mapping[str, Any] = {
    "math.add": 3,
    "shop.pay": Scripted("paid", effect=EffectClass.IRREVERSIBLE, input_schema=PAY_SCHEMA),
}
ADDS = (calls(("math.add", {"a": 1})), says("It is 3 [t1c0]."))
PAYS = (calls(("shop.pay", {"eur": 3})), says("Paid [t1c0]."))


@dataclass
class Door:
    """What a test works with."""

    client: httpx2.AsyncClient
    app: FastAPI
    services: Services
    platform: Platform
    model: ScriptedModel
    tools: RecordingTools

    async def get(self, path: str, status: int = 200, **options: Any) -> Any:
        """The JSON answer, after a look at its status."""
        response = await self.client.get(path, **options)
        assert response.status_code == status, response.text
        return response.json()

    async def post(self, path: str, body: Any = None, status: int = 200, **options: Any) -> Any:
        response = await self.client.post(path, json=body, **options)
        assert response.status_code == status, response.text
        return response.json()

    async def until(self, run_id: str, status: str) -> Any:
        """The run, once it stands so: polled, because tests want statuses that `wait` does not stop at."""
        async with asyncio.timeout(20):
            while (run := await self.get(f"/v1/runs/{run_id}"))["status"] != status:
                await asyncio.sleep(0.002)
        return run


def services_of(platform: Platform, access: StaticAccess | None = None, **config: Any) -> Services:
    return replace(
        bootstrap.services(platform),
        access=access or StaticAccess("127.0.0.1", "auto", None),
        config=replace(HttpConfig(version="1.2.3"), **config),
    )


def client_of(app: FastAPI, base_url: str = "http://127.0.0.1:8000", **options: Any) -> httpx2.AsyncClient:
    transport = httpx2.ASGITransport(app=app, raise_app_exceptions=True)
    return httpx2.AsyncClient(transport=transport, base_url=base_url, **options)


@asynccontextmanager
async def open_door(
    script: Sequence[Any] | Any = ADDS,
    tools: Mapping[str, Any] = TOOLS,
    *,
    agents: Sequence[JsonObject] = AGENTS,
    works: bool = True,
    access: tuple[str, Mode, str | None] | StaticAccess = ("127.0.0.1", "auto", None),
    **config: Any,
) -> AsyncGenerator[Door]:
    """Open it. Every conversation plays the script from its start; with `works` false, runs stay queued."""
    sequence = isinstance(script, Sequence)
    model = ScriptedModel(script, per_conversation=sequence)
    recording = RecordingTools(tools)
    definitions = [AgentDefinition.model_validate(agent) for agent in agents]
    with TemporaryDirectory() as folder:
        platform = in_memory(model, recording, definitions, Path(folder))
        services = services_of(platform, StaticAccess(*access) if isinstance(access, tuple) else access, **config)
        app = create_app(services)
        async with client_of(app) as client:
            door = Door(client, app, services, platform, model, recording)
            if not works:
                yield door
                return
            async with bootstrap.running(platform):
                yield door
