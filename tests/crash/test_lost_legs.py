"""A leg that has lost its run, or whose run is cancelled, ends in the middle of its call, though no hint said so."""

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, cast

import asyncpg
import pytest

from ripieno import bootstrap
from ripieno.bootstrap import Platform
from ripieno.clock import SystemClock
from ripieno.domain.effects import EffectClass, EffectState
from ripieno.domain.messages import ModelEvent, ModelRequest
from ripieno.domain.principals import Principal
from ripieno.domain.runs import Run, RunStatus
from ripieno.engine.api import StartRun
from ripieno.engine.worker import Options
from ripieno.ports import Model
from ripieno.store.postgres.lease import LeaseTimes
from ripieno.store.postgres.opening import open_postgres
from ripieno.testing.recording_tools import RecordingTools, Scripted
from ripieno.testing.scripted_model import ScriptedModel, calls
from tests.crash.engines import Players, ports_on
from tests.servers import postgres, postgres_database

pytestmark = [pytest.mark.crash, postgres.NEEDS]

PATIENCE = 60.0
SURE = LeaseTimes(beat=0.2, lease=60.0)
"""So long that a busy machine gives nobody reason to doubt."""


@dataclass
class Endless:
    """Something that never ends by itself, and tells what becomes of it."""

    begun: asyncio.Event = field(default_factory=asyncio.Event)
    cut: asyncio.Event = field(default_factory=asyncio.Event)

    async def answer(self, _: dict[str, Any]) -> str:
        self.begun.set()
        try:
            await asyncio.Event().wait()
        finally:
            self.cut.set()
        return "never"

    async def stream(self, request: ModelRequest) -> AsyncIterator[ModelEvent]:
        """As a model."""
        del request
        await self.answer({})
        yield  # type: ignore[misc]


@asynccontextmanager
async def working(model: Model, endless: Endless, folder: Path) -> AsyncGenerator[tuple[Platform, str]]:
    """A worker on an empty database, and the database's URL."""
    url = await postgres_database.empty("lost_legs")
    store = await open_postgres(url, SystemClock(), SURE)
    tools = RecordingTools({"shop.pay": Scripted(endless.answer, effect=EffectClass.IRREVERSIBLE)})
    ports = ports_on(store, store.dispatch, Players(model, tools), folder)
    async with bootstrap.running(bootstrap.assemble(ports, Options(slots=1))) as platform:
        yield platform, url
    await store.close()


async def sql(url: str, statement: str) -> None:
    connection = await asyncpg.connect(url)
    await connection.execute(statement)
    await connection.close()


LOSSES = {
    "the worker is declared dead": "UPDATE workers SET dead = true",
    "another took the run": "UPDATE runs SET epoch = epoch + 1, owner = 'other'",
    "somebody cancelled it": "UPDATE runs SET cancel_at = clock_timestamp(), cancel_by = 'bob', cancel_reason = ''",
}
"""Past all hints."""


@pytest.mark.parametrize("loss", LOSSES)
@pytest.mark.parametrize("during", ["tool", "model"])
async def test_call_is_cut_as_soon_as_this_worker_can_know(tmp_path: Path, loss: str, during: str):
    endless = Endless()
    script = ScriptedModel([calls(("shop.pay", {}))], per_conversation=True)
    model = script if during == "tool" else cast("Model", endless)
    async with asyncio.timeout(PATIENCE), working(model, endless, tmp_path) as (platform, url):
        run = await platform.engine.start(StartRun("pay", agent="clerk"), Principal("alice"))
        await endless.begun.wait()
        await sql(url, LOSSES[loss])
        await endless.cut.wait()
        if "cancelled" in loss:
            await check_cancelled(platform, run, during)


async def check_cancelled(platform: Platform, run: Run, during: str) -> None:
    ended = await platform.engine.wait("default", run.id, PATIENCE)
    assert ended.status is RunStatus.CANCELLED
    states = [effect.state for effect in await platform.ports.records.effects("default", run.id)]
    assert states == ([EffectState.UNKNOWN] if during == "tool" else [])
