"""Asks a tool whether a call of which nobody knows has happened, as its author declared it can be asked."""

from dataclasses import dataclass
from datetime import timedelta
from typing import cast

from ripieno.domain import ids, jsons
from ripieno.domain.agents import AgentDefinition
from ripieno.domain.effects import Effect, EffectClass
from ripieno.domain.entries import EntryType, NewEntry
from ripieno.domain.jsons import JsonObject
from ripieno.domain.runs import RunStatus
from ripieno.domain.tools import Reconciliation, ToolCall, ToolContext, ToolResult, ToolSpec, ToolStatus
from ripieno.engine.core import followups
from ripieno.engine.core.followups import Unfillable
from ripieno.engine.leg import Blocked, Leg
from ripieno.engine.performers.permits import Permits, Wish
from ripieno.ports import Clock, Toolset


@dataclass(frozen=True, slots=True)
class Doubt:
    """A call of which nobody knows: what was called with what, on whose behalf, and the attempt in the ledger."""

    agent: AgentDefinition
    spec: ToolSpec
    arguments: JsonObject
    last: Effect
    context: ToolContext


@dataclass(frozen=True, slots=True)
class Found:
    """What the tool that was asked said. `result` is what the call would have answered."""

    happened: bool
    result: ToolResult


class Reconciler:
    """Asks once, and writes the answer down. Where there is no clear answer, a person must be asked."""

    def __init__(self, tools: Toolset, permits: Permits, clock: Clock, grace: float) -> None:
        self._tools = tools
        self._permits = permits
        self._clock = clock
        self._grace = grace

    async def ask(self, leg: Leg, doubt: Doubt) -> Found | None:
        """What is found out; None where that is nothing.

        Raises:
            Blocked: The call may still be under way in a worker that was lost; the run waits until it cannot be.
        """
        call = doubt.spec.reconcile
        put_to_a_person = f"{doubt.last.key}/unknown/{doubt.last.attempt}" in leg.recorded
        if call is None or put_to_a_person or doubt.last.effect is not EffectClass.RECONCILABLE:
            return None
        key = f"{doubt.last.key}/reconciled/{doubt.last.attempt}"
        if entry := leg.recorded.get(key):
            return Found(entry.body["happened"], jsons.decode(ToolResult, entry.body["result"]))
        self._wait_for_the_end(doubt)
        found = _read(call, await self._answer(leg, call, doubt))
        if found is not None:
            body = {"tool": call.tool, "happened": found.happened, "result": jsons.encode(found.result)}
            await leg.append(NewEntry(key, EntryType.EFFECT_RECONCILED, body))
        return found

    def _wait_for_the_end(self, doubt: Doubt) -> None:
        """An attempt of another leg is over when it must have been sent, and must have ended."""
        if doubt.last.intended_at is None:
            return
        until = doubt.last.intended_at + timedelta(seconds=self._grace + doubt.spec.timeout)
        if self._clock.now() < until:
            wait = {"for": "timer", "until": until.isoformat(), "tool": doubt.spec.name}
            raise Blocked(RunStatus.WAITING, [wait], wake_at=until)

    async def _answer(self, leg: Leg, call: Reconciliation, doubt: Doubt) -> ToolResult | None:
        specs = {spec.name: spec for spec in await self._tools.list(doubt.context)}
        spec = specs.get(call.tool)
        if spec is None or spec.effect is not EffectClass.READ:
            return None
        try:
            given = followups.arguments(call, followups.scope_of(doubt.arguments, doubt.last.idempotency_key))
        except Unfillable:
            return None
        asked = ToolCall(ids.idempotency_key(leg.run.id, f"{doubt.last.key}/reconcile"), spec.name, given)
        if not self._permits.allows(leg, Wish(doubt.agent, doubt.last.key, spec, asked)):
            return None
        return await self._tools.call(asked, doubt.context)


def _read(call: Reconciliation, answer: ToolResult | None) -> Found | None:
    """An answer counts only where it says yes or no in so many words."""
    if answer is None or not answer.ok or not isinstance(answer.data, dict):
        return None
    scope = cast("JsonObject", answer.data)
    try:
        happened = followups.looked_up(call.happened, scope)
    except Unfillable:
        return None
    if not isinstance(happened, bool):
        return None
    try:
        result = followups.looked_up(call.result, scope)
    except Unfillable:
        result = None
    text = result if isinstance(result, str) else jsons.canonical(result) if result is not None else "it happened"
    return Found(happened, ToolResult(ToolStatus.OK, text, None if isinstance(result, str) else result))
