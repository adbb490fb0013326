"""Words: cutting text into stems and clauses, and which words say nothing."""

import re
from functools import lru_cache

_STOP = """
a an the this that these those it its i me my we us our us you your he she they them their is are was were be been
am do does did done has have had can could will would shall should may might must and or but not no nor so if than
as of to in on at by for from with into onto about over under between per via what which who whom whose when where
why how there here any some all each every please just also too very then else only own same
"""
_WEAK = """
check show tell give get find look list read search fetch run make do say see know want need use call try write save
send test report answer question thing way state current much many good bad right now today name file value return
result information detail data number text line first last most attention deserve help work set open
"""
_PLACES = "machine system host server computer box network here"
_BROAD = """
overview overall health healthy status look inspect inspection audit everything anything attention deserve wrong
problem trouble issue matter summary summarise summarize survey state condition assess diagnose
"""

STOP = frozenset(_STOP.split())
"""Function words: they never mean a tool."""

_SHORT = 3
_WORD = re.compile(r"[^\W\d_]+\d*")
_CAMEL = re.compile(r"(?<=[a-z0-9])(?=[A-Z])")
_CLAUSE = re.compile(
    r"((?<=[.?!;:])\s+|\s*\n+\s*|,?\s+(?:and then|and also|as well as|and|then|also)\s+|,\s+)", re.IGNORECASE
)
_QUOTED = re.compile(r"\"[^\"\n]+\"|`[^`\n]+`|(?<!\w)'[^'\n]+'(?!\w)")


@lru_cache(maxsize=4096)
def stem(word: str) -> str:
    """Cut the ending of an English word off, lightly: `processes` → `process`, `closed` and `closing` → `clos`."""
    word = word.lower()
    if len(word) <= _SHORT:
        return word
    word = _singular(word)
    for ending, least in (("ing", 6), ("ed", 5)):
        if word.endswith(ending) and len(word) >= least:
            word = word.removesuffix(ending)
            if len(word) > _SHORT and word[-1] == word[-2] and word[-1] not in "lsz":
                word = word[:-1]
            break
    return word[:-1] if word.endswith("e") and len(word) > _SHORT else word


def _singular(word: str) -> str:
    if word.endswith("ies") and len(word) > _SHORT + 1:
        return word[:-3] + "y"
    if word.endswith(("sses", "shes", "ches", "xes")):
        return word[:-2]
    if word.endswith("s") and not word.endswith(("ss", "us", "is")):
        return word[:-1]
    return word


STOP_STEMS = STOP | {stem(word) for word in STOP}

WEAK_STEMS = frozenset(stem(word) for word in _WEAK.split())
"""Words that fit nearly any tool: alone, they are too little."""

BROAD_STEMS = frozenset(stem(word) for word in _BROAD.split())
"""Words of a goal that asks for a general look rather than for one fact."""

PLACE_STEMS = frozenset(stem(word) for word in _PLACES.split())
"""Words that tell where rather than what: they choose tools only where no word that tells what does."""


def stems(text: str) -> list[str]:
    """All words of a text as stems, in order, function words too."""
    return [stem(word) for word in _WORD.findall(_CAMEL.sub(" ", text.replace("_", " ")))]


def telling(text: str) -> list[str]:
    """The stems of a text that are no function words."""
    return [word for word in stems(text) if word not in STOP_STEMS and len(word) > 1]


def is_broad(text: str) -> bool:
    """Whether a goal asks for a general look."""
    return any(word in BROAD_STEMS for word in stems(text))


def clauses(text: str) -> list[str]:
    """Cut a goal where one wish ends and the next begins, quotations whole. Joined, the clauses are the goal again."""
    hidden: list[str] = []

    def hide(match: re.Match[str]) -> str:
        hidden.append(match.group())
        return f"\ue000{len(hidden) - 1}\ue001"

    pieces = _CLAUSE.split(_QUOTED.sub(hide, text))
    shown = [re.sub("\ue000(\\d+)\ue001", lambda found: hidden[int(found.group(1))], piece) for piece in pieces]
    return ["".join(shown[index : index + 2]) for index in range(0, len(shown), 2) if "".join(shown[index : index + 2])]


_EDGE = re.compile(r"^\W*(?:(?:and|then|also)\s+)*|[\s,.;:!?]*(?:\s(?:and|then|also))*[\s,.;:!?]*$", re.IGNORECASE)


def tidied(clause: str) -> str:
    """A clause without the words and signs that joined it to its neighbours."""
    return _EDGE.sub("", clause)


def count(text: str) -> int:
    """How many words a text has: the offline model's tokens."""
    return len(text.split())
