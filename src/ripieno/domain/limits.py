"""How much of something may happen in a time: a sliding window, counted with two counters.

The window before is taken to have been used evenly, so that what it still counts is its use times the part of it that
is not over a whole window ago (the sliding window counter). Pure rules; who counts is the business of `ports.Limiter`.
"""

from dataclasses import dataclass
from math import floor

MARGIN = 0.001
"""Seconds that are waited beyond the moment from which there is room."""


@dataclass(frozen=True, slots=True)
class Rate:
    """So much in any so many seconds."""

    amount: int
    seconds: int = 60


@dataclass(frozen=True, slots=True)
class Window:
    """What was used. `previous_left` and `current_left` are the seconds for which each counter still is what it is."""

    previous: int = 0
    previous_left: float = 0.0
    current: int = 0
    current_left: float = 0.0

    def used(self, rate: Rate) -> int:
        """How much counts now."""
        return floor(self.previous * self.previous_left / rate.seconds) + self.current

    def wait(self, rate: Rate, cost: int) -> float | None:
        """None where `cost` fits in now, else the seconds after which it will if nobody else comes.

        What is greater than the whole rate fits into an empty window.
        """
        room = rate.amount - min(cost, rate.amount)
        if self.used(rate) <= room:
            return None
        if self.current <= room:
            return self.previous_left - _left(self.previous, room - self.current, rate.seconds) + MARGIN
        return self.current_left + rate.seconds - _left(self.current, room, rate.seconds) + MARGIN


def _left(count: int, room: int, seconds: int) -> float:
    """With how many seconds left the counter of a whole window weighs one more than there is room for."""
    return (room + 1) * seconds / count
