"""Which tools a model is shown where an agent has more than fit, and how it finds the others.

What is shown at first is pinned in the run's first entry, and what is found stands in the results of `tool_search`:
what a model sees in a turn follows from the journal alone.
"""

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from typing import cast

from ripieno.domain.effects import EffectClass
from ripieno.domain.jsons import JsonObject
from ripieno.domain.tool_facts import tokens_of
from ripieno.domain.tools import ToolResult, ToolSpec, ToolStatus
from ripieno.engine.core.commands import CallEnded
from ripieno.engine.core.ranking import ranked

SEARCH = "tool_search"
SOURCE = "engine"

FOUND = 5
"""Tools that one search finds at most."""

AT_FIRST = 8
"""Tools that fit the goal best, shown from the beginning."""

SUMMARY_CHARS = 160


@dataclass(frozen=True, slots=True)
class Room:
    """How many tools a model is shown, and about how many tokens they may cost."""

    tools: int = 128
    tokens: int = 40_000


USUAL_ROOM = Room()


def search_tool(others: int) -> ToolSpec:
    """The tool that finds tools."""
    return ToolSpec(
        name=SEARCH,
        description=(
            f"Find tools by what they do: you are shown only a few of all, {others} more are there. Say what you want "
            "to do in a few words. What is found can be called from your next turn on."
        ),
        input_schema={
            "type": "object",
            "properties": {"query": {"type": "string", "minLength": 1, "maxLength": 300}},
            "required": ["query"],
            "additionalProperties": False,
        },
        effect=EffectClass.READ,
        source=SOURCE,
    )


def first_shown(goal: str, specs: Sequence[ToolSpec], room: Room) -> tuple[str, ...] | None:
    """The tools to begin with: the engine's own and those that fit the goal best; None where there is room for all."""
    if _fit(specs, room):
        return None
    own = [spec for spec in specs if spec.source == SOURCE]
    shown = [spec.name for spec in own]
    tokens = sum(map(tokens_of, own))
    for spec, _ in ranked(goal, [spec for spec in specs if spec.source != SOURCE], AT_FIRST):
        tokens += tokens_of(spec)
        if len(shown) < room.tools and tokens <= room.tokens:
            shown.append(spec.name)
    return tuple(shown)


def _fit(specs: Sequence[ToolSpec], room: Room) -> bool:
    if len(specs) > room.tools:
        return False
    return sum(map(tokens_of, specs)) <= room.tokens


def searched(query: str, specs: Iterable[ToolSpec]) -> ToolResult:
    """What a search finds."""
    found = [spec for spec, _ in ranked(query, [spec for spec in specs if spec.name != SEARCH], FOUND)]
    if not found:
        return ToolResult(ToolStatus.OK, "No tool fits; try other words.", {"tools": []})
    lines = [f"- {spec.wire_name}: {_summary(spec)}" for spec in found]
    text = "You can call these from now on:\n" + "\n".join(lines)
    return ToolResult(ToolStatus.OK, text, {"tools": [spec.name for spec in found]})


def shown_of(tools: tuple[ToolSpec, ...], shown: Collection[str] | None) -> tuple[ToolSpec, ...]:
    """The tools of the first turn: all, or those named and the one that finds others."""
    if shown is None:
        return tools
    return tuple(spec for spec in tools if spec.name == SEARCH or spec.name in shown)


def with_found(shown: tuple[ToolSpec, ...], tools: Sequence[ToolSpec], outcome: CallEnded) -> tuple[ToolSpec, ...]:
    """The tools of the next turn: what a search has found comes last, so that what stands before stays as it was."""
    if outcome.call.name != SEARCH:
        return shown
    data = cast("JsonObject", outcome.result.data) if isinstance(outcome.result.data, dict) else {}
    found = set(cast("list[str]", data.get("tools", [])))
    known = {spec.name for spec in shown}
    return (*shown, *(spec for spec in tools if spec.name in found - known))


def _summary(spec: ToolSpec) -> str:
    line = spec.description.partition("\n")[0]
    return line if len(line) <= SUMMARY_CHARS else line[: SUMMARY_CHARS - 1] + "…"
