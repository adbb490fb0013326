"""Questions of tools: put to a person as the run's own, and answered when the call is made again.

Nobody waits in memory. The attempt that asked has ended without doing its work; the run parks, and what the person
said goes to the next attempt, in which the tool asks the same and is answered at once.
"""

from dataclasses import dataclass, field

from ripieno.domain import inputs, jsons
from ripieno.domain.batches import EffectClose
from ripieno.domain.interrupts import DecisionKind, InterruptKind
from ripieno.domain.jsons import Json, JsonObject
from ripieno.domain.tools import ToolResult, ToolStatus
from ripieno.engine.leg import Leg
from ripieno.engine.performers.people import PeoplePerformer, Question

MOST_QUESTIONS = 20
"""Of one call: a tool that asks something else each time is stopped."""


@dataclass(frozen=True, slots=True)
class Gathered:
    """What was answered so far, by the digest of the question, and the attempts that ended in a question."""

    answers: JsonObject = field(default_factory=dict[str, Json])
    attempts: frozenset[int] = frozenset()


NOTHING = Gathered()


class InputPerformer:
    """One interrupt for each question of a call."""

    def __init__(self, people: PeoplePerformer) -> None:
        self._people = people

    async def gathered(self, leg: Leg, key: str) -> Gathered:
        """What people said to the questions of earlier attempts of a call.

        Raises:
            Blocked: One is open.
        """
        answers: JsonObject = {}
        attempts: set[int] = set()
        while (opened := leg.recorded.get(_place(key, len(attempts) + 1))) is not None:
            request: JsonObject = opened.body["request"]
            decision = await self._people.ask(leg, opened.key, _question(request))
            answered = decision.answer if decision.kind is DecisionKind.ANSWER else None
            answers[request["digest"]] = inputs.said(answered)
            attempts.add(request["attempt"])
        return Gathered(answers, frozenset(attempts)) if attempts else NOTHING

    async def ask(
        self, leg: Leg, place: tuple[str, int], tool: str, result: ToolResult, *, closes: EffectClose | None = None
    ) -> ToolResult:
        """Put a tool's question to a person; `place` is the key of the call and the attempt that ended in it.

        The result is an error where the tool has asked too often.

        Raises:
            Blocked: It is asked.
        """
        key, attempt = place
        asked = 0
        while _place(key, asked + 1) in leg.recorded:
            asked += 1
        if asked >= MOST_QUESTIONS:
            return ToolResult(ToolStatus.ERROR, f"{tool} asked {asked} questions and never did its work")
        found = inputs.questions(result)
        if not found:  # what it asked was too long to be passed on
            return ToolResult(ToolStatus.ERROR, f"{tool} asked something that cannot be shown")
        first = found[0]
        request = {"tool": tool, **first.shown(), "digest": first.digest, "attempt": attempt}
        await self._people.ask(leg, _place(key, asked + 1), _question(request), closes)
        return result


def _place(key: str, n: int) -> str:
    return f"{key}/input/{n}"


def _question(request: JsonObject) -> Question:
    return Question(InterruptKind.QUESTION, jsons.digest([request["tool"], request["digest"]]), request, "low", ())
