"""Between the commit of an intent and the call: who may not act any more does not."""

import asyncio
from dataclasses import replace
from pathlib import Path
from typing import Any, cast

import pytest

from ripieno import bootstrap
from ripieno.domain.agents import AgentDefinition
from ripieno.domain.batches import Standing
from ripieno.domain.effects import EffectClass, EffectState
from ripieno.domain.errors import NotFound, StoreBusy
from ripieno.domain.hints import Hint, HintKind
from ripieno.domain.principals import Principal
from ripieno.domain.runs import Run, RunStatus
from ripieno.domain.tools import ToolCall, ToolContext, ToolResult
from ripieno.engine.api import StartRun
from ripieno.engine.performers.tools import SEND_SECONDS
from ripieno.engine.worker import Options
from ripieno.ports import Journal, Records
from ripieno.testing.fake_clock import FakeClock
from ripieno.testing.platform import in_memory
from ripieno.testing.recording_tools import RecordingTools, Scripted
from ripieno.testing.scripted_model import ScriptedModel, calls, says

ALICE = Principal("alice")
CLERK = AgentDefinition(name="clerk", tools=("*",))


class Waiting(RecordingTools):
    """Tools that are called late: after `pause`."""

    def __init__(self, script: Any, clock: FakeClock, pause: float) -> None:
        super().__init__(script)
        self._late = clock
        self._pause = pause

    async def call(self, call: ToolCall, context: ToolContext) -> ToolResult:
        self._late.advance(self._pause)
        return await super().call(call, context)


@pytest.mark.parametrize(
    ("effect", "pause", "made"),
    [
        (EffectClass.IRREVERSIBLE, SEND_SECONDS - 1, 1),
        (EffectClass.IRREVERSIBLE, SEND_SECONDS + 1, 0),
        (EffectClass.READ, SEND_SECONDS + 1, 1),
    ],
)
async def test_an_effect_whose_turn_comes_too_late_is_not_made(
    tmp_path: Path, effect: EffectClass, pause: float, made: int
):
    clock = FakeClock()
    tools = Waiting({"shop.pay": Scripted("paid", effect=effect)}, clock, pause)
    model = ScriptedModel([calls(("shop.pay", {})), says("ok")])
    platform = in_memory(model, tools, [CLERK], tmp_path, clock=clock)
    async with bootstrap.running(platform), asyncio.timeout(20):
        run = await platform.engine.start(StartRun("pay", agent="clerk"), ALICE)
        assert (await platform.engine.wait("default", run.id, 1e6)).status is RunStatus.COMPLETED
    assert len(tools.calls) == made
    if not made:
        (row,) = await platform.ports.records.effects("default", run.id)
        assert row.state is EffectState.FAILED
        assert model.requests[1].messages[-1].text == "not_sent: shop.pay was not called: its turn came too late."


class Doubtful:
    """A journal that is not sure of its lease."""

    def __init__(self, inner: Journal) -> None:
        self._inner = inner

    def __getattr__(self, name: str) -> Any:
        return getattr(self._inner, name)

    def standing(self, run_id: str, epoch: int) -> Standing:
        del run_id, epoch
        return Standing.DOUBTFUL


async def test_a_worker_in_doubt_about_its_lease_reads_and_changes_nothing(tmp_path: Path):
    tools = RecordingTools({"shop.pay": Scripted("paid", effect=EffectClass.IDEMPOTENT), "shop.look": "cheap"})
    model = ScriptedModel([calls(("shop.look", {}), ("shop.pay", {})), says("ok")])
    ports = in_memory(model, tools, [CLERK], tmp_path).ports
    journal = cast("Journal", Doubtful(ports.journal))
    async with bootstrap.running(bootstrap.assemble(replace(ports, journal=journal), Options())) as platform:
        run = await platform.engine.start(StartRun("pay", agent="clerk"), ALICE)
        assert (await platform.engine.wait("default", run.id, 20)).status is RunStatus.COMPLETED
    assert [call.call.name for call in tools.calls] == ["shop.look"]


class Absent:
    """Records of which the first reads of a run go wrong, once the test says so."""

    def __init__(self, inner: Records) -> None:
        self._inner = inner
        self.troubles: list[Exception] = []

    def __getattr__(self, name: str) -> Any:
        return getattr(self._inner, name)

    async def run(self, tenant: str, run_id: str) -> Run:
        if self.troubles:
            raise self.troubles.pop()
        return await self._inner.run(tenant, run_id)


@pytest.mark.parametrize("trouble", [StoreBusy("away"), NotFound("run", "it")], ids=["away", "deleted"])
async def test_a_leg_is_told_although_its_row_could_not_be_read_at_once(
    tmp_path: Path, gate_tool: Any, trouble: Exception
):
    slow, begun, _ = gate_tool()
    ports = in_memory(ScriptedModel([calls(("a.b", {}))]), RecordingTools({"a.b": slow}), [CLERK], tmp_path).ports
    records = Absent(ports.records)
    platform = bootstrap.assemble(replace(ports, records=cast("Records", records)), Options())
    async with bootstrap.running(platform), asyncio.timeout(20):
        run = await platform.engine.start(StartRun("go", agent="clerk"), ALICE)
        await begun.wait()
        records.troubles.append(trouble)
        if isinstance(trouble, StoreBusy):
            await platform.engine.cancel(ALICE, run.id)
        else:
            ports.dispatch.publish([Hint(HintKind.CONTROL, run.id)])
        while platform.worker.busy or records.troubles:
            await asyncio.sleep(0.002)
