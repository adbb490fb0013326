"""Two runs side by side: their standing entries, aligned by key, and where they first part."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import cast

from ripieno.domain.entries import ENDINGS, Entry, EntryType
from ripieno.domain.jsons import Json, JsonObject, canonical
from ripieno.engine.core.projection import brief
from ripieno.engine.core.standing import standing

VOLATILE = frozenset(
    {
        "ms",
        "busy_ms",
        "usage",
        "fingerprint",
        "idempotency_key",
        "interrupt_id",
        "run_id",
        "id",
        "decided_at",
        "not_after",
    }
)
"""Members that differ between two runs that did the same."""

OF_A_START = ("goal", "data", "purpose", "model", "version")
OF_AN_ENDING = ("status", "exit_reason", "answer", "value", "error")


class Likeness(StrEnum):
    """How an entry of one run stands to that of the other."""

    SAME = "same"
    CHANGED = "changed"
    ONLY_IN_A = "only_in_a"
    ONLY_IN_B = "only_in_b"


@dataclass(frozen=True, slots=True)
class Side:
    """An entry in one of the runs. `value` is what is compared."""

    seq: int
    key: str
    type: EntryType
    summary: str
    value: Json


@dataclass(frozen=True, slots=True)
class Pair:
    """What two runs have under one key, without its generation."""

    key: str
    likeness: Likeness
    a: Side | None
    b: Side | None


@dataclass(frozen=True, slots=True)
class Comparison:
    """All pairs, in the order of the first run, then what only the second one has. `diverges_at` is a key."""

    pairs: tuple[Pair, ...]
    diverges_at: str | None

    def count(self, likeness: Likeness) -> int:
        """How many pairs are like that."""
        return sum(pair.likeness is likeness for pair in self.pairs)


def compare(a: Sequence[Entry], b: Sequence[Entry]) -> Comparison:
    """Align two journals."""
    left, right = _sides(a), _sides(b)
    keys = [*left, *(key for key in right if key not in left)]
    pairs = tuple(_pair(key, left, right) for key in keys)
    parted = [pair for pair in pairs if pair.likeness is not Likeness.SAME]
    first = min(parted, key=_place, default=None)
    return Comparison(pairs, first.key if first else None)


def _sides(entries: Sequence[Entry]) -> dict[str, Side]:
    found = dict(sorted(standing(entries).items(), key=lambda pair: pair[1].seq))
    if entries and entries[-1].type in ENDINGS:
        found["end"] = entries[-1]
    return {key: _side(entry) for key, entry in found.items()}


def _side(entry: Entry) -> Side:
    value = _compared(entry)
    return Side(entry.seq, entry.key, entry.type, brief(_words(entry)), value)


def _pair(key: str, left: Mapping[str, Side], right: Mapping[str, Side]) -> Pair:
    a, b = left.get(key), right.get(key)
    if a is None:
        return Pair(key, Likeness.ONLY_IN_B, a, b)
    if b is None:
        return Pair(key, Likeness.ONLY_IN_A, a, b)
    same = a.type is b.type and canonical(a.value) == canonical(b.value)
    return Pair(key, Likeness.SAME if same else Likeness.CHANGED, a, b)


def _place(pair: Pair) -> int:
    return min(side.seq for side in (pair.a, pair.b) if side is not None)


def _compared(entry: Entry) -> Json:
    body = entry.body
    if entry.type is EntryType.RUN_STARTED:
        return {name: body.get(name) for name in OF_A_START}
    if entry.type in ENDINGS:
        return _steady({name: body["result"].get(name) for name in OF_AN_ENDING})
    return _steady(body)


def _steady(value: Json) -> Json:
    if isinstance(value, dict):
        members = cast("JsonObject", value)
        return {name: _steady(member) for name, member in members.items() if name not in VOLATILE}
    if isinstance(value, list):
        return [_steady(item) for item in cast("list[Json]", value)]
    return value


def _words(entry: Entry) -> str:
    """The gist of an entry."""
    body = entry.body
    match entry.type:
        case EntryType.RUN_STARTED:
            return str(body["goal"])
        case EntryType.MODEL_REPLIED:
            wishes = ", ".join(call["name"] for call in body["reply"]["tool_calls"])
            return f"calls {wishes}" if wishes else str(body["reply"]["text"])
        case EntryType.TOOL_RETURNED:
            return str(body["result"]["text"])
        case EntryType.CHILD_STARTED:
            return str(body["goal"])
        case _ if "result" in body and isinstance(body["result"], dict):
            result = cast("JsonObject", body["result"])
            return str(result.get("answer") or result.get("status", ""))
        case _:
            return canonical(_steady(body))
