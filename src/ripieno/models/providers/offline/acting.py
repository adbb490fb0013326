"""Purpose `act`: call the tools that the goal means, then answer by quoting what they returned."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

from ripieno.domain.effects import EffectClass
from ripieno.domain.jsons import JsonObject
from ripieno.domain.messages import ToolMessage
from ripieno.domain.tools import ToolSpec
from ripieno.models.providers.offline import quoting, words
from ripieno.models.providers.offline.conversation import Conversation
from ripieno.models.providers.offline.filling import Filled, Sources, fill
from ripieno.models.providers.offline.kinds import Kind
from ripieno.models.providers.offline.matching import Match, match
from ripieno.models.providers.offline.values import find, flat

MOST_WISHES = 6
LINES_A_RESULT = 6
LINES_A_LONE_RESULT = 12
_LONGEST_ARGUMENT = 60
_MACHINERY = {"team_goal", "results", "evidence", "plan", "agents", "issues"}


@dataclass(frozen=True, slots=True)
class Wish:
    """A call to make."""

    tool: ToolSpec
    arguments: JsonObject


@dataclass(slots=True)
class Intent:
    """What the goal comes to: calls, tools that would fit but lack an argument, tools that write what was found."""

    wishes: list[Wish] = field(default_factory=list["Wish"])
    lacking: list[tuple[ToolSpec, str]] = field(default_factory=list[tuple[ToolSpec, str]])
    writers: list[Wish] = field(default_factory=list["Wish"])

    def add(self, wish: Wish) -> None:
        """Wish for a call, once."""
        if wish not in self.wishes:
            self.wishes.append(wish)


def decide(talk: Conversation, tools: Sequence[ToolSpec]) -> Intent:
    """Tell which calls the goal means, of those not made yet. Independent calls come together, writing comes last."""
    intent = understand(talk, tools)
    intent.wishes = [wish for wish in intent.wishes if not talk.has_called(wish.tool.name, wish.arguments)]
    already = {call.name for call in talk.calls}
    writers = [wish for wish in intent.writers if wish.tool.name not in already]
    if not intent.wishes and writers and talk.spoken:
        intent.wishes = [_with_content(wish, answer(talk, tools)) for wish in writers]
    return intent


def understand(talk: Conversation, tools: Sequence[ToolSpec]) -> Intent:
    """Match the goal with the tools and fill their arguments; when the goal means none, try the data beside it."""
    beside = "\n".join(flat({key: value for key, value in talk.data.items() if key not in _MACHINERY}))
    parts = match(talk.goal, tools) or _broad(talk.goal, tools) or match(beside, tools)
    far = find(f"{talk.goal}\n{beside}" if beside else talk.goal)
    intent = Intent()
    for part in parts:
        sources = Sources(part.values, far, talk.data)
        for tool in part.tools:
            _add(intent, tool, fill(tool, sources), sources)
    intent.wishes = intent.wishes[:MOST_WISHES]
    return intent


def _add(intent: Intent, tool: ToolSpec, filled: Filled, sources: Sources) -> None:
    for arguments in filled.arguments:
        intent.add(Wish(tool, arguments))
    if filled.missing_kind is Kind.CONTENT:
        rest = fill(tool, Sources(sources.near, sources.far, {**sources.data, filled.missing: _PLACE}))
        intent.writers += [Wish(tool, {**arguments, filled.missing: _PLACE}) for arguments in rest.arguments[:1]]
        if rest.missing:
            intent.lacking.append((tool, rest.missing))
    elif filled.missing:
        intent.lacking.append((tool, filled.missing))


_PLACE = "\N{OBJECT REPLACEMENT CHARACTER}"


def _with_content(wish: Wish, content: str) -> Wish:
    return Wish(wish.tool, {key: content if value == _PLACE else value for key, value in wish.arguments.items()})


def _broad(goal: str, tools: Sequence[ToolSpec]) -> list[Match]:
    """For a goal that asks for a general look: every tool that only reads and needs nothing that the goal must name."""
    if not words.is_broad(goal):
        return []
    values = find(goal)
    sources = Sources(values, values, {})
    easy = [tool for tool in tools if tool.effect is EffectClass.READ and fill(tool, sources).arguments]
    return [Match(goal, values, tuple(easy[:MOST_WISHES]))] if easy else []


def answer(talk: Conversation, tools: Sequence[ToolSpec]) -> str:
    """Say what the tools returned, line by line and with the evidence; without any result, what could not be done."""
    if talk.spoken:
        return "\n".join(statements(talk))
    intent = understand(talk, tools)
    earlier = list(_earlier(talk))
    if earlier:
        return "\n".join(earlier)
    if intent.lacking:
        wants = "; ".join(f"{tool.name} would fit but needs {name!r}" for tool, name in intent.lacking)
        return f"I am the offline model and could not do this: {wants}, which the goal does not say."
    have = ", ".join(sorted(tool.name for tool in tools)) or "none"
    return (
        "I am the offline model: I match the words of a goal with tools and quote what they return; I cannot answer by"
        f" myself. Nothing in “{quoting.shortened(talk.goal, 120)}” means a tool that I have. My tools: {have}."
    )


def statements(talk: Conversation) -> Iterator[str]:
    """One line for each thing that a tool returned, the id of its evidence at the end."""
    sought = set(words.telling(talk.goal))
    limit = LINES_A_LONE_RESULT if len(talk.spoken) == 1 else LINES_A_RESULT
    for result in talk.spoken:
        label = labelled(result.name, talk.call_of(result).arguments)
        yield from _about(result, label, sought, limit)


def _about(result: ToolMessage, label: str, sought: set[str], limit: int) -> Iterator[str]:
    cite = f" [{result.evidence_id}]" if result.evidence_id else ""
    quotes = quoting.essential(result.text, sought, 2 if result.is_error else limit)
    for quote in quotes:
        yield f"- {label} failed: {quote.text}{cite}" if result.is_error else f"- {label}: {quote.text}{cite}"


def labelled(name: str, arguments: JsonObject) -> str:
    """A call in few words: the tool and the first of its arguments that is text, where that is short."""
    texts = [value for value in arguments.values() if isinstance(value, str)]
    return f"{name} {texts[0]}" if texts and len(texts[0]) <= _LONGEST_ARGUMENT else name


def _earlier(talk: Conversation) -> Iterator[str]:
    """What earlier steps of a team found, for a step that has no tool to add to it."""
    results = talk.data.get("results")
    if not isinstance(results, dict):
        return
    sought = set(words.telling(talk.goal))
    for step, text in results.items():  # pyright: ignore[reportUnknownVariableType]
        for quote in quoting.essential(str(text), sought, LINES_A_RESULT):  # pyright: ignore[reportUnknownArgumentType]
            yield f"- {step}: {quote.text}"
