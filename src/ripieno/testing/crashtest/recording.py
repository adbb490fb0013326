"""A run that happened, played again: replies, results and what people decided come from its journal.

What a run began with is pinned in its first entry: definition, instructions as they were rendered, tools. So nothing of
today's configuration is needed, and the conversation of the clean run is the recorded one as long as all agents ask for
what they asked for then.
"""

import re
from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass, field
from graphlib import CycleError, TopologicalSorter
from itertools import chain, pairwise

from ripieno.domain import jsons
from ripieno.domain.agents import AgentDefinition
from ripieno.domain.entries import EntryType
from ripieno.domain.errors import Invalid, ModelRefused
from ripieno.domain.interrupts import Decision
from ripieno.domain.jsons import Json, JsonObject
from ripieno.domain.messages import AssistantMessage, ModelEvent, ModelRequest, Reply
from ripieno.domain.tools import UNSEEN, Risk, ToolCall, ToolContext, ToolResult, ToolSpec
from ripieno.ports import Toolset
from ripieno.testing.crashtest.plans import Plan, Recording


@dataclass(frozen=True, slots=True)
class Journal:
    """One run of a family: whose it was, how it stands, and all its entries as the API gives them."""

    run_id: str
    agent: str
    status: str
    entries: Sequence[JsonObject]


@dataclass(slots=True)
class _Gathered:
    agents: dict[str, AgentDefinition] = field(default_factory=dict[str, AgentDefinition])
    tools: dict[str, ToolSpec] = field(default_factory=dict[str, ToolSpec])
    orders: list[list[str]] = field(default_factory=list[list[str]])
    members: list[JsonObject] = field(default_factory=list[JsonObject])
    replies: dict[str, Reply] = field(default_factory=dict[str, Reply])
    results: dict[str, ToolResult] = field(default_factory=dict[str, ToolResult])
    decisions: dict[str, Decision] = field(default_factory=dict[str, Decision])


def plan_of(family: Sequence[Journal], ask_from: Risk) -> Plan:
    """The plan that plays a family of runs again, the one that was started first.

    Raises:
        Invalid: The run has not begun, or has no end that could be compared with.
    """
    root, gathered = family[0], _Gathered()
    if root.status not in {"completed", "failed"}:
        raise Invalid(f"{root.run_id} is {root.status}: only a run that completed or failed can be played again")
    for journal in family:
        for entry in journal.entries:
            _gather(gathered, journal.agent, entry)
    _add_idle(gathered)
    start = next(entry["body"] for entry in root.entries if entry["type"] == EntryType.RUN_STARTED)
    recording = Recording(
        root.run_id, root.agent, root.status, start["data"], gathered.replies, gathered.results, gathered.decisions
    )
    return Plan(
        root.agent,
        start["goal"],
        tuple(gathered.agents.values()),
        tuple(gathered.tools[name] for name in _order(gathered.orders)),
        ask_from=ask_from,
        recording=recording,
    )


def _gather(found: _Gathered, agent: str, entry: JsonObject) -> None:
    key, body = _timeless(entry["key"]), entry["body"]
    match entry["type"]:
        case EntryType.RUN_STARTED:
            definition = AgentDefinition.model_validate(body["definition"])
            rendered = "{% raw %}" + str(body["instructions"]) + "{% endraw %}"
            found.agents[agent] = definition.model_copy(update={"instructions": rendered, "model": body["model"]})
            tools = [jsons.decode(ToolSpec, spec) for spec in body["tools"]]
            found.tools |= {spec.name: spec for spec in tools}
            found.orders.append([spec.name for spec in tools])
            found.members += body["members"]
        case EntryType.MODEL_REPLIED:
            found.replies[body["fingerprint"]] = jsons.decode(Reply, body["reply"])
        case EntryType.TOOL_RETURNED:
            result = jsons.decode(ToolResult, body["result"])
            if result.status not in UNSEEN:
                found.results[_call(agent, key, jsons.decode(ToolCall, body["call"]))] = result
        case EntryType.INTERRUPT_DECIDED:
            found.decisions.setdefault(key.removesuffix("/decision"), jsons.decode(Decision, body["decision"]))
        case _:
            pass


def _add_idle(found: _Gathered) -> None:
    """Members of teams that were given nothing to do: the planner must see them, and the tools that they had."""
    for member in found.members:
        known = {name: member[name] for name in ("name", "role", "description", "capabilities", "tools")}
        found.agents.setdefault(member["name"], AgentDefinition.model_validate(known))
        found.orders.append(list(member["tools"]))
        for name in member["tools"]:
            found.tools.setdefault(name, ToolSpec(name, "", {"type": "object"}))


def _order(orders: Sequence[Sequence[str]]) -> list[str]:
    """One order of all tools in which each list keeps its own: that in which they were listed then."""
    sorter: TopologicalSorter[str] = TopologicalSorter()
    for names in orders:
        for name in names[:1]:
            sorter.add(name)
        for before, after in pairwise(names):
            sorter.add(after, before)
    try:
        return list(sorter.static_order())
    except CycleError:  # the toolsets changed while the run went on
        return list(dict.fromkeys(chain.from_iterable(orders)))


def _timeless(key: str) -> str:
    """A key without its generation: a run that was retried is played as one."""
    return re.sub(r"^g\d+/", "", key)


def _call(agent: str, key: str, call: ToolCall) -> str:
    return f"{agent} {key} {call.name} {jsons.digest(call.arguments)[:12]}"


class RecordedModel:
    """Answers a conversation as it was answered then. `ports.Model`."""

    def __init__(self, replies: Mapping[str, Reply]) -> None:
        self._replies = replies

    async def stream(self, request: ModelRequest) -> AsyncIterator[ModelEvent]:
        """See `ports.Model`."""
        reply = self._replies.get(request.fingerprint)
        if reply is None:
            said = sum(isinstance(message, AssistantMessage) for message in request.messages)
            raise ModelRefused(f"the recording has no answer to this conversation (turn {said + 1})")
        yield reply


class RecordedTools:
    """Answers a call as it was answered then, and what was not called then as recorders do. `ports.Toolset`."""

    def __init__(self, inner: Toolset, results: Mapping[str, ToolResult]) -> None:
        self._inner = inner
        self._results = results

    async def list(self, context: ToolContext) -> Sequence[ToolSpec]:
        """See `ports.Toolset`."""
        return await self._inner.list(context)

    async def call(self, call: ToolCall, context: ToolContext) -> ToolResult:
        """See `ports.Toolset`."""
        other = await self._inner.call(call, context)
        return self._results.get(_call(context.agent, _timeless(context.key), call), other)


def as_recorded(recording: Recording, key: str) -> Decision | None:
    """What a person decided then; None where nobody was asked this."""
    return recording.decisions.get(_timeless(key))


def followed(recording: Recording, runs: Sequence[JsonObject]) -> bool:
    """Whether a life held the same conversations and came to the same end, from what the witness says of its rest."""
    held = {mark for run in runs for _, _, kind, mark in run["entries"] if kind == EntryType.MODEL_REPLIED}
    ended: Json = next((run["status"] for run in runs if run["agent"] == recording.agent), None)
    return held == set(recording.replies) and ended == recording.status
