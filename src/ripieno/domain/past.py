"""What may be done with a run's past: taken up again, copied into another run, undone."""

from dataclasses import dataclass
from datetime import datetime

from ripieno.domain.effects import Effect, EffectState
from ripieno.domain.entries import NewEntry
from ripieno.domain.runs import NewRun


@dataclass(frozen=True, slots=True)
class EffectName:
    """One attempt in some run's ledger."""

    run_id: str
    key: str
    attempt: int


@dataclass(frozen=True, slots=True)
class Settled:
    """Somebody's word on an effect, or what became of it later."""

    effect: EffectName
    state: EffectState


@dataclass(frozen=True, slots=True)
class Reopening:
    """An ended run that goes on under a new generation. `last_seq` is how far its journal was read.

    `entry` begins the generation, asked for by `by`; `settled` is what was said of effects of which nobody knew.
    """

    tenant: str
    run_id: str
    last_seq: int
    entry: NewEntry
    by: str
    deadline: datetime | None = None
    settled: tuple[Settled, ...] = ()


@dataclass(frozen=True, slots=True)
class Founding:
    """A new run that begins with a journal. The run `about`, where there is one, must have ended.

    It does what the run `instead_of` did not: that one is no dead letter any more.
    """

    run: NewRun
    entries: tuple[NewEntry, ...]
    effects: tuple[Effect, ...] = ()
    about: str | None = None
    instead_of: str | None = None
    settled: tuple[Settled, ...] = ()
