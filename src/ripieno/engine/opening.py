"""Opens a run: pins in its first entry all that its logic depends on, and builds that logic."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from ripieno.domain import ids, jsons
from ripieno.domain.agents import AgentDefinition, AgentLimits
from ripieno.domain.budgets import OnExceeded
from ripieno.domain.entries import EntryType, NewEntry
from ripieno.domain.jsons import Json, JsonObject
from ripieno.domain.runs import Limits, NewRun, Run, RunKind, queued
from ripieno.domain.sessions import Exchange
from ripieno.domain.tools import ToolContext, ToolSpec
from ripieno.engine.admission import Admission
from ripieno.engine.core import saga
from ripieno.engine.core.agent_loop import Job, agent_loop
from ripieno.engine.core.commands import Program
from ripieno.engine.core.handles import READING
from ripieno.engine.core.interrupted import account
from ripieno.engine.core.offering import USUAL_ROOM, Room, first_shown, search_tool
from ripieno.engine.core.patterns.review import Member, TeamJob, review_team
from ripieno.engine.instructions import render
from ripieno.engine.leg import Leg
from ripieno.engine.performers.own_tools import RESERVED, own_tools
from ripieno.engine.performers.tools import Workbench
from ripieno.ports import Artifacts, Clock, Definitions, Records, SchemaCheck, Toolset

HISTORY_LENGTH = 20

Select = Callable[[Sequence[ToolSpec], Sequence[str]], Sequence[ToolSpec]]
"""The tools that an agent's allow patterns name."""


WindowOf = Callable[[str, str], int | None]
"""How many tokens a model takes, by its name and the tenant that asks; None where nobody knows."""


def _of_nobody(model: str, tenant: str) -> int | None:
    del model, tenant
    return None


OwnModel = Callable[[str], str | None]
"""The default model that a tenant has of its own, where it goes before that of the settings."""


def no_own_model(tenant: str) -> str | None:
    """Tenants have none."""
    del tenant
    return None


@dataclass(frozen=True, slots=True)
class Surroundings:
    """What runs are started in. Each team of runs works in one folder below `workspaces`."""

    definitions: Definitions
    records: Records
    tools: Toolset
    check: SchemaCheck
    select: Select
    workspaces: Path
    admission: Admission
    artifacts: Artifacts
    default_model: str
    own_model: OwnModel = no_own_model
    model_seconds: float = 120.0
    window_of: WindowOf = _of_nobody
    room: Room = USUAL_ROOM
    """For how many tools a model has room."""
    run_limits: JsonObject = field(default_factory=dict[str, Json])
    """Limits of runs where neither agent nor request says anything."""

    def usual_model(self, tenant: str) -> str:
        """The model of agents that name none."""
        return self.own_model(tenant) or self.default_model

    def workspace(self, run: Run) -> Path:
        """The folder of a run, shared with its whole family."""
        return self.workspaces / run.root_id


class Opening:
    """Turns a claimed run into logic and a workbench."""

    def __init__(self, around: Surroundings, clock: Clock) -> None:
        self._around = around
        self._clock = clock

    async def open(self, leg: Leg) -> tuple[Program, Workbench]:
        """Build the run's logic from its first entry, which is written here if it is not there.

        Raises:
            NotFound: The agent, or a member of the team, does not exist.
            Invalid: The instructions cannot be rendered.
        """
        key = f"g{leg.run.generation}/start"
        if key not in leg.recorded:
            definition = await self._around.definitions.agent(leg.run.target)
            await leg.append(NewEntry(key, EntryType.RUN_STARTED, await self._pin(leg.run, definition)))
        pinned = leg.recorded[key].body
        definition = AgentDefinition.model_validate(pinned["definition"])
        workspace = self._around.workspace(leg.run)
        if leg.run.kind is RunKind.TEAM:
            return review_team(_team_job(leg.run, definition, pinned)), Workbench(definition, {}, workspace)
        specs = tuple(jsons.decode(ToolSpec, spec) for spec in pinned["tools"])
        if leg.run.kind in _WITHOUT_MODEL:
            program = _WITHOUT_MODEL[leg.run.kind](leg.run, pinned["data"])
            return program, Workbench(definition, {spec.name: spec for spec in specs}, workspace)
        job = replace(_agent_job(leg.run, definition, pinned, specs), model_seconds=self._around.model_seconds)
        bench = Workbench(definition, {spec.name: spec for spec in (*READING, *specs)}, workspace)
        return agent_loop(job, self._around.check), bench

    async def pinned(
        self, new: NewRun, definition: AgentDefinition, before: JsonObject | None, *, edited: bool
    ) -> JsonObject:
        """The first entry of a run that is a fork: what it shares with the one before is as it was pinned there.

        Raises as `open`.
        """
        run = queued(new, self._clock.now())
        if before is None or before["version"] != definition.version:
            return await self._pin(run, definition)
        model = run.input.model or before["model"]
        body = {**before, "model": model, "window": self._around.window_of(model, run.tenant)}
        if not edited:
            return body
        limits = self._limits(run, definition)
        task = {"goal": run.input.goal, "data": run.input.data, "limits": limits}
        return {**body, **task, "instructions": self._instructions(run, definition)}

    async def _pin(self, run: Run, definition: AgentDefinition) -> JsonObject:
        model = run.input.model or definition.model or self._around.usual_model(run.tenant)
        specs = await self._tools(run, definition)
        shown = first_shown(run.input.goal, specs, self._around.room)
        if shown is not None:
            specs = (search_tool(len(specs) - len(shown)), *specs)
        return {
            "definition": definition.model_dump(mode="json"),
            "version": definition.version,
            "goal": run.input.goal,
            "data": run.input.data,
            "purpose": run.input.purpose,
            "model": model,
            "instructions": self._instructions(run, definition),
            "limits": self._limits(run, definition),
            "tools": [jsons.encode(spec) for spec in specs],
            **({"shown": list(shown)} if shown is not None else {}),
            "members": [jsons.encode(member) for member in await self._members(run, definition)],
            "history": await self._history(run, definition),
            "window": self._around.window_of(model, run.tenant),
        }

    def _limits(self, run: Run, definition: AgentDefinition) -> JsonObject:
        limits = _limits(definition.limits, run.input.limits)
        unsaid = all(limit is None for limit in (limits.usd, limits.tokens, limits.effects))
        if unsaid and run.parent_id is None:
            limits = replace(limits, **self._around.run_limits)
        return jsons.encode(limits)

    def _instructions(self, run: Run, definition: AgentDefinition) -> str:
        given = {"goal": run.input.goal, "context": run.input.context, "session": run.session_id}
        today = self._clock.now().date().isoformat()
        return render(definition.instructions, {**given, "today": today})

    async def _members(self, run: Run, team: AgentDefinition) -> list[Member]:
        """The members as the planner sees them, with the names of the tools that they really have."""
        members = [await self._around.definitions.agent(name) for name in team.members]
        specs = await self._around.tools.list(self._listing(run, team)) if members else ()
        return [
            Member(
                name=member.name,
                role=member.role,
                description=member.description,
                capabilities=member.capabilities,
                tools=tuple(spec.name for spec in self._around.select(specs, member.tools)),
            )
            for member in members
        ]

    async def _history(self, run: Run, definition: AgentDefinition) -> list[JsonObject]:
        if not definition.memory.session or run.parent_id is not None or _opened_its_session(run):
            return []
        exchanges = await self._around.records.history(run.tenant, run.session_id, HISTORY_LENGTH)
        return [jsons.encode(await self._told(run.tenant, exchange)) for exchange in exchanges]

    async def _told(self, tenant: str, exchange: Exchange) -> Exchange:
        if not exchange.interrupted:
            return exchange
        entries = await self._around.records.entries(tenant, exchange.run_id)
        return replace(exchange, answer=account(entries))

    async def _tools(self, run: Run, definition: AgentDefinition) -> tuple[ToolSpec, ...]:
        if not definition.tools:
            return ()
        specs = await self._around.tools.list(self._listing(run, definition))
        found = self._around.select(specs, definition.tools)
        named = [pattern for pattern in definition.tools if pattern.partition(".")[0] in RESERVED]
        if not named:
            return tuple(found)
        own = own_tools(await self._around.definitions.agents(), definition)
        return (*found, *self._around.select(own, named))

    def _listing(self, run: Run, definition: AgentDefinition) -> ToolContext:
        return ToolContext(run.tenant, self._around.workspace(run), run.id, definition.name)


def _opened_its_session(run: Run) -> bool:
    """Nothing came before a run in the session that it opened, unless it begins anew."""
    return run.generation == 1 and run.session_id == ids.session_of(run.id)


def _one_call(run: Run, data: JsonObject) -> Program:
    return saga.one_call(data["tool"], data["arguments"], run.generation, data.get("idempotency_key"))


def _rollback(run: Run, data: JsonObject) -> Program:
    del run
    return saga.rollback(tuple(jsons.decode(saga.Undo, step) for step in data["steps"]))


_WITHOUT_MODEL: dict[RunKind, Callable[[Run, JsonObject], Program]] = {
    RunKind.TOOL: _one_call,
    RunKind.ROLLBACK: _rollback,
}
"""Runs that begin with a journal, whose first entry says what to do."""


def _agent_job(run: Run, definition: AgentDefinition, pinned: JsonObject, specs: tuple[ToolSpec, ...]) -> Job:
    return Job(
        definition=definition,
        input=run.input,
        instructions=pinned["instructions"],
        model=pinned["model"],
        limits=jsons.decode(Limits, pinned["limits"]),
        tools=specs,
        history=tuple(jsons.decode(Exchange, exchange) for exchange in pinned["history"]),
        generation=run.generation,
        window=pinned.get("window"),
        shown=tuple(pinned["shown"]) if "shown" in pinned else None,
    )


def _team_job(run: Run, definition: AgentDefinition, pinned: JsonObject) -> TeamJob:
    return TeamJob(
        definition=definition,
        members=tuple(jsons.decode(Member, member) for member in pinned["members"]),
        input=run.input,
        limits=jsons.decode(Limits, pinned["limits"]),
        generation=run.generation,
    )


def _limits(own: AgentLimits, asked: JsonObject) -> Limits:
    """The agent's limits, tightened by those of the request: a request cannot loosen them."""
    limits = own.model_dump(exclude={"concurrency"})  # says how many runs there may be, not what one may use
    for name, value in asked.items():
        if name == "on_exceeded":
            limits[name] = OnExceeded(value)
            continue
        limits[name] = value if limits.get(name) is None else min(limits[name], value)
    return Limits(**limits)
