"""Performs one tool call: check → gate → person? → intent → act → outcome."""

import asyncio
import difflib
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from ripieno.domain import ids, jsons
from ripieno.domain.agents import AgentDefinition
from ripieno.domain.batches import EffectClose, Standing
from ripieno.domain.effects import Effect, EffectClass, EffectState
from ripieno.domain.entries import Entry, EntryType, NewEntry
from ripieno.domain.interrupts import Decision, DecisionKind, InterruptKind
from ripieno.domain.jsons import JsonObject
from ripieno.domain.policies import Action, Ruling, Verdict
from ripieno.domain.tools import UNSEEN, ToolCall, ToolContext, ToolResult, ToolSpec, ToolStatus
from ripieno.engine.core.commands import CallEnded, PlannedCall
from ripieno.engine.leg import Leg
from ripieno.engine.performers.own_tools import SOURCE, OwnToolPerformer
from ripieno.engine.performers.people import PeoplePerformer, Question
from ripieno.ports import Clock, Gate, SchemaCheck, Toolset

MAX_ATTEMPTS = 3
SEND_SECONDS = 30.0
"""How long after its intent a call may be made. One that waits longer is not made at all."""

CLOSED_AS = {ToolStatus.OK: EffectState.DONE, **dict.fromkeys(UNSEEN, EffectState.UNKNOWN)}


@dataclass(frozen=True, slots=True)
class Workbench:
    """What one agent may use in one run."""

    definition: AgentDefinition
    specs: dict[str, ToolSpec]
    workspace: Path


@dataclass(frozen=True, slots=True)
class Rules:
    """What decides whether a call may be made as it is."""

    gate: Gate
    check: SchemaCheck


@dataclass(frozen=True, slots=True)
class _Act:
    """A call on its way to the tool."""

    planned: PlannedCall
    spec: ToolSpec
    arguments: JsonObject
    attempt: int = 1


class ToolPerformer:
    """Takes each call through the gate, the ledger and the toolset."""

    def __init__(
        self, tools: Toolset, own: OwnToolPerformer, rules: Rules, people: PeoplePerformer, clock: Clock
    ) -> None:
        self._tools = tools
        self._own = own
        self._gate = rules.gate
        self._check = rules.check
        self._people = people
        self._clock = clock

    async def perform(self, leg: Leg, bench: Workbench, planned: PlannedCall) -> CallEnded:
        """The outcome, from the journal where it is there.

        Raises:
            Blocked: A person has to decide first.
            IntentRefused: The run is being cancelled or is held.
        """
        if entry := leg.recorded.get(planned.key):
            return _recorded(entry)
        spec = bench.specs.get(planned.call.name)
        permitted = await self._permit(leg, bench, planned, spec)
        if isinstance(permitted, ToolResult):
            return await self._refuse(leg, planned, permitted)
        if permitted.spec.source == SOURCE:
            result = await self._own.perform(leg, planned.key, permitted.spec, permitted.arguments)
            return await self._record(leg, permitted, result)
        if permitted.spec.effect is EffectClass.READ:
            result, ms = await self._call(leg, bench, permitted)
            return await self._record(leg, permitted, result, ms=ms)
        if leg.run.dry_run:
            text = f"dry run: {permitted.spec.name} would be called with {jsons.canonical(permitted.arguments)}"
            return await self._record(leg, permitted, ToolResult(ToolStatus.OK, text))
        return await self._act_once(leg, bench, permitted)

    # -- may it? -------------------------------------------------------------------------------------------------

    def _wrong_arguments(self, spec: ToolSpec, call: ToolCall) -> ToolResult | None:
        if call.malformed is not None:
            text = f"the arguments are not a JSON object: {call.malformed[:200]}"
            return ToolResult(ToolStatus.INVALID_ARGUMENTS, text)
        problems = self._check(spec.input_schema, call.arguments)
        if not problems:
            return None
        text = "; ".join(f"{problem.pointer or '/'}: {problem.detail}" for problem in problems)
        return ToolResult(ToolStatus.INVALID_ARGUMENTS, text)

    async def _permit(
        self, leg: Leg, bench: Workbench, planned: PlannedCall, spec: ToolSpec | None
    ) -> _Act | ToolResult:
        """The call as it may be made, its arguments perhaps edited by a person; or the refusal."""
        if spec is None:
            return _unknown(bench, planned.call.name)
        act = _Act(planned, spec, planned.call.arguments)
        if wrong := self._wrong_arguments(spec, planned.call):
            return wrong
        verdict = self._rule(leg, bench, act)
        if verdict.ruling is Ruling.DENY:
            return _denied("; ".join(verdict.reasons) or "policy forbids it")
        if verdict.ruling is Ruling.ALLOW:
            return act
        decision = await self._people.ask(leg, f"{act.planned.key}/approval", _approval(bench, act, verdict))
        if decision.kind is not DecisionKind.APPROVE:
            return _denied(f"{decision.decided_by} said no" + (f": {decision.reason}" if decision.reason else ""))
        return act if decision.arguments is None else self._edited(leg, bench, act, decision.arguments)

    def _edited(self, leg: Leg, bench: Workbench, act: _Act, arguments: JsonObject) -> _Act | ToolResult:
        edited = replace(act, arguments=arguments)
        if self._rule(leg, bench, edited).ruling is Ruling.DENY:
            return _denied("policy forbids the edited arguments")
        return self._wrong_arguments(act.spec, replace(act.planned.call, arguments=arguments)) or edited

    def _rule(self, leg: Leg, bench: Workbench, act: _Act) -> Verdict:
        approvals = bench.definition.approvals
        action = Action(
            leg.run.tenant, bench.definition.name, act.spec, act.arguments, approvals, requested_by=leg.run.created_by
        )
        return self._gate.decide(action)

    # -- once ----------------------------------------------------------------------------------------------------

    async def _act_once(self, leg: Leg, bench: Workbench, act: _Act) -> CallEnded:
        """Intent first, then the act; what nobody saw end is repeated only if its class allows."""
        before = leg.attempts(act.planned.key)
        if before and before[-1].effect is not EffectClass.IDEMPOTENT:
            decision = await self._what_happened(leg, act, before[-1])
            if decision.kind is not DecisionKind.RETRY:
                return await self._settle(leg, act, before[-1], decision)
        act = replace(act, attempt=len(before) + 1)
        await leg.may_act()
        # From the commit of the intent to that of the outcome the run must not be let go: between them it is unknown.
        leg.effects_in_flight += 1
        try:
            await self._intend(leg, act, _superseded(before))
            result, ms = await self._call_or_tell(leg, bench, act)
            again = result.status in UNSEEN and act.attempt < MAX_ATTEMPTS
            if not again:
                return await self._close(leg, act, result, ms)
        finally:
            leg.effects_in_flight -= 1
        return await self._act_once(leg, bench, act)

    async def _call_or_tell(self, leg: Leg, bench: Workbench, act: _Act) -> tuple[ToolResult, float]:
        """Call it; where a cancellation of the run cuts the call off, that is its outcome."""
        began = self._clock.monotonic()
        try:
            return await self._call(leg, bench, act)
        except asyncio.CancelledError:
            if leg.cancelled:
                await self._close(leg, act, _cut_off(act), round((self._clock.monotonic() - began) * 1000, 3))
            raise

    async def _what_happened(self, leg: Leg, act: _Act, last: Effect) -> Decision:
        """Ask a person about an attempt that may or may not have reached the world."""
        unknown = EffectClose(last.key, last.attempt, EffectState.UNKNOWN)
        return await self._people.ask(leg, f"{last.key}/unknown/{last.attempt}", _lost(act, last), unknown)

    async def _close(self, leg: Leg, act: _Act, result: ToolResult, ms: float) -> CallEnded:
        state = CLOSED_AS.get(result.status, EffectState.FAILED)
        return await self._record(leg, act, result, ms=ms, close=EffectClose(act.planned.key, act.attempt, state))

    async def _intend(self, leg: Leg, act: _Act, superseded: EffectClose | None) -> None:
        key = act.planned.key
        effect = Effect(
            run_id=leg.run.id,
            key=key,
            attempt=act.attempt,
            tool=act.spec.name,
            effect=act.spec.effect,
            state=EffectState.INTENDED,
            idempotency_key=ids.idempotency_key(leg.run.id, key),
            arguments_hash=jsons.digest(act.arguments),
        )
        body = {
            "tool": act.spec.name,
            "arguments": act.arguments,
            "effect": act.spec.effect.value,
            "attempt": act.attempt,
            "idempotency_key": effect.idempotency_key,
        }
        entry = NewEntry(f"{key}/intent/{act.attempt}", EntryType.EFFECT_INTENDED, body)
        await leg.append(entry, intent=effect, close=superseded)

    async def _settle(self, leg: Leg, act: _Act, last: Effect, decision: Decision) -> CallEnded:
        """A person says what became of an attempt that nobody saw end."""
        if decision.kind is DecisionKind.COMMITTED:
            answer = decision.answer if decision.answer is not None else "it happened"
            text = answer if isinstance(answer, str) else jsons.canonical(answer)
            result, state = ToolResult(ToolStatus.OK, text, answer), EffectState.DONE
        else:
            detail = f"given up by {decision.decided_by}; nobody knows whether it happened"
            result, state = ToolResult(ToolStatus.ERROR, detail), EffectState.ABANDONED
        close = EffectClose(act.planned.key, last.attempt, state)
        return await self._record(leg, replace(act, attempt=last.attempt), result, close=close)

    # -- act and write down --------------------------------------------------------------------------------------

    async def _call(self, leg: Leg, bench: Workbench, act: _Act) -> tuple[ToolResult, float]:
        key = act.planned.key
        context = ToolContext(
            tenant=leg.run.tenant,
            workspace=bench.workspace,
            run_id=leg.run.id,
            agent=bench.definition.name,
            key=key,
            idempotency_key=ids.idempotency_key(leg.run.id, key),
            attempt=act.attempt,
            dry_run=leg.run.dry_run,
            deadline=leg.run.deadline,
            may_begin=self._window(leg, act),
        )
        began = self._clock.monotonic()
        result = await self._tools.call(replace(act.planned.call, arguments=act.arguments), context)
        return result, round((self._clock.monotonic() - began) * 1000, 3)

    def _window(self, leg: Leg, act: _Act) -> Callable[[], bool]:
        """Whether a call whose intent was just committed may still be made. Reading is always allowed."""
        if act.spec.effect is EffectClass.READ:
            return lambda: True
        until = self._clock.monotonic() + SEND_SECONDS
        return lambda: leg.standing() is Standing.SURE and self._clock.monotonic() <= until

    async def _refuse(self, leg: Leg, planned: PlannedCall, result: ToolResult) -> CallEnded:
        spec = ToolSpec(planned.call.name, "", {}, effect=EffectClass.READ)
        return await self._record(leg, _Act(planned, spec, planned.call.arguments), result)

    async def _record(
        self, leg: Leg, act: _Act, result: ToolResult, *, ms: float = 0.0, close: EffectClose | None = None
    ) -> CallEnded:
        planned, call = act.planned, replace(act.planned.call, arguments=act.arguments)
        body = {
            "call": jsons.encode(call),
            "result": jsons.encode(result),
            "effect": act.spec.effect.value,
            "attempt": act.attempt,
            "ms": ms,
            "evidence_id": planned.evidence_id,
        }
        await leg.append(NewEntry(planned.key, EntryType.TOOL_RETURNED, body), close=close)
        return CallEnded(call, result, planned.evidence_id, ms)


def _unknown(bench: Workbench, name: str) -> ToolResult:
    """The agent was not given such a tool, whether or not there is one: nothing is called."""
    near = difflib.get_close_matches(name, bench.specs)
    hint = f"did you mean {', '.join(near)}?" if near else None
    return ToolResult(ToolStatus.UNKNOWN_TOOL, f"{bench.definition.name} has no tool {name}", hint=hint)


def _cut_off(act: _Act) -> ToolResult:
    text = f"{act.spec.name} was cut off when the run was cancelled. It is not known whether it took effect."
    return ToolResult(ToolStatus.LOST, text)


def _superseded(before: Sequence[Effect]) -> EffectClose | None:
    """Closes the attempt before: under the same key it does not matter any more, or a person said that it failed."""
    if not before:
        return None
    last = before[-1]
    state = EffectState.ABANDONED if last.effect is EffectClass.IDEMPOTENT else EffectState.FAILED
    return EffectClose(last.key, last.attempt, state)


def _denied(text: str) -> ToolResult:
    return ToolResult(ToolStatus.DENIED, text)


def _approval(bench: Workbench, act: _Act, verdict: Verdict) -> Question:
    subject = [act.spec.name, act.arguments, bench.definition.version]
    request = {
        "tool": act.spec.name,
        "arguments": act.arguments,
        "description": act.spec.description,
        "input_schema": act.spec.input_schema,
        "agent": bench.definition.name,
    }
    return Question(InterruptKind.APPROVAL, jsons.digest(subject), request, verdict.risk, verdict.reasons)


def _lost(act: _Act, last: Effect) -> Question:
    request = {
        "tool": last.tool,
        "arguments": act.arguments,
        "attempt": last.attempt,
        "idempotency_key": last.idempotency_key,
    }
    reasons = ("this call was begun, and nobody saw how it ended",)
    return Question(InterruptKind.UNKNOWN_EFFECT, jsons.digest([last.tool, act.arguments]), request, "high", reasons)


def _recorded(entry: Entry) -> CallEnded:
    body = entry.body
    call, result = jsons.decode(ToolCall, body["call"]), jsons.decode(ToolResult, body["result"])
    return CallEnded(call, result, body["evidence_id"], body["ms"])
