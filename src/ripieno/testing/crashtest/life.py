"""One life of the process that is killed: a whole platform on SQLite, from its start to the end of its runs."""

import asyncio
import signal
from collections.abc import Callable
from dataclasses import replace
from importlib import import_module
from typing import cast

from ripieno import bootstrap
from ripieno.bootstrap import Operating, Platform, Ports
from ripieno.clock import SystemClock
from ripieno.domain.agents import AgentDefinition
from ripieno.domain.errors import StoreBusy
from ripieno.domain.filters import RunFilter
from ripieno.domain.jsons import JsonObject
from ripieno.domain.runs import TERMINAL, Run, RunStatus
from ripieno.engine.api import StartRun
from ripieno.engine.worker import Options
from ripieno.governance.budgets import LeasedBudgets
from ripieno.governance.risk import RiskGate
from ripieno.models.providers.offline.model import OfflineModel
from ripieno.ports import Clock, Journal, Records
from ripieno.ports import Model as AnyModel
from ripieno.store.artifacts import StoredArtifacts
from ripieno.store.budgets import StoredBooks
from ripieno.store.dispatch_local import LocalDispatch
from ripieno.store.embedded import EmbeddedStore, open_store
from ripieno.store.shelves import FolderShelf
from ripieno.testing.crashtest.attendant import ATTENDANT, Attendant
from ripieno.testing.crashtest.boundaries import FatalJournal, Places
from ripieno.testing.crashtest.every_tool import call_every_tool
from ripieno.testing.crashtest.plans import TENANT, Life, Model, Plan
from ripieno.testing.crashtest.recorders import WitnessedModel, WitnessedTools, recorders
from ripieno.testing.crashtest.recording import RecordedModel, RecordedTools
from ripieno.testing.crashtest.witness import Witness
from ripieno.testing.given_definitions import GivenDefinitions
from ripieno.testing.memory_apis import apis_in_memory
from ripieno.testing.memory_mcp import mcp_in_memory
from ripieno.testing.memory_secrets import MemorySecrets
from ripieno.testing.memory_tool_rules import plane_in_memory
from ripieno.testing.scripted_model import ScriptedModel
from ripieno.tools import schemas

POLL_SECONDS = 0.005
RETRY_SECONDS = 0.1
PAGE = 1000
OPTIONS = Options(slots=8, poll_seconds=0.1, deaths=1_000_000)
"""However often a process dies, it is never a run that killed it."""

RESTING = frozenset(RunStatus) - {RunStatus.QUEUED, RunStatus.RUNNING}
"""Where runs stay when nobody answers them."""

ENDED, STOPPED = 0, 3
"""Exit codes: nothing is left to do; SIGTERM came first."""


async def live(life: Life, clock: Clock | None = None) -> int:
    """Live, and tell the witness. Answers `ENDED` or `STOPPED`; with a fault it may not answer at all."""
    witness, clock, dispatch = Witness(life.witness, life.number), clock or SystemClock(), LocalDispatch()
    store = await open_store(life.data, clock, dispatch)
    witness.tell("born", runs=await _standing(store.records))
    ports = _rigged(life.plan, _ports(life, store, clock, dispatch))
    places = Places([life.plan.run_id(number) for number in range(life.plan.runs)])
    witnessed = replace(
        ports,
        journal=cast("Journal", FatalJournal(ports.journal, witness, places, life.fault)),
        model=WitnessedModel(ports.model, witness),
        tools=WitnessedTools(ports.tools, witness),
    )
    await ports.journal.recover()
    stop = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, stop.set)
    async with bootstrap.running(bootstrap.assemble(witnessed, OPTIONS)) as platform:
        person = Attendant(platform, ports.tools, witness, life.plan.recording)
        attendant = person if life.attended else None
        code = await _to_the_end(platform, life.plan, attendant, stop)
    witness.tell("rested", runs=await _standing(store.records))
    await store.close()
    return code


def _ports(life: Life, store: EmbeddedStore, clock: Clock, dispatch: LocalDispatch) -> Ports:
    plan, secrets = life.plan, MemorySecrets(clock)
    tools = recorders(plan.tools, schemas.check, plan.latency)
    return Ports(
        clock=clock,
        dispatch=dispatch,
        journal=store.journal,
        records=store.records,
        replies=store.replies,
        history=store.history,
        operating=Operating.on(store.frames),
        definitions=GivenDefinitions([_by_hand(agent) for agent in plan.agents]),
        secrets=secrets,
        artifacts=StoredArtifacts(store.frames, clock, {"folder": FolderShelf(life.folder / "artifacts")}, "folder"),
        apis=apis_in_memory(clock, secrets),
        plane=plane_in_memory(clock),
        mcp=mcp_in_memory(clock, secrets),
        budgets=LeasedBudgets(StoredBooks(store.frames), clock),
        model=_model(plan),
        tools=RecordedTools(tools, plan.recording.results) if plan.recording else tools,
        gate=RiskGate(plan.ask_from),
        check=schemas.check,
        workspaces=life.folder / "workspaces",
        default_model="offline",
    )


def _by_hand(agent: AgentDefinition) -> AgentDefinition:
    """Its own schedule would start runs that nobody counts."""
    return agent.model_copy(update={"schedule": None})


def _model(plan: Plan) -> AnyModel:
    if plan.recording is not None:
        return RecordedModel(plan.recording.replies)
    return ScriptedModel(call_every_tool, record=False) if plan.model is Model.SCRIPTED else OfflineModel()


def _rigged(plan: Plan, ports: Ports) -> Ports:
    if not plan.rig:
        return ports
    module, _, name = plan.rig.partition(":")
    rig = cast("Callable[[Ports], Ports]", getattr(import_module(module), name))
    return rig(ports)


async def _to_the_end(platform: Platform, plan: Plan, attendant: Attendant | None, stop: asyncio.Event) -> int:
    for number in range(plan.runs):
        await _begin(platform, plan, plan.run_id(number))
    while not stop.is_set():
        runs = await platform.ports.records.runs(TENANT, RunFilter(), PAGE)
        resting = TERMINAL if attendant is not None else RESTING
        # The store may show a commit before the one who made it has told the witness.
        if all(run.status in resting for run in runs) and not platform.worker.busy:
            return ENDED
        if attendant is not None:
            await attendant.attend()
        await platform.ports.clock.sleep(POLL_SECONDS)
    return STOPPED


async def _begin(platform: Platform, plan: Plan, run_id: str) -> None:
    """Start a run, however long the store takes nothing."""
    while True:
        try:
            await platform.engine.start(
                StartRun(plan.goal, agent=plan.agent, data=plan.recording.data if plan.recording else None),
                ATTENDANT,
                run_id,
            )
        except StoreBusy:
            await platform.ports.clock.sleep(RETRY_SECONDS)
        else:
            return


async def _standing(records: Records) -> list[JsonObject]:
    """What the store holds about every run."""
    return [await _of(records, run) for run in await records.runs(TENANT, RunFilter(), PAGE)]


async def _of(records: Records, run: Run) -> JsonObject:
    entries = await records.entries(TENANT, run.id, limit=PAGE)
    return {
        "run": run.id,
        "agent": run.target,
        "status": run.status.value,
        "reason": run.exit_reason.value if run.exit_reason else None,
        "last_seq": run.last_seq,
        "entries": [[entry.seq, entry.key, entry.type.value, entry.body.get("fingerprint")] for entry in entries],
        "effects": [
            [effect.key, effect.attempt, effect.tool, effect.state.value]
            for effect in await records.effects(TENANT, run.id)
        ],
    }
