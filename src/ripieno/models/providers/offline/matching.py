"""Which tools a goal means: words and values of the goal vote for the tools that speak of them most.

A word weighs more in a tool's name and keywords than in its description, and less the more tools share it. A tool is
chosen when it wins some word of the goal and has enough weight in all. The goal is looked at clause by clause; a clause
that means no tool belongs to the one before it ("ping a.example and b.example").
"""

import math
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache

from ripieno.domain.effects import EffectClass
from ripieno.domain.tools import ToolSpec
from ripieno.models.providers.offline import words
from ripieno.models.providers.offline.kinds import Kind, kind_of, required, schema_of
from ripieno.models.providers.offline.lexicon import RELATED
from ripieno.models.providers.offline.values import Values, find

KEYWORD, NAME, GROUP, PARAMETER, DESCRIPTION, WEAK = 2.0, 2.0, 1.0, 0.7, 0.8, 0.6
ENOUGH_BY_NAME = 0.4
ENOUGH_BY_DESCRIPTION = 1.5
NEAR_THE_BEST = 0.8

_VALUE_WEIGHTS: Mapping[Kind, float] = {
    Kind.EXPRESSION: 2.0,
    Kind.URL: 2.0,
    Kind.GLOB: 1.0,
    Kind.PATH: 0.7,
    Kind.HOST: 0.5,
}


_MANNER = re.compile(r"\b\d+\s+times\b|\bby\s+\w+", re.IGNORECASE)
"""How a thing is to be done ("3 times", "by memory"), not what."""
_READERS = {"read", "open", "view", "cat"}


_VAGUE_VALUES = {f"<{Kind.PATH}>", f"<{Kind.HOST}>"}
_TIERS: Sequence[Callable[[set[str]], object]] = (
    lambda won: won - words.WEAK_STEMS - words.PLACE_STEMS - _VAGUE_VALUES,
    lambda won: won - _VAGUE_VALUES,
    lambda won: won,
)
"""What a tool may be chosen by: telling words; where no tool has any, plain words; else a path or host alone."""


@dataclass(frozen=True, slots=True)
class Match:
    """Tools that a part of the goal means, the best first, and the values in that part."""

    text: str
    values: Values
    tools: tuple[ToolSpec, ...]


def match(goal: str, tools: Sequence[ToolSpec]) -> list[Match]:
    """Find for each part of the goal the tools that it means. Parts that mean none are left out."""
    parts: list[Match] = []
    lead = ""
    for clause in words.clauses(goal):
        text = lead + clause
        chosen = choose(text, tools)
        if chosen:
            parts.append(Match(text, find(text), chosen))
            lead = ""
        elif parts:
            whole = parts[-1].text + clause
            parts[-1] = Match(whole, find(whole), parts[-1].tools)
        else:
            lead = text
    return parts


def choose(text: str, tools: Sequence[ToolSpec]) -> tuple[ToolSpec, ...]:
    """Pick the tools that a text means, the best first."""
    values = find(text)
    terms = _terms(values)
    weights = [_weights(tool) for tool in tools]
    rarity = {term: _rarity(sum(term in each for each in weights), len(tools)) for term in terms}
    scored = [
        sum(own[term] * rarity[term] for term in terms if term in own) if _allowed(tool, terms) else 0.0
        for tool, own in zip(tools, weights, strict=True)
    ]
    enough = [index for index, own in enumerate(weights) if scored[index] >= _enough(own, terms)]
    won = {index: {term for term in terms if _wins(index, term, weights, scored)} for index in enough}
    tiers = ([index for index in enough if tier(won[index])] for tier in _TIERS)
    chosen = next((tier for tier in tiers if tier), None) or []
    return tuple(tools[index] for index in sorted(chosen, key=lambda each: (-scored[each], tools[each].name)))


def _wins(index: int, term: str, weights: Sequence[Mapping[str, float]], scored: Sequence[float]) -> bool:
    """Whether a term means this tool about as much as any other."""
    own = weights[index].get(term, 0.0)
    if not own:
        return False
    heaviest = max(each.get(term, 0.0) for each in weights)
    rivals = [score for each, score in zip(weights, scored, strict=True) if each.get(term, 0.0) >= 0.75 * heaviest]
    return own >= 0.75 * heaviest and scored[index] >= NEAR_THE_BEST * max(rivals)


def _enough(own: Mapping[str, float], terms: Sequence[str]) -> float:
    by_name = any(own.get(term, 0.0) >= GROUP for term in terms)
    return ENOUGH_BY_NAME if by_name else ENOUGH_BY_DESCRIPTION


def _allowed(tool: ToolSpec, terms: Sequence[str]) -> bool:
    """A tool that changes something needs its name or a keyword in the goal: a description is too vague for that."""
    if tool.effect is EffectClass.READ:
        return True
    named = {*words.stems(tool.name), *(word for keyword in tool.keywords for word in words.stems(keyword))}
    return any(term in named for term in terms)


def _terms(values: Values) -> list[str]:
    """The words of a text without its values, its pairs and triples of words, and the kinds of its values."""
    plain = words.stems(_MANNER.sub(" ", values.plain))
    kinds = {
        Kind.EXPRESSION: values.expressions,
        Kind.URL: values.urls,
        Kind.HOST: values.hosts,
        Kind.PATH: [path for path in values.paths if not path.endswith("/") or path == "/"],
        Kind.GLOB: values.globs,
    }
    singles = [word for word in plain if word not in words.STOP_STEMS and len(word) > 1]
    phrases = [
        " ".join(source[at : at + size])
        for source in (plain, singles)
        for size in (2, 3)
        for at in range(len(source) - size + 1)
    ]
    return list(dict.fromkeys([*singles, *phrases, *(f"<{kind}>" for kind, found in kinds.items() if found)]))


def _rarity(having: int, among: int) -> float:
    """1 for a term of one tool, falling with the share of tools that have it (inverse document frequency, scaled)."""
    return math.log(1 + among / having) / math.log(1 + among) if having else 0.0


def _weights(tool: ToolSpec) -> Mapping[str, float]:
    return _weights_of(tool.name, tool.description, tool.keywords, _parameters(tool))


def _parameters(tool: ToolSpec) -> tuple[tuple[str, str], ...]:
    names = required(tool.input_schema)
    return tuple((name, kind_of(name, schema_of(tool.input_schema, name), tool.name)) for name in names)


@lru_cache(maxsize=512)
def _weights_of(
    name: str, description: str, keywords: tuple[str, ...], parameters: tuple[tuple[str, str], ...]
) -> Mapping[str, float]:
    group, _, own = name.rpartition(".")
    said = [(word, DESCRIPTION) for word in words.telling(description)]
    said += [(word, PARAMETER) for parameter, _ in parameters for word in words.telling(parameter)]
    said += [(word, GROUP) for word in words.telling(group)]
    said += [(word, NAME) for word in words.telling(own)]
    said += [(other, DESCRIPTION) for word in words.stems(name) for other in RELATED.get(word, ())]
    weights: dict[str, float] = {}
    for word, weight in said:
        weights[word] = max(weights.get(word, 0.0), WEAK if word in words.WEAK_STEMS else weight)
    weights |= {f"<{kind}>": _VALUE_WEIGHTS[Kind(kind)] for _, kind in parameters if kind in _VALUE_WEIGHTS}
    if own in _READERS and f"<{Kind.PATH}>" in weights:
        weights[f"<{Kind.PATH}>"] = NAME  # a path alone means that it is to be read
    phrases = [*keywords, f"{group} {own}", f"{own} {group}"]
    return weights | {" ".join(words.stems(phrase)): KEYWORD for phrase in phrases}
