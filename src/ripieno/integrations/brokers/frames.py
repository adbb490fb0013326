"""What travels: frames of hints as JSON, and the outbox in which hints wait to become frames. Pure.

A frame is `{"from": "wrk_...", "hints": [["work", "run_..."], ["delta", "run_...", "Hel"]]}`. One without hints is a
question to the broker, which answers by handing it back.
"""

import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from ripieno.domain.hints import Hint, HintKind
from ripieno.domain.jsons import Json

KINDS = {kind.value: kind for kind in HintKind}


@dataclass(frozen=True, slots=True)
class Frame:
    """Hints, and which dispatch sent them."""

    sender: str
    hints: tuple[Hint, ...] = ()


def encode(frame: Frame) -> bytes:
    """Write a frame as bytes."""
    hints = [[hint.kind, hint.run_id, hint.text] if hint.text else [hint.kind, hint.run_id] for hint in frame.hints]
    return json.dumps({"from": frame.sender, "hints": hints}, separators=(",", ":")).encode()


def decode(data: bytes) -> Frame | None:
    """Read a frame; None for what is none. Hints of kinds that this version does not know are left out."""
    try:
        document: Json = json.loads(data)
    except (ValueError, RecursionError):
        return None
    match document:
        case {"from": str(sender), "hints": [*rows]}:
            return Frame(sender, tuple(hint for row in rows if (hint := _hint(row))))
        case _:
            return None


def _hint(row: Json) -> Hint | None:
    match row:
        case [str(kind), str(run_id)] if kind in KINDS:
            return Hint(KINDS[kind], run_id)
        case [HintKind.DELTA.value, str(run_id), str(text)]:
            return Hint(HintKind.DELTA, run_id, text)
        case _:
            return None


@dataclass(frozen=True, slots=True)
class Bounds:
    """How many hints an outbox holds, how many characters of deltas, and how many hints go into a frame.

    As many characters take 600 KB at worst: every broker takes such a message without being told to.
    """

    hints: int = 10_000
    characters: int = 100_000
    frame: int = 500


class Outbox:
    """Hints on their way out, bounded. The same hint twice is one; the deltas of a run are joined in order."""

    def __init__(self, bounds: Bounds | None = None) -> None:
        self._bounds = bounds or Bounds()
        self._texts: dict[tuple[HintKind, str], list[str]] = {}
        self._characters = 0

    def __len__(self) -> int:
        return len(self._texts)

    def put(self, hints: Iterable[Hint]) -> int:
        """Take what there is room for; answers how many were dropped."""
        return sum(not self._put(hint) for hint in hints)

    def take(self) -> Sequence[tuple[Hint, ...]]:
        """Hand over everything, in parts of the size of a frame."""
        hints = [Hint(kind, run_id, "".join(texts)) for (kind, run_id), texts in self._texts.items()]
        self._texts.clear()
        self._characters = 0
        size = self._bounds.frame
        return [tuple(hints[start : start + size]) for start in range(0, len(hints), size)]

    def _put(self, hint: Hint) -> bool:
        key = (hint.kind, hint.run_id)
        characters = self._characters + len(hint.text)
        if characters > self._bounds.characters or (key not in self._texts and len(self) >= self._bounds.hints):
            return False
        self._characters = characters
        self._texts.setdefault(key, []).append(hint.text)
        return True
