"""A worker that is told to stop at an awkward moment."""

import asyncio
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, cast

from ripieno import bootstrap
from ripieno.domain.agents import AgentDefinition
from ripieno.domain.principals import Principal
from ripieno.domain.runs import RunStatus
from ripieno.engine.api import StartRun
from ripieno.engine.worker import Options, Worker
from ripieno.ports import Claimed, Journal
from ripieno.testing.platform import in_memory
from ripieno.testing.recording_tools import RecordingTools
from ripieno.testing.scripted_model import ScriptedModel, says


class _StopsAfterClaim:
    """Tells the worker to stop in the very moment in which it gets work."""

    def __init__(self, inner: Journal) -> None:
        self._inner = inner
        self.worker: Worker | None = None

    def __getattr__(self, name: str) -> Any:
        return getattr(self._inner, name)

    async def claim(self, worker_id: str, slots: int) -> Sequence[Claimed]:
        claimed = await self._inner.claim(worker_id, slots)
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
