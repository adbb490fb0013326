"""Hints: what those who commit tell those who wait."""

from dataclasses import dataclass
from enum import StrEnum


class HintKind(StrEnum):
    """What a hint says about its run.

    `WORK`: it can be claimed. `PROGRESS`: it has new entries. `STATUS`: its status changed. `CONTROL`: its leg must
    look at the row and the inbox. `DELTA`: a piece of a model's answer, as it arrives.
    """

    WORK = "work"
    PROGRESS = "progress"
    STATUS = "status"
    CONTROL = "control"
    DELTA = "delta"


@dataclass(frozen=True, slots=True)
class Hint:
    """Something that may be lost, doubled or reordered without harm. `text` is set for deltas only."""

    kind: HintKind
    run_id: str
    text: str = ""
