"""A call that ends when its leg has lost the run: the ledger takes the outcome, and the run goes on with it."""

import asyncio
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, cast

import pytest

from ripieno import bootstrap
from ripieno.domain.agents import AgentDefinition
from ripieno.domain.batches import Append, LateOutcome
from ripieno.domain.effects import LATE, EffectClass, EffectState
from ripieno.domain.entries import Entry, EntryType
from ripieno.domain.errors import StoreBusy
from ripieno.domain.hints import Hint, HintKind
from ripieno.domain.interrupts import DecisionKind, InterruptKind, InterruptStatus
from ripieno.domain.principals import Principal
from ripieno.domain.runs import Run, RunStatus
from ripieno.domain.tools import Reconciliation
from ripieno.engine.api import StartRun
from ripieno.engine.worker import Options
from ripieno.ports import Journal
from ripieno.testing.platform import in_memory
from ripieno.testing.recording_tools import RecordingTools, Scripted
from ripieno.testing.scripted_model import ScriptedModel, calls, says, turn_of

ALICE = Principal("alice")
IRREVERSIBLE = EffectClass.IRREVERSIBLE
PATIENCE = 20.0


def pays(request: Any) -> Any:
    return says("done") if turn_of(request) else calls(("shop.pay", {"eur": 5}))


async def states(bench: Any, run: Run) -> list[EffectState]:
    return [effect.state for effect in await bench.platform.ports.records.effects("default", run.id)]


async def lost(make: Any, gate_tool: Any, **tool: Any) -> tuple[Any, Run, asyncio.Event]:
    """A run that its leg has lost in the middle of a call, and what lets the call end."""
    script, begun, may = gate_tool(effect=tool.pop("effect", IRREVERSIBLE), **tool)
    bench = await make(pays, {"shop.pay": script, "shop.find": "nothing clear"})
    run = await bench.start()
    await begun.wait()
    assert await bench.platform.ports.journal.recover() == 1
    return bench, run, may


async def test_question_about_it_is_withdrawn(make: Any, gate_tool: Any):
    bench, run, may = await lost(make, gate_tool)
    asked = await bench.asked(run)
    assert asked.kind is InterruptKind.UNKNOWN_EFFECT
    may.set()
    assert (await bench.ended(run)).status is RunStatus.COMPLETED
    assert await states(bench, run) == [EffectState.DONE]
    assert len(bench.tools.calls) == 1
    assert [one.status for one in await bench.interrupts(run)] == [InterruptStatus.VOID]


async def test_what_a_person_said_and_nobody_acted_on_is_on_record_beside_it(make: Any, gate_tool: Any):
    bench, run, may = await lost(make, gate_tool)
    asked = await bench.asked(run)
    await bench.platform.engine.pause(ALICE, run.id)
    await bench.decide(asked, DecisionKind.RETRY)
    may.set()
    async with asyncio.timeout(PATIENCE):
        while await states(bench, run) != [EffectState.DONE]:
            await asyncio.sleep(0.002)
    await bench.platform.engine.resume(ALICE, run.id)
    assert (await bench.ended(run)).status is RunStatus.COMPLETED
    assert len(bench.tools.calls) == 1
    kinds = [one.type for one in await bench.entries(run)]
    assert kinds.index(EntryType.INTERRUPT_DECIDED) < kinds.index(EntryType.TOOL_RETURNED)
    assert EntryType.INTERRUPT_WITHDRAWN not in kinds


async def test_what_waits_to_be_reconciled_goes_on_with_it(make: Any, gate_tool: Any):
    asks = Reconciliation("shop.find", {}, "found")
    bench, run, may = await lost(make, gate_tool, effect=EffectClass.RECONCILABLE, reconcile=asks)
    await bench.until(run, RunStatus.WAITING)
    may.set()
    assert (await bench.ended(run)).status is RunStatus.COMPLETED
    assert len(bench.tools.calls) == 1
    assert await states(bench, run) == [EffectState.DONE]


async def test_repeated_under_its_key_it_counts_no_more(make: Any, gate_tool: Any):
    bench, run, may = await lost(make, gate_tool, effect=EffectClass.IDEMPOTENT)
    async with asyncio.timeout(PATIENCE):
        while len(bench.tools.calls) < 2:
            await asyncio.sleep(0.002)
    may.set()
    assert (await bench.ended(run)).status is RunStatus.COMPLETED
    assert await states(bench, run) == [EffectState.ABANDONED, EffectState.DONE]


async def test_an_ended_run_has_it_in_its_ledger(make: Any, gate_tool: Any):
    bench, run, may = await lost(make, gate_tool)
    await bench.asked(run)
    await bench.platform.engine.cancel(ALICE, run.id)
    assert await states(bench, run) == [EffectState.UNKNOWN]
    may.set()
    async with asyncio.timeout(PATIENCE):
        while await states(bench, run) != [EffectState.DONE]:
            await asyncio.sleep(0.002)
    assert not [row for row in bench.platform.ports.journal._memory.runs[run.id].letters if row.row.topic == LATE]


class Deaf:
    """A journal that never answers the append of an outcome, and may be away when it comes late."""

    def __init__(self, inner: Journal, *, away: bool) -> None:
        self._inner = inner
        self._away = away
        self.reached = asyncio.Event()
        self.told: asyncio.Queue[LateOutcome] = asyncio.Queue()

    def __getattr__(self, name: str) -> Any:
        return getattr(self._inner, name)

    async def append(self, batch: Append) -> Sequence[Entry]:
        if batch.closes and batch.epoch == 1:
            self.reached.set()
            await asyncio.Event().wait()
        return await self._inner.append(batch)

    async def late(self, outcome: LateOutcome) -> bool:
        self.told.put_nowait(outcome)
        if self._away:
            raise StoreBusy("the database is away")
        return await self._inner.late(outcome)


@pytest.mark.parametrize("away", [False, True])
async def test_a_leg_that_is_cut_while_it_records_tells_it_too(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, away: bool
):
    tools = RecordingTools({"shop.pay": Scripted("paid", effect=IRREVERSIBLE)})
    platform = in_memory(ScriptedModel(pays), tools, [AgentDefinition(name="clerk", tools=("*",))], tmp_path)
    deaf = Deaf(platform.ports.journal, away=away)
    platform = bootstrap.assemble(replace(platform.ports, journal=cast("Journal", deaf)), Options())
    async with asyncio.timeout(PATIENCE), bootstrap.running(platform):
        run = await platform.engine.start(StartRun("go", agent="clerk"), ALICE)
        await deaf.reached.wait()
        await platform.ports.journal.recover()
        platform.ports.dispatch.publish([Hint(HintKind.CONTROL, run.id)])
        told = await deaf.told.get()
        assert (told.run_id, told.close.state) == (run.id, EffectState.DONE)
        expected = RunStatus.AWAITING_INPUT if away else RunStatus.COMPLETED
        while (await platform.ports.records.run("default", run.id)).status is not expected:
            await asyncio.sleep(0.002)
    assert len(tools.calls) == 1
    assert ("a late outcome is lost" in caplog.text) is away
