"""How measured values are summed up."""

from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Spread:
    """Three quantiles of a set of values."""

    p50: float
    p95: float
    p99: float


def spread(values: Sequence[float]) -> Spread:
    """The quantiles of some values; the nearest value that was really measured, never one in between."""
    ordered = sorted(values)
    return Spread(*(ordered[min(len(ordered) - 1, int(len(ordered) * part))] for part in (0.50, 0.95, 0.99)))
