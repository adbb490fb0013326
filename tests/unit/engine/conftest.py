"""A platform in memory with one agent, and ways to follow what it does."""

import asyncio
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from typing import Any

import pytest

from ripieno.bootstrap import Platform
from ripieno.domain.agents import AgentDefinition
from ripieno.domain.entries import Entry
from ripieno.domain.filters import InterruptFilter
from ripieno.domain.interrupts import Decision, DecisionKind, Interrupt
from ripieno.domain.principals import Principal
from ripieno.domain.runs import Run, RunStatus
from ripieno.engine.api import StartRun
from ripieno.testing.platform import running_in_memory
from ripieno.testing.recording_tools import RecordingTools, Scripted
from ripieno.testing.scripted_model import ScriptedModel

ALICE = Principal("alice")


@dataclass
class Bench:
    """What a test works with."""

    platform: Platform
    model: ScriptedModel
    tools: RecordingTools

    async def start(self, goal: str = "go", **fields: Any) -> Run:
        return await self.platform.engine.start(StartRun(goal, agent="clerk", **fields), ALICE)

    async def until(self, run: Run, *statuses: RunStatus) -> Run:
        """Wait for a status: polled, because tests want statuses that `wait` does not stop at."""
        async with asyncio.timeout(20):
            while True:
                found = await self.platform.ports.records.run("default", run.id)
                if found.status in statuses:
                    return found
                await asyncio.sleep(0.002)

    async def ended(self, run: Run) -> Run:
        return await self.until(run, RunStatus.COMPLETED, RunStatus.FAILED, RunStatus.CANCELLED)

    async def entries(self, run: Run) -> list[Entry]:
        return list(await self.platform.ports.records.entries("default", run.id))

    async def keys(self, run: Run) -> list[str]:
        return [entry.key for entry in await self.entries(run)]

    async def asked(self, run: Run) -> Interrupt:
        """The one open interrupt of a run that waits for a person."""
        await self.until(run, RunStatus.AWAITING_APPROVAL, RunStatus.AWAITING_INPUT)
        return await self.platform.engine.open_interrupt("default", run.id, None, None)

    async def interrupts(self, run: Run) -> list[Interrupt]:
        which = InterruptFilter(run_id=run.id)
        return list(await self.platform.ports.records.interrupts("default", which, 100))

    async def decide(self, interrupt: Interrupt, kind: DecisionKind, **fields: Any) -> Interrupt:
        decision = Decision(kind, fields.pop("by", "bob"), **fields)
        return await self.platform.engine.decide(ALICE, interrupt.id, decision)

    def idle(self) -> bool:
        return self.platform.worker.busy == 0


class Make:
    """Starts platforms, each in a task of its own, because a fixture ends in another task than it began in."""

    def __init__(self) -> None:
        self._stop = asyncio.Event()
        self._owners: list[asyncio.Task[None]] = []

    async def __call__(self, script: Any, answers: dict[str, Any] | None = None, **agent: Any) -> Bench:
        model, recording = ScriptedModel(script), RecordingTools(answers or {})
        definition = AgentDefinition.model_validate({"name": "clerk", "tools": ["*"], **agent})
        ready: asyncio.Future[Platform] = asyncio.get_running_loop().create_future()

        async def own() -> None:
            async with running_in_memory(model, recording, [definition]) as platform:
                ready.set_result(platform)
                await self._stop.wait()

        self._owners.append(asyncio.create_task(own()))
        return Bench(await ready, model, recording)

    async def close(self) -> None:
        self._stop.set()
        await asyncio.gather(*self._owners)


@pytest.fixture
async def make() -> AsyncIterator[Make]:
    maker = Make()
    yield maker
    await maker.close()


@pytest.fixture
def gate_tool() -> Callable[[], tuple[Scripted, asyncio.Event, asyncio.Event]]:
    """A tool that says when it has begun, and answers when it may."""

    def build(**fields: Any) -> tuple[Scripted, asyncio.Event, asyncio.Event]:
        begun, may = asyncio.Event(), asyncio.Event()

        async def answer(_: dict[str, Any]) -> str:
            begun.set()
            await may.wait()
            return "done"

        return Scripted(answer, **fields), begun, may

    return build
