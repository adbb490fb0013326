"""A worker that is told to stop at an awkward moment."""

import asyncio
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, cast

from ripieno import bootstrap
from ripieno.domain.agents import AgentDefinition
from ripieno.domain.batches import ANY_RUN, Claimed, ClaimTerms
from ripieno.domain.effects import EffectClass, EffectState
from ripieno.domain.principals import Principal
from ripieno.domain.runs import RunStatus
from ripieno.engine.api import StartRun
from ripieno.engine.worker import Options, Worker
from ripieno.ports import Journal
from ripieno.testing.platform import in_memory
from ripieno.testing.recording_tools import RecordingTools, Scripted
from ripieno.testing.scripted_model import ScriptedModel, calls, says


class _StopsAfterClaim:
    """Tells the worker to stop in the very moment in which it gets work."""

    def __init__(self, inner: Journal) -> None:
        self._inner = inner
        self.worker: Worker | None = None

    def __getattr__(self, name: str) -> Any:
        return getattr(self._inner, name)

    async def claim(self, worker_id: str, slots: int, terms: ClaimTerms = ANY_RUN) -> Sequence[Claimed]:
        claimed = await self._inner.claim(worker_id, slots, terms)
        if claimed and self.worker is not None:
            self.worker.stop()
        return claimed


async def test_a_run_that_was_just_claimed_is_given_back(tmp_path: Path):
    ports = in_memory(
        ScriptedModel([says("hello")]), RecordingTools({}), [AgentDefinition(name="clerk")], tmp_path
    ).ports
    journal = _StopsAfterClaim(ports.journal)
    platform = bootstrap.assemble(replace(ports, journal=cast("Journal", journal)), Options())
    journal.worker = platform.worker
    run = await platform.engine.start(StartRun("go", agent="clerk"), Principal("alice"))
    async with asyncio.timeout(10):
        await platform.worker.run()
    assert platform.worker.busy == 0
    assert (await ports.records.run("default", run.id)).status is RunStatus.QUEUED


async def test_what_is_under_way_ends_and_nothing_new_begins(tmp_path: Path):
    begun, may = asyncio.Event(), asyncio.Event()

    async def pay(_: dict[str, Any]) -> str:
        begun.set()
        await may.wait()
        return "paid"

    tools = RecordingTools({"shop.pay": Scripted(pay, effect=EffectClass.IRREVERSIBLE)})
    model = ScriptedModel([calls(("shop.pay", {"n": 1})), calls(("shop.pay", {"n": 2}))])
    platform = in_memory(model, tools, [AgentDefinition(name="clerk", tools=("*",))], tmp_path)
    run = await platform.engine.start(StartRun("go", agent="clerk"), Principal("alice"))
    async with asyncio.timeout(10), asyncio.TaskGroup() as group:
        group.create_task(platform.worker.run())
        await begun.wait()
        platform.worker.stop()
        may.set()
    effects = await platform.ports.records.effects("default", run.id)
    assert [effect.state for effect in effects] == [EffectState.DONE]
    assert (await platform.ports.records.run("default", run.id)).status is RunStatus.QUEUED
