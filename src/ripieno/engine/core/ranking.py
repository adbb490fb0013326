"""Which tools a few words mean: BM25 over names, descriptions, keywords and parameters. Pure, and the same everywhere.

Robertson and Zaragoza, The Probabilistic Relevance Framework: BM25 and Beyond (2009). Each field is scored by itself: a
word in a short name says more than one in a long description.
"""

import math
import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, TypeAlias, cast

from ripieno.domain.tools import ToolSpec

SATURATION = 1.2


@dataclass(frozen=True, slots=True)
class _Field:
    """How much a field says, and how much less a word says in a long one (0 to 1)."""

    weight: float
    length_matters: float


FIELDS = (_Field(3.0, 0.8), _Field(2.0, 0.7), _Field(0.5, 0.7), _Field(0.5, 0.4))
"""Name and keywords, first line of the description, rest of it, names of parameters."""

WORD = re.compile(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+|\d+|[^\W\d_a-zA-Z]+")
"""Words of text and of names: `listPullRequests`, `pull_requests`, `repos/list-for-org`."""

NO_MEANING = frozenset(
    {
        "a",
        "an",
        "and",
        "as",
        "at",
        "be",
        "by",
        "for",
        "from",
        "how",
        "i",
        "in",
        "is",
        "it",
        "me",
        "my",
        "of",
        "on",
        "or",
        "that",
        "the",
        "this",
        "to",
        "with",
        "what",
        "which",
        "who",
        "you",
    }
)

SAME = {
    "show": "get",
    "fetch": "get",
    "read": "get",
    "find": "search",
    "remove": "delete",
    "make": "create",
    "new": "create",
    "change": "update",
    "edit": "update",
    "modify": "update",
    "close": "update",
    "publish": "create",
    "set": "update",
    "all": "list",
    "repo": "repository",
    "repos": "repository",
    "org": "organization",
    "orgs": "organization",
}
"""Words that people use for the verbs of APIs, and usual short forms."""

ENDINGS = (("ies", "y"), ("sses", "ss"), ("ing", ""), ("ed", ""), ("es", ""), ("s", ""), ("e", ""))

SHORTEST_STEM = 3

MOST_REMEMBERED = 4096
"""Tools whose words are known."""

Document: TypeAlias = tuple[Mapping[str, int], ...]


def words(text: str) -> list[str]:
    """The words of a text as they are compared."""
    found = [str(word).lower() for word in WORD.findall(text)]
    return [_stem(SAME.get(word) or word) for word in found if word not in NO_MEANING]


def ranked(query: str, specs: Sequence[ToolSpec], limit: int) -> list[tuple[ToolSpec, float]]:
    """The tools that fit, the best first, with how well; of equals the one that comes first by name."""
    wanted = list(dict.fromkeys(words(query)))
    documents = [_document(*_told(spec)) for spec in specs]
    scores = [0.0] * len(specs)
    for place, field in enumerate(FIELDS):
        _add_scores(scores, [document[place] for document in documents], field, wanted)
    fitting = [(spec, score) for spec, score in zip(specs, scores, strict=True) if score > 0]
    return sorted(fitting, key=lambda one: (-round(one[1], 9), one[0].name))[:limit]


def _add_scores(scores: list[float], texts: Sequence[Mapping[str, int]], field: _Field, wanted: Sequence[str]) -> None:
    lengths = [sum(text.values()) for text in texts]
    average = max(1.0, sum(lengths) / max(1, len(texts)))
    for word in wanted:
        holders = [index for index, text in enumerate(texts) if word in text]
        rarity = math.log(1 + (len(texts) - len(holders) + 0.5) / (len(holders) + 0.5))
        for index in holders:
            often = texts[index][word]
            length = 1 - field.length_matters + field.length_matters * lengths[index] / average
            scores[index] += field.weight * rarity * often * (SATURATION + 1) / (often + SATURATION * length)


def _told(spec: ToolSpec) -> tuple[str, str, str]:
    parameters = cast("dict[str, Any]", spec.input_schema.get("properties", {}))
    return f"{spec.name} {' '.join(spec.keywords)}", spec.description, " ".join(parameters)


@lru_cache(maxsize=MOST_REMEMBERED)
def _document(named: str, description: str, parameters: str) -> Document:
    """The words of each field, and how often they stand there."""
    summary, _, rest = description.partition("\n")
    return tuple(Counter(words(text)) for text in (named, summary, rest, parameters))


def _stem(word: str) -> str:
    for ending, instead in ENDINGS:
        if word.endswith(ending) and len(word) - len(ending) + len(instead) >= SHORTEST_STEM:
            return word.removesuffix(ending) + instead
    return word
