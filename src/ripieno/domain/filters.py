"""Which rows a reader wants, and how many there are."""

from dataclasses import dataclass
from datetime import datetime

from ripieno.domain.interrupts import InterruptKind, InterruptStatus
from ripieno.domain.runs import RunStatus


@dataclass(frozen=True, slots=True)
class RunFilter:
    """Which runs; None means any."""

    status: RunStatus | None = None
    target: str | None = None
    session_id: str | None = None
    parent_id: str | None = None
    created_after: datetime | None = None


@dataclass(frozen=True, slots=True)
class InterruptFilter:
    """Which interrupts; None means any. `assignee` is a name that stands in their list: a principal, or `role:NAME`."""

    kind: InterruptKind | None = None
    status: InterruptStatus | None = None
    run_id: str | None = None
    assignee: str | None = None


@dataclass(frozen=True, slots=True)
class Counts:
    """How many runs have not ended."""

    queued: int = 0
    running: int = 0
    parked: int = 0
