"""Whether a tool call may be made, and with which arguments: check → gate → person.

The gate rules at the moment of use, not when a person was asked. An approval holds for one call with exactly the tool,
arguments, agent version and policy version that were shown; where one of them is another now, a person is asked again.
"""

from dataclasses import dataclass

from ripieno.domain import jsons
from ripieno.domain.agents import AgentDefinition
from ripieno.domain.effects import EffectClass
from ripieno.domain.interrupts import Decision, DecisionKind, InterruptKind
from ripieno.domain.jsons import JsonObject
from ripieno.domain.policies import Action, Ruling, Verdict
from ripieno.domain.tools import ToolCall, ToolResult, ToolSpec, ToolStatus
from ripieno.engine.leg import Leg
from ripieno.engine.performers.people import PeoplePerformer, Question
from ripieno.ports import Gate, SchemaCheck


@dataclass(frozen=True, slots=True)
class Wish:
    """A call that an agent wants to make, at its place in the run."""

    agent: AgentDefinition
    key: str
    spec: ToolSpec
    call: ToolCall


class Permits:
    """Gives them, or a refusal as the call's result."""

    def __init__(self, gate: Gate, check: SchemaCheck, people: PeoplePerformer) -> None:
        self._gate = gate
        self._check = check
        self._people = people

    async def permit(self, leg: Leg, wish: Wish) -> JsonObject | ToolResult:
        """The arguments with which the call may be made, perhaps edited by a person; or the refusal.

        Raises:
            Blocked: A person has to decide first.
        """
        if wrong := self._wrong(wish.spec, wish.call):
            return wrong
        if begun := leg.attempts(wish.key):
            # The permit was used by the first attempt. Another one is judged when it is known how that ended.
            return leg.recorded[f"{wish.key}/intent/{begun[-1].attempt}"].body["arguments"]
        arguments = wish.call.arguments
        verdict = self._rule(leg, wish, arguments)
        if verdict.ruling is Ruling.DENY:
            return _forbidden(verdict)
        if verdict.ruling is Ruling.ALLOW or _only_simulated(leg, wish.spec):
            refused = await self._people.take_back(leg, f"{wish.key}/approval")
            return _refused(refused) if refused else arguments
        decision = await self._people.ask(leg, f"{wish.key}/approval", self._question(wish, verdict))
        if decision.kind is not DecisionKind.APPROVE:
            return _refused(decision)
        return arguments if decision.arguments is None else self._edited(leg, wish, decision.arguments)

    def forbidden(self, leg: Leg, wish: Wish, arguments: JsonObject) -> ToolResult | None:
        """The gate's no to another attempt of a call that was permitted before."""
        verdict = self._rule(leg, wish, arguments)
        return _forbidden(verdict) if verdict.ruling is Ruling.DENY else None

    def asks(self, leg: Leg, wish: Wish, arguments: JsonObject) -> tuple[str, ...] | None:
        """Why a person would have to allow this call; None where nobody would."""
        verdict = self._rule(leg, wish, arguments)
        return verdict.reasons if verdict.ruling is Ruling.ASK else None

    def allows(self, leg: Leg, wish: Wish) -> bool:
        """Whether the gate lets a call pass without a person."""
        return self._rule(leg, wish, wish.call.arguments).ruling is Ruling.ALLOW

    def _edited(self, leg: Leg, wish: Wish, arguments: JsonObject) -> JsonObject | ToolResult:
        edited = ToolCall(wish.call.id, wish.call.name, arguments)
        if self._rule(leg, wish, arguments).ruling is Ruling.DENY:
            return denied("policy forbids the edited arguments")
        return self._wrong(wish.spec, edited) or arguments

    def _wrong(self, spec: ToolSpec, call: ToolCall) -> ToolResult | None:
        if call.malformed is not None:
            text = f"the arguments are not a JSON object: {call.malformed[:200]}"
            return ToolResult(ToolStatus.INVALID_ARGUMENTS, text)
        problems = self._check(spec.input_schema, call.arguments)
        if not problems:
            return None
        text = "; ".join(f"{problem.pointer or '/'}: {problem.detail}" for problem in problems)
        return ToolResult(ToolStatus.INVALID_ARGUMENTS, text)

    def _rule(self, leg: Leg, wish: Wish, arguments: JsonObject) -> Verdict:
        action = Action(
            tenant=leg.run.tenant,
            agent=wish.agent.name,
            tool=wish.spec,
            arguments=arguments,
            approvals=wish.agent.approval_patterns(),
            requested_by=leg.run.created_by,
        )
        return self._gate.decide(action)

    def _question(self, wish: Wish, verdict: Verdict) -> Question:
        spec, arguments = wish.spec, wish.call.arguments
        request = {
            "tool": spec.name,
            "arguments": arguments,
            "description": spec.description,
            "input_schema": spec.input_schema,
            "agent": wish.agent.name,
            "agent_version": wish.agent.version,
            "policy_version": verdict.policy_version,
        }
        subject = jsons.digest([spec.name, arguments, wish.agent.version, verdict.policy_version])
        terms = wish.agent.approval_terms(spec.name, self._people.usual)
        return Question(InterruptKind.APPROVAL, subject, request, verdict.risk, verdict.reasons, terms)


def _only_simulated(leg: Leg, spec: ToolSpec) -> bool:
    """Whether a dry run will stop before this call: then nobody needs to be asked."""
    return leg.run.dry_run and spec.effect is not EffectClass.READ


def denied(text: str) -> ToolResult:
    """A call that may not be made."""
    return ToolResult(ToolStatus.DENIED, text)


def _forbidden(verdict: Verdict) -> ToolResult:
    return denied("; ".join(verdict.reasons) or "policy forbids it")


def _refused(decision: Decision) -> ToolResult:
    return denied(f"{decision.decided_by} said no" + (f": {decision.reason}" if decision.reason else ""))
