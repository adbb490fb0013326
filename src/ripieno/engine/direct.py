"""Tool calls without an agent: one that could change the world is a small run of its own, with a ledger.

So it survives a crash, is never made twice under one idempotency key, and can be undone like anything else.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from ripieno.domain import ids, jsons
from ripieno.domain.agents import AgentDefinition
from ripieno.domain.effects import EffectClass
from ripieno.domain.entries import EntryType, NewEntry
from ripieno.domain.errors import CallUnfinished, Problem
from ripieno.domain.jsons import JsonObject
from ripieno.domain.past import Founding
from ripieno.domain.principals import Principal
from ripieno.domain.runs import TERMINAL, Limits, NewRun, Run, RunInput, RunKind
from ripieno.domain.tools import ToolResult, ToolSpec, ToolStatus
from ripieno.engine.api import Engine
from ripieno.ports import Clock, History, SchemaCheck

PATIENCE_SECONDS = 30.0
"""How long, beyond the tool's own time limit, a call is waited for."""


@dataclass(frozen=True, slots=True)
class DirectCall:
    """What to call. `id` is what a repeated request repeats: of reads the idempotency key, of others the run's id.

    With an `idempotency_key` it is the same call as one that was made under that key elsewhere.
    """

    tool: str
    arguments: JsonObject
    dry_run: bool = False
    id: str = ""
    idempotency_key: str | None = None


@dataclass(frozen=True, slots=True)
class Answered:
    """What came of it, and the run that did it where there is one. Not `new`: what came of it before."""

    result: ToolResult
    run_id: str | None = None
    new: bool = True


class DirectCalls:
    """Makes them."""

    def __init__(self, engine: Engine, history: History, check: SchemaCheck, clock: Clock) -> None:
        self._engine = engine
        self._history = history
        self._check = check
        self._clock = clock

    async def call(self, principal: Principal, call: DirectCall) -> Answered:
        """Call a tool; what the gate would ask a person about is refused.

        Raises:
            NotFound: No such tool.
            Halted: An operator has stopped it.
            CallUnfinished: It goes on, or nobody knows how it ended; asked again under its id, this tells more.
        """
        spec = await self._engine.admit(principal, call.tool, call.arguments)
        if isinstance(spec, ToolResult):
            return Answered(spec)
        if spec.effect is EffectClass.READ:
            result = await self._engine.call_tool(
                principal, call.tool, call.arguments, dry_run=call.dry_run, idempotency_key=call.id
            )
            return Answered(result)
        if problems := self._check(spec.input_schema, call.arguments):
            return Answered(_wrong(call.tool, problems))
        new = _new(principal, call, call.id or self._clock.new_id(ids.RUN))
        start = NewEntry("g1/start", EntryType.RUN_STARTED, _pinned(spec, call))
        founded = await self._history.found(Founding(new, (start,)))
        run = await self._engine.wait(principal.tenant, new.id, spec.timeout + PATIENCE_SECONDS)
        if run.status not in TERMINAL:
            raise CallUnfinished(
                f"{call.tool} has not ended; {run.id} is {run.status.value}, look at it", retry_after=5
            )
        return Answered(_result(run), run.id, founded)


def _new(principal: Principal, call: DirectCall, run_id: str) -> NewRun:
    return NewRun(
        id=run_id,
        tenant=principal.tenant,
        kind=RunKind.TOOL,
        target=call.tool,
        target_version="",
        session_id=ids.session_of(run_id),
        input=RunInput(_goal(call), {"tool": call.tool, "arguments": call.arguments}, "call"),
        created_by=principal.id,
        root_id=run_id,
        lane="interactive",
        dry_run=call.dry_run,
    )


def _pinned(spec: ToolSpec, call: DirectCall) -> JsonObject:
    definition = AgentDefinition(name="direct")
    return {
        "definition": definition.model_dump(mode="json"),
        "version": definition.version,
        "goal": _goal(call),
        "data": {"tool": call.tool, "arguments": call.arguments, "idempotency_key": call.idempotency_key},
        "purpose": "call",
        "model": "",
        "instructions": "",
        "limits": jsons.encode(Limits()),
        "tools": [jsons.encode(spec)],
        "members": [],
        "history": [],
    }


def _goal(call: DirectCall) -> str:
    return f"Call {call.tool}"


def _wrong(tool: str, problems: Sequence[Problem]) -> ToolResult:
    text = "; ".join(f"{problem.pointer or '/'}: {problem.detail}" for problem in problems)
    data = {"problems": [{"pointer": problem.pointer, "detail": problem.detail} for problem in problems]}
    return ToolResult(ToolStatus.INVALID_ARGUMENTS, f"the arguments of {tool} are wrong: {text}", data)


def _result(run: Run) -> ToolResult:
    """The tool's own result; of a run that was cancelled, or broke, what that says."""
    if run.result is not None and run.result.value is not None:
        return jsons.decode(ToolResult, run.result.value)
    why = run.result.error.detail if run.result and run.result.error else run.status.value
    return ToolResult(ToolStatus.LOST, f"{why}; the actions of {run.id} say how far it came")
