"""The life of a run as one table.

Everything that changes a run's status is an event here. Every store implements these transitions in SQL, the diagram in
the documentation is drawn from them, and the contract suite walks them.
"""

from enum import StrEnum

from ripieno.domain.runs import TERMINAL, RunStatus


class Event(StrEnum):
    """What can happen to a run."""

    CLAIMED = "claimed"
    """A worker takes it up."""
    RELEASED = "released"
    """Its worker lets go unfinished: drain, crash, lost lease."""
    ASKED_APPROVAL = "asked approval"
    """It parks until a person allows something."""
    ASKED_INPUT = "asked input"
    """It parks until a person answers."""
    AWAITED = "awaited"
    """It parks for a child, a timer or an event."""
    HELD = "held"
    """It parks because somebody paused it."""
    WOKEN = "woken"
    """Something arrived for it, or its time has come."""
    RESUMED = "resumed"
    """Somebody let it go on."""
    COMPLETED = "completed"
    """It has an answer."""
    FAILED = "failed"
    """It cannot go on."""
    CANCELLED = "cancelled"
    """Somebody stopped it for good."""


_Q, _R, _P = RunStatus.QUEUED, RunStatus.RUNNING, RunStatus.PAUSED
_WAITS = (RunStatus.AWAITING_APPROVAL, RunStatus.AWAITING_INPUT, RunStatus.WAITING)

TRANSITIONS: dict[tuple[RunStatus, Event], RunStatus] = {
    (_Q, Event.CLAIMED): _R,
    (_Q, Event.HELD): _P,
    (_R, Event.RELEASED): _Q,
    (_R, Event.ASKED_APPROVAL): RunStatus.AWAITING_APPROVAL,
    (_R, Event.ASKED_INPUT): RunStatus.AWAITING_INPUT,
    (_R, Event.AWAITED): RunStatus.WAITING,
    (_R, Event.HELD): _P,
    (_R, Event.COMPLETED): RunStatus.COMPLETED,
    (_R, Event.FAILED): RunStatus.FAILED,
    (_P, Event.RESUMED): _Q,
    **{(waiting, Event.WOKEN): _Q for waiting in _WAITS},
    **{(waiting, Event.HELD): _P for waiting in _WAITS},
    **{(alive, Event.CANCELLED): RunStatus.CANCELLED for alive in RunStatus if alive not in TERMINAL},
}


def after(status: RunStatus, event: Event) -> RunStatus | None:
    """The status that follows; None where the event cannot happen."""
    return TRANSITIONS.get((status, event))
