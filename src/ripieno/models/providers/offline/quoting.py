"""Quoting: which lines of a tool's result matter, and how much."""

import json
import re
from collections.abc import Collection, Iterator
from dataclasses import dataclass

from ripieno.domain.jsons import Json
from ripieno.models.providers.offline import words
from ripieno.models.providers.offline.values import flat

LONGEST_LINE = 240

_DENIED = re.compile(
    r"\b(?:no|not|0|zero|without|none)\s+(?:\w+\s+){0,2}?(?:errors?|failures?|failed|warnings?|issues?|problems?|findings?"
    r"|exceptions?|loss)\b|\b0(?:\.0+)?\s*%\s*(?:packet\s+)?loss",
    re.IGNORECASE,
)
_WORDS = (
    (10, re.compile(r"\b(?:critical|fatal|panic|emergency|out of memory|oom|corrupt\w*|data loss)\b", re.IGNORECASE)),
    (8, re.compile(r"\b(?:expired|unreachable|100(?:\.0+)?\s*%\s*(?:packet\s+)?loss)\b", re.IGNORECASE)),
    (6, re.compile(r"\b(?:errors?|failed|failures?|exceptions?|traceback|refused|denied|invalid)\b", re.IGNORECASE)),
    (5, re.compile(r"\b(?:time[d-]?\s?out|timeouts?|closed|down|dropped|high severity|vulnerab\w*)\b", re.IGNORECASE)),
    (
        4,
        re.compile(
            r"\b(?:warn(?:ing)?s?|degraded|slow|deprecated|uncommitted|untracked|medium severity)\b", re.IGNORECASE
        ),
    ),
)
_PERCENT = re.compile(r"(\d+(?:\.\d+)?)\s*%\s*(\w*)")
_GOOD_PERCENT = {"idle", "free", "available", "ok", "passed", "uptime", "success"}
_DAYS = re.compile(r"\bexpires?\b.*?\b(\d+)\s+days?\b|\b(\d+)\s+days?\s+(?:left|remaining|until)", re.IGNORECASE)
_FULL = ((95.0, 9), (90.0, 8), (80.0, 6))
_SOON = ((7, 9), (14, 7), (30, 5))
_RULE = re.compile(r"^[\s|+=*_`~-]*$")


@dataclass(frozen=True, slots=True)
class Quote:
    """A line of a result. `severity` runs from 0 (fine) to 10."""

    text: str
    severity: int


def severity(line: str) -> int:
    """How much a line deserves attention: errors, nearly full things, things about to expire."""
    line = _DENIED.sub(" ", line)
    marks = [weight for weight, pattern in _WORDS if pattern.search(line)]
    for value, noun in _PERCENT.findall(line):
        if noun.lower() not in _GOOD_PERCENT:
            marks += [weight for least, weight in _FULL if float(value) >= least]
    for early, late in _DAYS.findall(line):
        marks += [weight for most, weight in _SOON if int(early or late) <= most]
    return max(marks, default=0)


def essential(text: str, sought: Collection[str], limit: int) -> list[Quote]:
    """Pick the lines that matter most, in their order: severe ones, ones with the goal's words, ones with figures."""
    quotes = list(_lines(text))
    if len(quotes) <= limit:
        return quotes
    ranked = sorted(range(len(quotes)), key=lambda at: (-_weight(quotes[at], sought), at))
    return [quotes[at] for at in sorted(ranked[:limit])]


def _weight(quote: Quote, sought: Collection[str]) -> float:
    figures = 0.5 if any(sign.isdigit() for sign in quote.text) else 0.0
    return quote.severity + 1.5 * len(set(words.telling(quote.text)) & set(sought)) + figures


def _lines(text: str) -> Iterator[Quote]:
    for line in _parsed(text):
        tidy = " ".join(line.split()).lstrip("-*•# ").strip()
        if tidy and not _RULE.match(tidy):
            yield Quote(shortened(tidy), severity(tidy))


def _parsed(text: str) -> list[str]:
    """The lines of a text; of JSON, one for each scalar."""
    if text.lstrip()[:1] in {"{", "["}:
        try:
            document: Json = json.loads(text)
        except ValueError:
            return text.splitlines()
        if isinstance(document, dict | list) and document:
            return flat(document)
    return text.splitlines()


def shortened(line: str, limit: int = LONGEST_LINE) -> str:
    """Cut a line at a space, so that no number loses its tail."""
    if len(line) <= limit:
        return line
    head = line[: limit - 1]
    cut = head.rsplit(" ", 1)[0] if " " in head else re.sub(r"[\d.,]+$", "", head)
    return f"{cut.rstrip()} …"
