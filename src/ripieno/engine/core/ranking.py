"""Which tools a few words mean: BM25 over names, descriptions, keywords and parameters. Pure, and the same everywhere.

Robertson and Zaragoza, The Probabilistic Relevance Framework: BM25 and Beyond (2009), with the fields weighed by how
often their words are counted.
"""

import math
import re
from collections import Counter
from collections.abc import Sequence
from typing import Any, cast

from ripieno.domain.tools import ToolSpec

SATURATION = 1.2
LENGTH_MATTERS = 0.5

IN_NAME, IN_SUMMARY, IN_REST, IN_PARAMETERS = 4, 3, 1, 1

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
    "add": "create",
    "new": "create",
    "change": "update",
    "edit": "update",
    "modify": "update",
    "all": "list",
    "repo": "repository",
    "org": "organization",
    "pr": "pull",
    "pull": "pull",
    "dir": "directory",
}
"""Words that people use for the verbs of APIs, and usual short forms."""

ENDINGS = (
    ("ies", "y"),
    ("sses", "ss"),
    ("ches", "ch"),
    ("shes", "sh"),
    ("xes", "x"),
    ("ing", ""),
    ("ed", ""),
    ("s", ""),
)

SHORTEST_STEM = 3


def words(text: str) -> list[str]:
    """The words of a text as they are compared."""
    found = [str(word).lower() for word in WORD.findall(text)]
    return [_stem(SAME.get(word) or word) for word in found if word not in NO_MEANING]


def ranked(query: str, specs: Sequence[ToolSpec], limit: int) -> list[tuple[ToolSpec, float]]:
    """The tools that fit, the best first, with how well; of equals the one that comes first by name."""
    wanted = list(dict.fromkeys(words(query)))
    documents = [_words_of(spec) for spec in specs]
    holders = Counter(word for document in documents for word in wanted if word in document)
    average = sum(document.total() for document in documents) / max(1, len(documents))
    rarity = {word: math.log(1 + (len(specs) - holders[word] + 0.5) / (holders[word] + 0.5)) for word in wanted}
    scored = [(spec, _score(document, rarity, average)) for spec, document in zip(specs, documents, strict=True)]
    fitting = [one for one in scored if one[1] > 0]
    return sorted(fitting, key=lambda one: (-round(one[1], 9), one[0].name))[:limit]


def _score(document: Counter[str], rarity: dict[str, float], average: float) -> float:
    length = 1 - LENGTH_MATTERS + LENGTH_MATTERS * document.total() / max(1.0, average)
    return sum(
        weight * document[word] * (SATURATION + 1) / (document[word] + SATURATION * length)
        for word, weight in rarity.items()
        if word in document
    )


def _words_of(spec: ToolSpec) -> Counter[str]:
    summary, _, rest = spec.description.partition("\n")
    found: Counter[str] = Counter()
    parameters = " ".join(cast("dict[str, Any]", spec.input_schema.get("properties", {})))
    named = f"{spec.name} {' '.join(spec.keywords)}"
    for text, weight in (
        (named, IN_NAME),
        (summary, IN_SUMMARY),
        (rest, IN_REST),
        (parameters, IN_PARAMETERS),
    ):
        for word in words(text):
            found[word] += weight
    return found


def _stem(word: str) -> str:
    for ending, instead in ENDINGS:
        if word.endswith(ending) and len(word) - len(ending) + len(instead) >= SHORTEST_STEM:
            return word.removesuffix(ending) + instead
    return word
