"""Statements of a draft, and the evidence they cite."""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import cast

from ripieno.domain.jsons import Json, JsonObject, canonical
from ripieno.models.providers.offline import words

_ID = r"(?:[\w.@-]+/)*t\d+c\d+|[\w.@-]+(?:/[\w.@-]+)+"
_CITATION = re.compile(rf"\[((?:{_ID})(?:\s*[,;]\s*(?:{_ID}))*)\]")
_NUMBER = re.compile(r"(?<![\w])\d+(?:[.,]\d+)*")
_QUOTED = re.compile(r"\"([^\"]{2,})\"|“([^”]{2,})”|`([^`]{2,})`")
_AFTER_CITATION = re.compile(r"(?<=\])(?:[.;!?]\s+|\s+(?=[A-Z]))(?=[^\[\s])")
"""Where a statement ends: a citation bears all that stands before it, back to the citation before."""
_REMARK = re.compile(
    r"^(?:not covered|nothing|no evidence|no findings|could not|in short|summary|overall|most important|goal)\b",
    re.IGNORECASE,
)
_FEWEST_WORDS = 3


@dataclass(frozen=True, slots=True)
class Evidence:
    """One tool result as a team's members see it."""

    id: str
    tool: str
    arguments: JsonObject
    excerpt: str
    ok: bool

    @property
    def text(self) -> str:
        """All that a statement may take from it."""
        return f"{self.tool} {canonical(self.arguments)}\n{self.excerpt}"


@dataclass(frozen=True, slots=True)
class Statement:
    """One claim of a draft: the line it stands in, the sentence without its citations, the ids it cites."""

    line: str
    claim: str
    cites: tuple[str, ...]


def evidence_of(data: JsonObject) -> dict[str, Evidence]:
    """The evidence in a request's data, by id."""
    items: Json = data.get("evidence")
    found: dict[str, Evidence] = {}
    for item in cast("list[Json]", items) if isinstance(items, list) else ():
        if isinstance(item, dict) and item.get("id"):  # pyright: ignore[reportUnknownMemberType]
            raw = cast("JsonObject", item)
            arguments = raw.get("arguments")
            found[str(raw["id"])] = Evidence(
                id=str(raw["id"]),
                tool=str(raw.get("tool", "")),
                arguments=cast("JsonObject", arguments) if isinstance(arguments, dict) else {},
                excerpt=str(raw.get("excerpt", "")),
                ok=bool(raw.get("ok", True)),
            )
    return found


def statements(draft: str) -> Iterator[Statement]:
    """Cut a Markdown draft into its factual statements; headings, code, remarks and short lead-ins are none."""
    fenced = False
    for raw in draft.splitlines():
        line = raw.strip()
        if line.startswith("```"):
            fenced = not fenced
            continue
        if fenced or not line or line.startswith(("#", "|", ">", "---")):
            continue
        for sentence in _AFTER_CITATION.split(line):
            statement = _statement(line, sentence)
            if statement:
                yield statement


def _statement(line: str, sentence: str) -> Statement | None:
    cites = cited(sentence)
    claim = _CITATION.sub("", sentence).strip(" -*•\t")
    if not claim or (not cites and (_REMARK.match(claim) or claim.endswith(":"))):
        return None
    if not cites and len(claim.split()) <= _FEWEST_WORDS and not numbers(claim):
        return None
    return Statement(line, " ".join(claim.split()), cites)


def cited(text: str) -> tuple[str, ...]:
    """The evidence ids in square brackets in a text, in order."""
    groups = [re.split(r"\s*[,;]\s*", group) for group in _CITATION.findall(text)]
    return tuple(dict.fromkeys(each for group in groups for each in group))


def numbers(text: str) -> set[str]:
    """The numbers of a text, without thousands separators and needless zeros."""
    return {_plain(number) for number in _NUMBER.findall(text)}


def _plain(number: str) -> str:
    number = number.rstrip(".,")
    if re.fullmatch(r"\d{1,3}(?:,\d{3})+(?:\.\d+)?", number):
        number = number.replace(",", "")
    if re.fullmatch(r"\d+\.\d+", number):
        number = number.rstrip("0").rstrip(".")
    return number


def borne(statement: Statement, sources: Sequence[Evidence]) -> str:
    """Why the sources do not bear the statement; empty when they do."""
    text = "\n".join(source.text for source in sources)
    unknown = [number for number in sorted(numbers(statement.claim)) if not _has_number(number, numbers(text))]
    if unknown:
        return f"the cited evidence does not show {', '.join(unknown)}"
    lower = " ".join(text.lower().split())
    quoted = [next(group for group in match.groups() if group) for match in _QUOTED.finditer(statement.claim)]
    missing = [item for item in quoted if " ".join(item.lower().split()) not in lower]
    if missing:
        return f"the cited evidence does not say “{missing[0]}”"
    if not set(words.telling(statement.claim)) & set(words.telling(text)) and not numbers(statement.claim):
        return "the cited evidence speaks of something else"
    return ""


def _has_number(number: str, among: set[str]) -> bool:
    """Whether a number is there, or one that rounds to it."""
    if number in among:
        return True
    if not number.isdigit():
        return False
    return any(re.fullmatch(r"\d+\.\d+", other) and round(float(other)) == int(number) for other in among)


def holder(evidence: Mapping[str, Evidence], claim: str) -> str:
    """The id of the evidence that holds a claim word for word, where one does."""
    wanted = " ".join(claim.lower().split())
    said = wanted.split(": ", 1)[-1]
    return next((each.id for each in evidence.values() if said in " ".join(each.excerpt.lower().split())), "")
