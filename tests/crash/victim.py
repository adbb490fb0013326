"""A real process to be killed: a platform on SQLite whose model and tools leave a line with an outside witness.

    python victim.py FOLDER WITNESS RUNS [KILL_BEFORE|KILL_AFTER N]

It starts its runs once, answers unknown effects by asking the witness, and exits 0 when every run has ended. With a
fault point it kills itself with SIGKILL just before or just after the N-th commit of a journal batch.
"""

import asyncio
import os
import signal
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any, cast

from ripieno import bootstrap
from ripieno.bootstrap import Platform, Ports
from ripieno.clock import SystemClock
from ripieno.domain.agents import AgentDefinition
from ripieno.domain.effects import EffectClass
from ripieno.domain.entries import Entry
from ripieno.domain.interrupts import Decision, DecisionKind, Interrupt, InterruptKind, InterruptStatus
from ripieno.domain.messages import ModelRequest, Reply
from ripieno.domain.principals import Principal
from ripieno.domain.runs import TERMINAL
from ripieno.domain.tools import Risk, ToolCall, ToolContext, ToolResult, ToolSpec
from ripieno.engine.api import StartRun
from ripieno.engine.worker import Options
from ripieno.governance.risk import RiskGate
from ripieno.ports import Append, InterruptFilter, Journal, RunFilter
from ripieno.store.dispatch_local import LocalDispatch
from ripieno.store.embedded import open_store
from ripieno.testing.given_definitions import GivenDefinitions
from ripieno.testing.recording_tools import RecordingTools, Scripted
from ripieno.testing.scripted_model import ScriptedModel, calls, says, turn_of
from ripieno.tools import schemas

OPERATOR = Principal("operator")
TURNS = 3


class Witness:
    """A file that outlives every process. A line is in it before the call that it tells of returns."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def tell(self, *words: object) -> None:
        with self.path.open("ab", buffering=0) as file:
            file.write((" ".join(str(word) for word in words) + "\n").encode())

    def saw(self, *words: object) -> bool:
        return " ".join(str(word) for word in words) in self.path.read_text().splitlines()


class WitnessedTools(RecordingTools):
    """Tools that tell the witness on whose behalf they were called."""

    def __init__(self, witness: Witness) -> None:
        super().__init__(
            {
                "shop.look": "cheap",
                "shop.put": Scripted("stored", effect=EffectClass.IDEMPOTENT),
                "shop.pay": Scripted("paid", effect=EffectClass.IRREVERSIBLE),
            }
        )
        self._witness = witness

    async def call(self, call: ToolCall, context: ToolContext) -> ToolResult:
        self._witness.tell("tool", context.run_id, context.key, call.name)
        await asyncio.sleep(0.002)
        return await super().call(call, context)

    async def list(self, context: ToolContext) -> Sequence[ToolSpec]:
        return await super().list(context)


class FatalJournal:
    """Passes everything on, and dies at its fault point."""

    def __init__(self, inner: Any, before: int | None, after: int | None) -> None:
        self._inner = inner
        self._before = before
        self._after = after
        self._count = 0

    def __getattr__(self, name: str) -> Any:
        return getattr(self._inner, name)

    async def append(self, batch: Append) -> Sequence[Entry]:
        self._count += 1
        if self._count == self._before:
            os.kill(os.getpid(), signal.SIGKILL)
        entries = await self._inner.append(batch)
        if self._count == self._after:
            os.kill(os.getpid(), signal.SIGKILL)
        return entries


def model(witness: Witness) -> ScriptedModel:
    def answer(request: ModelRequest) -> Reply:
        turn = turn_of(request)
        goal = next(message.text for message in request.messages if message.role == "user")
        witness.tell("model", goal, turn + 1)
        if turn == TURNS:
            return says("done")
        return calls(("shop.look", {"n": turn}), ("shop.put", {"n": turn}), ("shop.pay", {"n": turn}))

    return ScriptedModel(answer, record=False)


async def settle(platform: Platform, witness: Witness, interrupt: Interrupt) -> None:
    """The operator looks at the world and says what became of an effect."""
    key = interrupt.key.partition("/unknown/")[0]
    happened = witness.saw("tool", interrupt.run_id, key, interrupt.request["tool"])
    kind = DecisionKind.COMMITTED if happened else DecisionKind.RETRY
    assert interrupt.kind is InterruptKind.UNKNOWN_EFFECT
    await platform.engine.decide(OPERATOR, interrupt.id, Decision(kind, OPERATOR.id, answer="paid"))


async def to_the_end(platform: Platform, witness: Witness, wanted: int) -> None:
    records = platform.ports.records
    there = await records.runs("default", RunFilter(), 1000)
    for number in range(len(there), wanted):
        await platform.engine.start(StartRun(f"goal-{number}", agent="clerk"), OPERATOR)
    while True:
        runs = await records.runs("default", RunFilter(), 1000)
        if len(runs) == wanted and all(run.status in TERMINAL for run in runs):
            return
        for interrupt in await records.interrupts("default", InterruptFilter(status=InterruptStatus.PENDING), 100):
            await settle(platform, witness, interrupt)
        await asyncio.sleep(0.01)


async def main(folder: Path, witness: Witness, wanted: int, before: int | None, after: int | None) -> None:
    clock, dispatch = SystemClock(), LocalDispatch()
    store = await open_store(folder, clock, dispatch)
    ports = Ports(
        clock=clock,
        dispatch=dispatch,
        journal=cast("Journal", FatalJournal(store.journal, before, after)),
        records=store.records,
        replies=store.replies,
        definitions=GivenDefinitions([AgentDefinition(name="clerk", tools=("*",))]),
        model=model(witness),
        tools=WitnessedTools(witness),
        gate=RiskGate(Risk.HIGH),
        check=schemas.check,
        workspaces=folder / "workspaces",
        default_model="scripted",
    )
    await store.journal.recover()
    async with bootstrap.running(bootstrap.assemble(ports, Options(slots=5))) as platform:
        await to_the_end(platform, witness, wanted)
    await store.close()


if __name__ == "__main__":
    point = {sys.argv[4]: int(sys.argv[5])} if len(sys.argv) > 4 else {}
    arguments = Path(sys.argv[1]), Witness(Path(sys.argv[2])), int(sys.argv[3])
    asyncio.run(main(*arguments, point.get("KILL_BEFORE"), point.get("KILL_AFTER")))
