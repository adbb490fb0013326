"""A rollback whose process dies at any of its commits, before or after it, is finished by the next one."""

from dataclasses import replace
from pathlib import Path
from typing import Any, cast

import pytest

from ripieno import bootstrap
from ripieno.bootstrap import Platform
from ripieno.domain.agents import AgentDefinition
from ripieno.domain.effects import EffectClass, EffectState
from ripieno.domain.runs import Run, RunStatus
from ripieno.domain.tools import Compensation
from ripieno.engine.past.rollback import RollbackWish
from ripieno.engine.worker import Options
from ripieno.ports import History, Journal
from ripieno.testing.platform import in_memory
from ripieno.testing.recording_tools import RecordingTools, Scripted
from ripieno.testing.scripted_model import ScriptedModel, calls, says
from tests.unit.engine.conftest import ALICE, Bench

SHOP: dict[str, Any] = {
    "shop.pay": Scripted("paid", effect=EffectClass.IRREVERSIBLE, compensate=Compensation("shop.refund")),
    "shop.refund": Scripted("refunded", effect=EffectClass.IDEMPOTENT),
}
COMMITS = ("append", "settle", "finish")


class Died(BaseException):
    """The process is gone."""


class Dying:
    """Dies at the given commit: before it, or when it is done and nobody has heard of it."""

    def __init__(self, inner: object, deaths: "Deaths") -> None:
        self._inner = inner
        self._deaths = deaths

    def __getattr__(self, name: str) -> Any:
        method = getattr(self._inner, name)
        if name not in COMMITS:
            return method

        async def commit(*given: Any) -> Any:
            self._deaths.count(before=True)
            answer = await method(*given)
            self._deaths.count(before=False)
            return answer

        return commit


class Deaths:
    """Counts commits, and kills at one of them."""

    def __init__(self, at: int, *, before: bool) -> None:
        self.at, self.before, self.counted, self.died = at, before, 0, False

    def count(self, *, before: bool) -> None:
        self.counted += before
        if not self.died and before == self.before and self.counted == self.at:
            self.died = True
            raise Died


async def until_it_dies(platform: Platform, undo: Run) -> None:
    async with bootstrap.running(platform):
        await platform.engine.wait(undo.tenant, undo.id, 20)
        raise Died


@pytest.mark.parametrize("before", [True, False])
@pytest.mark.parametrize("at", range(1, 10))
async def test_it_is_finished_and_nothing_is_undone_twice(tmp_path: Path, at: int, before: bool):
    script = [calls(("shop.pay", {"n": 1}), ("shop.pay", {"n": 2})), says("Paid.")]
    model, tools = ScriptedModel(script), RecordingTools(SHOP)
    made = in_memory(model, tools, [AgentDefinition(name="clerk", tools=("*",))], tmp_path)
    async with bootstrap.running(made) as platform:
        bench = Bench(platform, model, tools)
        run = await bench.ended(await bench.start())
    undo = await made.past.rollback(ALICE, run.id, RollbackWish())
    deaths = Deaths(at, before=before)
    ports = replace(
        made.ports,
        journal=cast("Journal", Dying(made.ports.journal, deaths)),
        history=cast("History", Dying(made.ports.history, deaths)),
    )
    with pytest.raises(BaseExceptionGroup):
        await until_it_dies(bootstrap.assemble(ports, Options()), undo)
    assert deaths.died
    await made.ports.journal.recover()
    async with bootstrap.running(bootstrap.assemble(made.ports, Options())) as platform:
        bench = Bench(platform, model, tools)
        undo = await bench.ended(undo)
        assert undo.status is RunStatus.COMPLETED
        effects = await made.ports.records.effects("default", run.id)
        assert [effect.state for effect in effects] == [EffectState.COMPENSATED] * 2
        refunds = [call for call in tools.calls if call.call.name == "shop.refund"]
        assert len({call.context.idempotency_key for call in refunds}) == 2
        assert {call.call.arguments["n"] for call in refunds} == {1, 2}
        assert len(refunds) <= 3
