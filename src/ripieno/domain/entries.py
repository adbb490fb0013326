"""The journal's lines, and the rows of a run's inbox."""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from ripieno.domain.jsons import JsonObject


class EntryType(StrEnum):
    """Every kind of entry. The public event of an entry has the same name."""

    RUN_STARTED = "run.started"
    MODEL_REPLIED = "model.replied"
    MODEL_FAILED = "model.failed"
    EFFECT_INTENDED = "effect.intended"
    EFFECT_RECONCILED = "effect.reconciled"
    EFFECT_COMPENSATED = "effect.compensated"
    TOOL_RETURNED = "tool.returned"
    INTERRUPT_OPENED = "interrupt.opened"
    INTERRUPT_DECIDED = "interrupt.decided"
    INTERRUPT_WITHDRAWN = "interrupt.withdrawn"
    CHILD_STARTED = "child.started"
    CHILD_ENDED = "child.ended"
    WAIT_BEGAN = "wait.began"
    WAIT_ENDED = "wait.ended"
    CONTEXT_COMPACTED = "context.compacted"
    TEAM_PLANNED = "team.planned"
    TEAM_REVIEWED = "team.reviewed"
    RUN_COMPLETED = "run.completed"
    RUN_FAILED = "run.failed"
    RUN_CANCELLED = "run.cancelled"
    RUN_RETRIED = "run.retried"
    RUN_FORKED = "run.forked"


ENDINGS = frozenset({EntryType.RUN_COMPLETED, EntryType.RUN_FAILED, EntryType.RUN_CANCELLED})


def ending_key(generation: int) -> str:
    """The key of the entry that ends a generation of a run."""
    return "end" if generation == 1 else f"g{generation}/end"


@dataclass(frozen=True, slots=True)
class NewEntry:
    """A line to write. `key` is the command of which it is the outcome: unique in the run."""

    key: str
    type: EntryType
    body: JsonObject


@dataclass(frozen=True, slots=True)
class Entry:
    """A line as committed. `seq` counts from 1 without gaps, in commit order."""

    run_id: str
    seq: int
    key: str
    type: EntryType
    body: JsonObject
    at: datetime
    epoch: int
    v: int = 1


@dataclass(frozen=True, slots=True)
class InboxRow:
    """Something that was sent to a run and that no leg has consumed yet."""

    n: int
    topic: str
    body: JsonObject
    dedupe: str
