"""The engine's own tools: ask a person, give work to another agent, sleep, wait for signals, send and receive."""

from collections.abc import Sequence
from dataclasses import replace

from ripieno.domain import jsons
from ripieno.domain.agents import AgentDefinition
from ripieno.domain.effects import EffectClass
from ripieno.domain.errors import Invalid, NotFound
from ripieno.domain.interrupts import Decision, DecisionKind, InterruptKind
from ripieno.domain.jsons import Json, JsonObject
from ripieno.domain.runs import RunInput, RunStatus
from ripieno.domain.tools import ToolResult, ToolSpec, ToolStatus
from ripieno.engine.core import handles
from ripieno.engine.core.commands import HANDOFF, AwaitChildren, StartChild, child_of
from ripieno.engine.leg import Leg
from ripieno.engine.performers.children import ChildPerformer
from ripieno.engine.performers.people import PeoplePerformer, Question
from ripieno.engine.performers.reading import ReadingPerformer
from ripieno.engine.performers.waiting import LONGEST, WaitPerformer

SOURCE = handles.SOURCE
RESERVED = frozenset({"agent", "artifact", "handoff", "message", "person", "run"})
"""Toolset names that are the engine's. A wild card never means them: they must be named, as in `agent.*`."""

MAX_DEPTH = 5
"""How deep agents may give work to agents."""

ASK_PERSON = ToolSpec(
    name="person.ask",
    description="Ask the person whose run this is one question, and wait for the answer, which may take days.",
    input_schema={
        "type": "object",
        "properties": {
            "question": {"type": "string", "minLength": 1},
            "options": {"type": "array", "items": {"type": "string"}, "description": "Answers to choose from."},
        },
        "required": ["question"],
        "additionalProperties": False,
    },
    effect=EffectClass.READ,
    source=SOURCE,
    keywords=("clarify", "question"),
)


TIMEOUT: JsonObject = {
    "type": "number",
    "minimum": 0,
    "maximum": LONGEST,
    "description": "Give up after so many seconds; without it wait as long as it takes.",
}


def _waiting(name: str, description: str, properties: JsonObject, *keywords: str, **schema: Json) -> ToolSpec:
    closed = {"type": "object", "properties": properties, "additionalProperties": False, **schema}
    return ToolSpec(name, description, closed, effect=EffectClass.READ, source=SOURCE, keywords=keywords)


WAITING = (
    _waiting(
        "run.sleep",
        "Wait for so many seconds, or until a moment; it may be days away.",
        {
            "seconds": {"type": "number", "minimum": 0, "maximum": LONGEST},
            "until": {"type": "string", "description": "A time like 2026-12-24T18:00:00Z."},
        },
        "pause",
        oneOf=[{"required": ["seconds"]}, {"required": ["until"]}],
    ),
    _waiting(
        "run.wait_event",
        "Wait until something happens outside: a signal to this run about a topic, one that came before counts, or an "
        "event of that type which is published from now on. `deploy.*` means every topic below `deploy`.",
        {"topic": {"type": "string", "minLength": 1, "maxLength": 200}, "timeout": TIMEOUT},
        "signal",
        "event",
        required=["topic"],
    ),
    _waiting(
        "message.send",
        "Send a message to an agent by its name, or to a run or session by its id. It does not wait for an answer.",
        {
            "to": {"type": "string", "minLength": 1, "maxLength": 200},
            "body": {"description": "Text or any JSON."},
            "reply_to": {"type": "string", "description": "The id of the message that this answers."},
        },
        "tell",
        required=["to", "body"],
    ),
    _waiting(
        "message.receive",
        "Take the next message that was sent to this run, its agent or its session; wait until there is one.",
        {"timeout": TIMEOUT},
        "mailbox",
    ),
)


TALK_AND_TIME = frozenset(spec.name for spec in WAITING)


def delegation(agent: AgentDefinition) -> ToolSpec:
    """The tool by which other agents give work to this one."""
    return ToolSpec(
        name=f"agent.{agent.name}",
        description=f"Give a piece of work to the agent {agent.name} and wait for its answer. {agent.description}",
        input_schema={
            "type": "object",
            "properties": {
                "goal": {"type": "string", "minLength": 1, "description": "What to do; it sees nothing else."},
                "data": {"type": "object", "description": "Material for it."},
            },
            "required": ["goal"],
            "additionalProperties": False,
        },
        effect=EffectClass.READ,
        source=SOURCE,
        keywords=agent.capabilities,
    )


def handover(agent: AgentDefinition) -> ToolSpec:
    """The tool by which other agents hand their run over to this one."""
    return ToolSpec(
        name=f"{HANDOFF}{agent.name}",
        description=f"Hand this task over to the agent {agent.name} for good: its answer is yours. {agent.description}",
        input_schema={
            "type": "object",
            "properties": {
                "note": {"type": "string", "description": "What you found and what is left to do."},
                "goal": {"type": "string", "minLength": 1, "description": "What to do, where that is not your goal."},
            },
            "additionalProperties": False,
        },
        effect=EffectClass.READ,
        source=SOURCE,
        keywords=agent.capabilities,
    )


def own_tools(agents: Sequence[AgentDefinition], asking: AgentDefinition) -> list[ToolSpec]:
    """All of them, as the asking agent may call them: it cannot give work to itself."""
    others = [agent for agent in agents if agent.name != asking.name]
    return [ASK_PERSON, *WAITING, *handles.READING, *map(delegation, others), *map(handover, others)]


class OwnToolPerformer:
    """Performs them through the journal; all wait without a leg."""

    def __init__(
        self, people: PeoplePerformer, children: ChildPerformer, waits: WaitPerformer, reading: ReadingPerformer
    ) -> None:
        self._people = people
        self._reading = reading
        self._children = children
        self._waits = waits

    async def perform(self, leg: Leg, key: str, spec: ToolSpec, arguments: JsonObject) -> ToolResult:
        """The result.

        Raises:
            Blocked: The person has not answered, the child has not ended, or nothing has come.
        """
        if spec.name == ASK_PERSON.name:
            return await self._ask(leg, key, arguments)
        if spec.name in TALK_AND_TIME:
            return await self._waits.perform(leg, key, spec.name, arguments)
        if spec.name.startswith(handles.PREFIX):
            return await self._reading.perform(leg, spec.name, arguments)
        if spec.name.startswith(HANDOFF):
            return await self._hand_over(leg, key, spec.name.removeprefix(HANDOFF), arguments)
        return await self._delegate(leg, key, spec.name.removeprefix("agent."), arguments)

    async def _ask(self, leg: Leg, key: str, arguments: JsonObject) -> ToolResult:
        question = Question(InterruptKind.QUESTION, jsons.digest(arguments), arguments, "low", ())
        decision = await self._people.ask(leg, f"{key}/question", question)
        return answered(decision)

    async def _delegate(self, leg: Leg, key: str, agent: str, arguments: JsonObject) -> ToolResult:
        task = RunInput(arguments["goal"], arguments.get("data"), model=leg.run.input.model)
        return await self._give(leg, StartChild(child_of(key), agent, task), {})

    async def _hand_over(self, leg: Leg, key: str, agent: str, arguments: JsonObject) -> ToolResult:
        """The other agent gets all that this one was given; that its answer ends the run is decided by the logic."""
        given = leg.run.input
        told = {"handed_over_by": leg.run.target, "note": arguments.get("note", "")}
        task = replace(given, goal=arguments.get("goal", given.goal), data={**(given.data or {}), **told})
        return await self._give(leg, StartChild(child_of(key), agent, task), {"handoff": True})

    async def _give(self, leg: Leg, start: StartChild, metadata: JsonObject) -> ToolResult:
        depth = int(leg.run.metadata.get("depth", 0)) + 1
        if depth > MAX_DEPTH:
            return ToolResult(ToolStatus.ERROR, f"work was handed on {MAX_DEPTH} times already; do it yourself")
        try:
            await self._children.start(leg, start, {**metadata, "depth": depth})
        except (NotFound, Invalid) as error:
            return ToolResult(ToolStatus.UNAVAILABLE, error.detail)
        (ended,) = await self._children.await_any(leg, AwaitChildren((start.key,)))
        result = ended.result
        if result.status is RunStatus.COMPLETED:
            return ToolResult(ToolStatus.OK, result.answer, result.value)
        why = result.error.detail if result.error else result.exit_reason.value
        return ToolResult(ToolStatus.ERROR, f"{start.agent} {result.status.value}: {why}")


def answered(decision: Decision) -> ToolResult:
    """What a person said, or that nobody did, as a tool's result."""
    if decision.kind is not DecisionKind.ANSWER:
        return ToolResult(ToolStatus.UNAVAILABLE, f"nobody answered: {decision.reason or decision.kind.value}")
    answer = decision.answer
    return ToolResult(ToolStatus.OK, answer if isinstance(answer, str) else jsons.canonical(answer), answer)
