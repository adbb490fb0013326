"""Performs one tool call: check → gate → person? → intent → act → outcome."""

import asyncio
import difflib
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from ripieno.domain import ids, jsons
from ripieno.domain.agents import AgentDefinition
from ripieno.domain.batches import EffectClose, Standing
from ripieno.domain.budgets import Amount
from ripieno.domain.effects import Effect, EffectClass, EffectState
from ripieno.domain.entries import Entry, EntryType, InboxRow, NewEntry
from ripieno.domain.errors import LegLost
from ripieno.domain.interrupts import Decision, DecisionKind, InterruptKind
from ripieno.domain.jsons import JsonObject
from ripieno.domain.tools import UNMADE, UNSEEN, ToolCall, ToolContext, ToolResult, ToolSpec, ToolStatus
from ripieno.engine.core.commands import CallEnded, PlannedCall
from ripieno.engine.core.offering import SEARCH, searched
from ripieno.engine.leg import Leg
from ripieno.engine.performers.inputs import NOTHING, Gathered, InputPerformer
from ripieno.engine.performers.own_tools import SOURCE, OwnToolPerformer
from ripieno.engine.performers.people import PeoplePerformer, Question
from ripieno.engine.performers.permits import Permits, Wish
from ripieno.engine.performers.reconciling import Doubt, Reconciler
from ripieno.engine.performers.spending import Checks, Overspent
from ripieno.ports import Clock, Toolset

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
class _Act:
    """A call on its way to the tool."""

    planned: PlannedCall
    spec: ToolSpec
    arguments: JsonObject
    attempt: int = 1
    given: Gathered = NOTHING


class ToolPerformer:
    """Takes each call through the gate, the ledger and the toolset."""

    def __init__(
        self,
        tools: Toolset,
        own: OwnToolPerformer,
        permits: Permits,
        people: PeoplePerformer,
        clock: Clock,
        checks: Checks,
    ) -> None:
        self._tools = tools
        self._own = own
        self._permits = permits
        self._halting = checks.halting
        self._spending = checks.spending
        self._people = people
        self._inputs = InputPerformer(people)
        self._clock = clock
        self._reconciler = Reconciler(tools, permits, clock, SEND_SECONDS)

    async def perform(self, leg: Leg, bench: Workbench, planned: PlannedCall) -> CallEnded:
        """The outcome, from the journal where it is there.

        Raises:
            Blocked: A person has to decide first, or the tool is halted.
            IntentRefused: The run is being cancelled or is held.
        """
        if entry := leg.recorded.get(planned.key):
            return _recorded(entry)
        self._halting.check(leg.run, tool=planned.call.name)
        spec = bench.specs.get(planned.call.name)
        permitted = await self._permit(leg, bench, planned, spec)
        if isinstance(permitted, ToolResult):
            return await self._refuse(leg, planned, permitted)
        if permitted.spec.name == SEARCH:
            found = searched(permitted.arguments["query"], bench.specs.values())
            return await self._record(leg, permitted, found)
        if permitted.spec.source == SOURCE:
            result = await self._own.perform(leg, planned.key, permitted.spec, permitted.arguments)
            return await self._record(leg, permitted, result)
        if leg.run.dry_run and permitted.spec.effect is not EffectClass.READ:
            return await self._simulate(leg, bench, permitted)
        given = await self._inputs.gathered(leg, planned.key)
        return await self._within_budget(leg, bench, replace(permitted, given=given))

    async def _within_budget(self, leg: Leg, bench: Workbench, act: _Act) -> CallEnded:
        """Make the call, after it was counted in every budget that applies."""
        try:
            await self._spending.before_tool(leg, act.planned.key, act.spec)
        except Overspent as over:
            return await self._refuse(leg, act.planned, ToolResult(ToolStatus.OVER_BUDGET, over.detail))
        if act.spec.effect is not EffectClass.READ:
            return await self._act_once(leg, bench, act)
        result, ms = await self._call(leg, bench, act)
        if result.status is ToolStatus.INPUT_REQUIRED:
            result = await self._inputs.ask(leg, (act.planned.key, len(act.given.attempts) + 1), act.spec.name, result)
        return await self._record(leg, act, result, ms=ms)

    async def _permit(
        self, leg: Leg, bench: Workbench, planned: PlannedCall, spec: ToolSpec | None
    ) -> _Act | ToolResult:
        """The call as it may be made, its arguments perhaps edited by a person; or the refusal."""
        if spec is None:
            return _unknown(bench, planned.call.name)
        act = _Act(planned, spec, planned.call.arguments)
        permit = await self._permits.permit(leg, _wish(bench, act))
        return permit if isinstance(permit, ToolResult) else replace(act, arguments=permit)

    # -- once ----------------------------------------------------------------------------------------------------

    async def _act_once(self, leg: Leg, bench: Workbench, act: _Act) -> CallEnded:
        """Intent first, then the act; what nobody saw end is repeated only if its class allows."""
        before = leg.attempts(act.planned.key)
        asked = bool(before) and before[-1].attempt in act.given.attempts  # then it is known how that attempt ended
        if before and not asked and (told := leg.late(before[-1])):
            return await self._take_late(leg, act, before[-1], told)
        if before and not asked and before[-1].effect is not EffectClass.IDEMPOTENT:
            ended = await self._find_out(leg, bench, act, before[-1])
            if ended is not None:
                return ended
        if before and (no := self._permits.forbidden(leg, _wish(bench, act), act.arguments)):
            return await self._stop(leg, act, before[-1], no)
        act = replace(act, attempt=len(before) + 1)
        await leg.may_act()
        self._halting.check(leg.run, tool=act.spec.name)
        # From the commit of the intent to that of the outcome the run must not be let go: between them it is unknown.
        leg.effects_in_flight += 1
        try:
            await self._intend(leg, act, None if asked else _superseded(before))
            result, ms = await self._call_or_tell(leg, bench, act)
            if result.status is ToolStatus.INPUT_REQUIRED:
                result = await self._ask(leg, act, result)
            again = result.status in UNSEEN and act.attempt - len(act.given.attempts) < MAX_ATTEMPTS
            if not again:
                return await self._close_or_tell(leg, act, result, ms)
        finally:
            leg.effects_in_flight -= 1
        return await self._act_once(leg, bench, act)

    async def _ask(self, leg: Leg, act: _Act, result: ToolResult) -> ToolResult:
        """Put the tool's question to a person; the attempt that asked it did not do its work."""
        key = act.planned.key
        close = EffectClose(key, act.attempt, EffectState.FAILED)
        return await self._inputs.ask(leg, (key, act.attempt), act.spec.name, result, closes=close)

    async def _find_out(self, leg: Leg, bench: Workbench, act: _Act, last: Effect) -> CallEnded | None:
        """The outcome of an attempt that nobody saw end, from a tool that can tell or a person; None: do it again."""
        doubt = Doubt(bench.definition, act.spec, act.arguments, last, self._context(leg, bench, act))
        found = await self._reconciler.ask(leg, doubt)
        if found is None:
            decision = await self._what_happened(leg, act, last)
            return None if decision.kind is DecisionKind.RETRY else await self._settle(leg, act, last, decision)
        if not found.happened:
            return None
        close = EffectClose(act.planned.key, last.attempt, EffectState.DONE)
        return await self._record(leg, replace(act, attempt=last.attempt), found.result, close=close)

    async def _simulate(self, leg: Leg, bench: Workbench, act: _Act) -> CallEnded:
        """A dry run stops after the intent, and says what it would do."""
        if not leg.attempts(act.planned.key):
            await self._intend(leg, act, None)
        text = f"dry run: {act.spec.name} would be called with {jsons.canonical(act.arguments)}"
        if (reasons := self._permits.asks(leg, _wish(bench, act), act.arguments)) is not None:
            text += f", after a person has allowed it ({'; '.join(reasons) or 'policy asks'})"
        close = EffectClose(act.planned.key, act.attempt, EffectState.SIMULATED)
        return await self._record(leg, act, ToolResult(ToolStatus.OK, text), close=close)

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
        return await self._people.ask(leg, _in_doubt(last), _lost(act, last), unknown)

    async def _close(self, leg: Leg, act: _Act, result: ToolResult, ms: float) -> CallEnded:
        return await self._record(leg, act, result, ms=ms, close=_closing(act, result))

    async def _close_or_tell(self, leg: Leg, act: _Act, result: ToolResult, ms: float) -> CallEnded:
        """Record the outcome; where the run was lost during the call, tell whoever has it now."""
        try:
            return await self._close(leg, act, result, ms)
        except (LegLost, asyncio.CancelledError) as error:
            if result.status not in UNSEEN and (leg.lost or isinstance(error, LegLost)):
                await leg.told_late(_closing(act, result), jsons.encode(result))
            raise

    async def _take_late(self, leg: Leg, act: _Act, last: Effect, told: InboxRow) -> CallEnded:
        """The outcome of an attempt of a lost leg: it has told what it saw, so nobody else need be asked."""
        await self._people.settle(leg, _in_doubt(last))
        close = EffectClose(last.key, last.attempt, EffectState(told.body["state"]))
        result = jsons.decode(ToolResult, told.body["result"])
        return await self._record(leg, replace(act, attempt=last.attempt), result, close=close, consumed=told)

    async def _intend(self, leg: Leg, act: _Act, superseded: EffectClose | None) -> None:
        key = act.planned.key
        effect = Effect(
            run_id=leg.run.id,
            key=key,
            attempt=act.attempt,
            tool=act.spec.name,
            effect=act.spec.effect,
            state=EffectState.INTENDED,
            idempotency_key=_named(leg, act),
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

    async def _stop(self, leg: Leg, act: _Act, last: Effect, result: ToolResult) -> CallEnded:
        """No other attempt is allowed; of the last one only a person could have said that it did not happen."""
        state = EffectState.UNKNOWN if last.effect is EffectClass.IDEMPOTENT else EffectState.FAILED
        close = EffectClose(last.key, last.attempt, state)
        return await self._record(leg, replace(act, attempt=last.attempt), result, close=close)

    # -- act and write down --------------------------------------------------------------------------------------

    async def _call(self, leg: Leg, bench: Workbench, act: _Act) -> tuple[ToolResult, float]:
        context = replace(self._context(leg, bench, act), may_begin=self._window(leg, act), answers=act.given.answers)
        began = self._clock.monotonic()
        result = await self._tools.call(replace(act.planned.call, arguments=act.arguments), context)
        return result, round((self._clock.monotonic() - began) * 1000, 3)

    def _context(self, leg: Leg, bench: Workbench, act: _Act) -> ToolContext:
        key = act.planned.key
        return ToolContext(
            tenant=leg.run.tenant,
            workspace=bench.workspace,
            run_id=leg.run.id,
            agent=bench.definition.name,
            key=key,
            idempotency_key=_named(leg, act),
            attempt=act.attempt,
            dry_run=leg.run.dry_run,
            deadline=leg.run.deadline,
        )

    def _window(self, leg: Leg, act: _Act) -> Callable[[], bool]:
        """Whether a call whose intent was just committed may still be made. Reading is always allowed."""
        if act.spec.effect is EffectClass.READ:
            return lambda: True
        until = self._clock.monotonic() + SEND_SECONDS
        return lambda: leg.standing() is Standing.SURE and self._clock.monotonic() <= until

    async def _refuse(self, leg: Leg, planned: PlannedCall, result: ToolResult) -> CallEnded:
        spec = ToolSpec(planned.call.name, "", {}, effect=EffectClass.READ)
        return await self._record(leg, _Act(planned, spec, planned.call.arguments), result)

    async def _record(self, leg: Leg, act: _Act, result: ToolResult, *, ms: float = 0.0, **belongs: Any) -> CallEnded:
        """Write down how a call ended; `belongs` is what `Leg.append` commits with it."""
        planned, call = act.planned, replace(act.planned.call, arguments=act.arguments)
        body = {
            "call": jsons.encode(call),
            "result": jsons.encode(result),
            "effect": act.spec.effect.value,
            "attempt": act.attempt,
            "ms": ms,
            "evidence_id": planned.evidence_id,
        }
        leg.spent(planned.key, _used(act, result, ms))
        await leg.append(NewEntry(planned.key, EntryType.TOOL_RETURNED, body), **belongs)
        return CallEnded(call, result, planned.evidence_id, ms)


def _named(leg: Leg, act: _Act) -> str:
    return act.planned.idempotency_key or ids.idempotency_key(leg.run.id, act.planned.key)


def _closing(act: _Act, result: ToolResult) -> EffectClose:
    return EffectClose(act.planned.key, act.attempt, CLOSED_AS.get(result.status, EffectState.FAILED))


def _in_doubt(last: Effect) -> str:
    """The key under which a person is asked about an attempt that nobody saw end."""
    return f"{last.key}/unknown/{last.attempt}"


def _used(act: _Act, result: ToolResult, ms: float) -> Amount:
    """An effect counts even if nobody knows whether it happened."""
    none = act.spec.effect is EffectClass.READ or result.status in UNMADE
    return Amount.used(seconds=ms / 1000, effects=0 if none else 1)


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


def _wish(bench: Workbench, act: _Act) -> Wish:
    return Wish(bench.definition, act.planned.key, act.spec, act.planned.call)


FATES = {
    DecisionKind.COMMITTED: "It happened. The run goes on with the result that you give, or without one.",
    DecisionKind.RETRY: "It did not happen. Make the call again.",
    DecisionKind.ABANDON: "Leave it. The run goes on and is told that nobody knows.",
}
"""What can be said about a call that nobody saw end."""


def _lost(act: _Act, last: Effect) -> Question:
    request = {
        "tool": last.tool,
        "arguments": act.arguments,
        "description": f"Did this call of {last.tool} take effect? Look there before you answer.",
        "options": {kind.value: meaning for kind, meaning in FATES.items()},
        "attempt": last.attempt,
        "idempotency_key": last.idempotency_key,
    }
    reasons = ("this call was begun, and nobody saw how it ended",)
    return Question(InterruptKind.UNKNOWN_EFFECT, jsons.digest([last.tool, act.arguments]), request, "high", reasons)


def _recorded(entry: Entry) -> CallEnded:
    body = entry.body
    call, result = jsons.decode(ToolCall, body["call"]), jsons.decode(ToolResult, body["result"])
    return CallEnded(call, result, body["evidence_id"], body["ms"])
