"""Effects: tool calls that change the world, and how far each has come."""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum


class EffectClass(StrEnum):
    """What may be done about a call of which nobody knows whether it happened.

    `READ` changes nothing and is repeated. `IDEMPOTENT` is repeated under the same key. `RECONCILABLE` can be
    asked whether it happened. `IRREVERSIBLE` is put to a person.
    """

    READ = "read"
    IDEMPOTENT = "idempotent"
    RECONCILABLE = "reconcilable"
    IRREVERSIBLE = "irreversible"


class EffectState(StrEnum):
    """Where an effect stands. `UNKNOWN` means: intended, then the worker was lost or cut off.

    `INHERITED` is the effect of another run, of which this one is a fork. `COMPENSATED` was done and then undone by a
    rollback. `SIMULATED` was intended in a dry run, and never begun.
    """

    INTENDED = "intended"
    DONE = "done"
    FAILED = "failed"
    UNKNOWN = "unknown"
    ABANDONED = "abandoned"
    INHERITED = "inherited"
    COMPENSATED = "compensated"
    SIMULATED = "simulated"


OPEN = frozenset({EffectState.INTENDED, EffectState.UNKNOWN})
"""Nobody has said how it ended."""

LATE = "effect.late"
"""The topic under which a run is told how an attempt of a lost leg ended."""


@dataclass(frozen=True, slots=True)
class Effect:
    """One row of the ledger. Attempts of a call share `key` and `idempotency_key` and differ in `attempt`."""

    run_id: str
    key: str
    attempt: int
    tool: str
    effect: EffectClass
    state: EffectState
    idempotency_key: str
    arguments_hash: str
    intended_at: datetime | None = None
    closed_at: datetime | None = None
