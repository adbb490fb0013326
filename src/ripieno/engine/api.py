"""The engine as others see it: start, watch, decide, cancel, pause, call a tool."""

import difflib
from collections.abc import AsyncGenerator, AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from datetime import datetime

from ripieno.domain import ids
from ripieno.domain.agents import AgentDefinition
from ripieno.domain.entries import ENDINGS, Entry
from ripieno.domain.errors import AdmissionClosed, Invalid, NotFound, WhichInterrupt
from ripieno.domain.filters import InterruptFilter
from ripieno.domain.halts import Subject
from ripieno.domain.hints import HintKind
from ripieno.domain.interrupts import Decision, Interrupt, InterruptKind, InterruptStatus
from ripieno.domain.jsons import Json, JsonObject
from ripieno.domain.policies import Action, Ruling
from ripieno.domain.principals import Principal
from ripieno.domain.runs import TERMINAL, Multitask, NewRun, Run, RunInput, RunKind, RunStatus, queued
from ripieno.domain.tools import ToolCall, ToolContext, ToolResult, ToolSpec, ToolStatus
from ripieno.engine.attaching import attached
from ripieno.engine.core.matching import best_agent
from ripieno.engine.fanout import Fanout, heard
from ripieno.engine.halting import Halting
from ripieno.engine.opening import Surroundings
from ripieno.ports import Clock, Dispatch, Gate, Journal

DEFAULT_AGENT = "default"
PAGE = 500
POLL_SECONDS = 2.0
FOR_A_PERSON = frozenset({RunStatus.AWAITING_APPROVAL, RunStatus.AWAITING_INPUT})


@dataclass(frozen=True, slots=True)
class StartRun:
    """What to run. `limits` may hold max_turns, seconds, usd, tokens, effects, and only tightens the agent's own."""

    goal: str
    agent: str | None = None
    session_id: str | None = None
    context: JsonObject = field(default_factory=dict[str, Json])
    data: JsonObject | None = None
    limits: JsonObject = field(default_factory=dict[str, Json])
    deadline: datetime | None = None
    model: str | None = None
    priority: int = 0
    lane: str = "default"
    multitask: Multitask = Multitask.ENQUEUE
    dry_run: bool = False
    metadata: JsonObject = field(default_factory=dict[str, Json])
    purpose: str = "act"
    attachments: tuple[str, ...] = ()
    """Ids of artifacts."""


class Engine:
    """The facade. Every method names on whose behalf it acts."""

    def __init__(
        self, journal: Journal, around: Surroundings, gate: Gate, dispatch: Dispatch, clock: Clock, halting: Halting
    ) -> None:
        self._journal = journal
        self._around = around
        self._gate = gate
        self._clock = clock
        self._fanout = Fanout(dispatch)
        self._halting = halting

    # -- runs ----------------------------------------------------------------------------------------------------

    async def start(self, request: StartRun, principal: Principal, run_id: str | None = None) -> Run:
        """Queue a run. With the id of a run that exists, answer that run instead.

        Raises:
            NotFound: No such agent or session.
            Invalid: The agent is a team that cannot work, or there is no such attachment.
            AdmissionClosed: Too many runs are queued.
            SessionBusy: Another run of the session has not ended, and this one was not to wait.
        """
        definition = await self._around.definitions.agent(request.agent or DEFAULT_AGENT)
        if request.session_id is not None:
            await self._around.records.session(principal.tenant, request.session_id)
        try:
            await self._around.admission.admit(principal.tenant)
        except AdmissionClosed as closed:
            return await self._started_before(principal, run_id or "", closed)
        run_id = run_id or self._clock.new_id(ids.RUN)
        attachments = await attached(self._around.artifacts, principal.tenant, request.attachments)
        new = NewRun(
            id=run_id,
            tenant=principal.tenant,
            kind=RunKind.TEAM if definition.is_team else RunKind.AGENT,
            target=definition.name,
            target_version=definition.version,
            session_id=request.session_id or ids.session_of(run_id),
            input=replace(_input(request), attachments=attachments),
            created_by=principal.id,
            root_id=run_id,
            lane=request.lane,
            priority=request.priority,
            deadline=request.deadline,
            dry_run=request.dry_run,
            metadata=request.metadata,
            multitask=request.multitask if request.session_id is not None else None,
        )
        if not await self._journal.start(new) or new.multitask is not None:
            return await self._around.records.run(principal.tenant, run_id)
        return queued(new, self._clock.now())

    async def _started_before(self, principal: Principal, run_id: str, closed: AdmissionClosed) -> Run:
        """The run of a request that is made again; without one the refusal stands."""
        try:
            return await self._around.records.run(principal.tenant, run_id)
        except NotFound:
            raise closed from None

    async def wait(self, tenant: str, run_id: str, seconds: float) -> Run:
        """The run, when it has ended or waits for a person, or when the time is up. Raises `NotFound`."""
        ends = self._clock.monotonic() + seconds
        with self._fanout.waiting(run_id, HintKind.STATUS) as news:
            while True:
                news.clear()
                run = await self._around.records.run(tenant, run_id)
                left = ends - self._clock.monotonic()
                if run.status in TERMINAL or run.status in FOR_A_PERSON or left <= 0:
                    return run
                await heard(news, min(left, POLL_SECONDS))

    async def watch(self, tenant: str, run_id: str, after: int = 0) -> AsyncGenerator[Entry]:
        """The run's entries with `seq` over `after`, as they come; ends after the last one. Raises `NotFound`."""
        await self._around.records.run(tenant, run_id)
        with self._fanout.waiting(run_id, HintKind.PROGRESS, HintKind.STATUS) as news:
            while True:
                news.clear()
                page = await self._around.records.entries(tenant, run_id, after, PAGE)
                for entry in page:
                    yield entry
                    if entry.type in ENDINGS and await self._is_last(tenant, entry):
                        return
                    after = entry.seq
                if not page:
                    await heard(news, POLL_SECONDS)

    async def _is_last(self, tenant: str, ending: Entry) -> bool:
        """Whether the run ended there for good: a retry writes on."""
        return (await self._around.records.run(tenant, ending.run_id)).last_seq == ending.seq

    @asynccontextmanager
    async def deltas(self, run_id: str) -> AsyncGenerator[AsyncIterator[str]]:
        """The pieces of the run's answers as its model streams them; those of its children are not among them."""
        with self._fanout.deltas(run_id) as pieces:
            yield pieces

    async def cancel(self, principal: Principal, run_id: str, reason: str = "") -> Run:
        """Cancel a run and its children. Raises `NotFound`, `RunEnded`."""
        return await self._journal.cancel(principal.tenant, run_id, principal.id, reason)

    async def pause(self, principal: Principal, run_id: str) -> Run:
        """Hold a run. Raises `NotFound`, `RunEnded`."""
        return await self._journal.pause(principal.tenant, run_id, principal.id)

    async def resume(self, principal: Principal, run_id: str) -> Run:
        """Let a held run go on. Raises `NotFound`, `RunEnded`, `NotHeld`."""
        return await self._journal.resume(principal.tenant, run_id, principal.id)

    # -- people --------------------------------------------------------------------------------------------------

    async def decide(self, principal: Principal, interrupt_id: str, decision: Decision) -> Interrupt:
        """Decide an interrupt; edited arguments and filled forms are checked against the schema that was shown.

        Raises:
            NotFound, AlreadyDecided, InterruptExpired, NotAssignee, OwnRequest, AlreadyVoted: See `Journal.decide`.
            Invalid: The edited arguments or the answer break the schema, or the decision does not fit the interrupt.
        """
        if decision.arguments is not None or decision.answer is not None:
            self._must_fit(await self._around.records.interrupt(principal.tenant, interrupt_id), decision)
        return await self._journal.decide(principal.tenant, interrupt_id, decision, principal.roles)

    def _must_fit(self, asked: Interrupt, decision: Decision) -> None:
        if decision.arguments is not None:
            problems = self._around.check(asked.request.get("input_schema", {}), decision.arguments)
            if problems:
                raise Invalid("the edited arguments do not fit the tool", problems)
        form = asked.request.get("schema") if asked.kind is InterruptKind.QUESTION else None
        if form is not None and decision.answer is not None and (problems := self._around.check(form, decision.answer)):
            raise Invalid("the answer does not fit the form that was asked for", problems)

    async def delegate(self, principal: Principal, interrupt_id: str, to: Sequence[str]) -> Interrupt:
        """Put a question to others. Raises as `decide`."""
        return await self._journal.delegate(principal, interrupt_id, to)

    async def escalate(self, principal: Principal, interrupt_id: str) -> Interrupt:
        """Put a question to those above, with new time. Raises as `decide`, and `AlreadyEscalated`."""
        return await self._journal.escalate(principal, interrupt_id)

    async def open_interrupt(
        self, tenant: str, run_id: str, interrupt_id: str | None, kind: InterruptKind | None
    ) -> Interrupt:
        """The named interrupt of a run, or its only open one.

        Raises:
            NotFound: No such run, or the interrupt is not this run's.
            WhichInterrupt: None is open, or several are.
        """
        await self._around.records.run(tenant, run_id)
        if interrupt_id is not None:
            interrupt = await self._around.records.interrupt(tenant, interrupt_id)
            if interrupt.run_id != run_id:
                raise NotFound("interrupt", interrupt_id)
            return interrupt
        which = InterruptFilter(kind, InterruptStatus.PENDING, run_id)
        found = await self._around.records.interrupts(tenant, which, limit=PAGE)
        if len(found) != 1:
            raise WhichInterrupt(run_id, [interrupt.id for interrupt in found], kind or "interrupt")
        return found[0]

    # -- tools and agents ----------------------------------------------------------------------------------------

    async def tools(self, tenant: str) -> Sequence[ToolSpec]:
        """Every tool there is."""
        return await self._around.tools.list(self._direct(tenant))

    async def call_tool(
        self,
        principal: Principal,
        name: str,
        arguments: JsonObject,
        *,
        dry_run: bool = False,
        idempotency_key: str = "",
    ) -> ToolResult:
        """Call a tool directly, outside any run; what the gate would ask a person about is refused here.

        Raises:
            NotFound: No such tool.
            Halted: An operator has stopped it.
        """
        spec = await self.admit(principal, name, arguments)
        if isinstance(spec, ToolResult):
            return spec
        if dry_run:
            return ToolResult(ToolStatus.OK, f"dry run: {name} would be called")
        call = ToolCall(idempotency_key or "direct", name, arguments)
        return await self._around.tools.call(call, self._direct(principal.tenant, idempotency_key))

    async def admit(self, principal: Principal, name: str, arguments: JsonObject) -> ToolSpec | ToolResult:
        """The tool, if it may be called directly; else the refusal. Raises as `call_tool`."""
        self._halting.refuse(Subject(principal.tenant, tool=name))
        specs = {spec.name: spec for spec in await self.tools(principal.tenant)}
        spec = specs.get(name)
        if spec is None:
            raise NotFound("tool", name, difflib.get_close_matches(name, specs))
        verdict = self._gate.decide(Action(principal.tenant, "", spec, arguments, requested_by=principal.id))
        if verdict.ruling is not Ruling.ALLOW:
            text = "; ".join(verdict.reasons) or "not allowed"
            return ToolResult(ToolStatus.DENIED, text, hint="start a run, in which a person can approve the call")
        return spec

    async def match(self, tenant: str, goal: str, among: Sequence[str] | None = None) -> AgentDefinition:
        """The agent that fits a goal best. Raises `NotFound` for a name in `among` that does not exist."""
        del tenant  # agents are shared by all tenants
        if among:
            agents = [await self._around.definitions.agent(name) for name in among]
        else:
            agents = list(await self._around.definitions.agents())
        found = best_agent(goal, agents, DEFAULT_AGENT)
        if found is None:
            raise NotFound("agent", DEFAULT_AGENT)
        return found

    def _direct(self, tenant: str, idempotency_key: str = "") -> ToolContext:
        return ToolContext(tenant, self._around.workspaces / "direct", idempotency_key=idempotency_key)


def _input(request: StartRun) -> RunInput:
    return RunInput(
        request.goal, request.data, request.purpose, request.context, model=request.model, limits=request.limits
    )
