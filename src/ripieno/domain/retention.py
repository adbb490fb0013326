"""Retention: how long what is over is kept, and what one turn of pruning did."""

from dataclasses import dataclass
from datetime import datetime


@dataclass(frozen=True, slots=True)
class Kept:
    """For how many days each kind is kept after its end; 0 for ever. `archive` writes runs away before they go."""

    runs: float = 0
    sessions: float = 0
    outbox: float = 0
    audit: float = 0
    dead_letters: float = 0
    archive: bool = False


@dataclass(frozen=True, slots=True)
class Place:
    """Where a look at old runs has come to."""

    ended_at: datetime
    run_id: str


@dataclass(frozen=True, slots=True)
class Pruned:
    """What was done, or would be: runs deleted, runs archived. `more` is where to go on."""

    runs: int = 0
    archived: int = 0
    more: Place | None = None
