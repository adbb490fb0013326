"""What a leg hands to the journal, and what it is handed."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import Enum, auto

from ripieno.domain.budgets import Reservation, Settlement
from ripieno.domain.effects import Effect, EffectState
from ripieno.domain.entries import Entry, InboxRow, NewEntry
from ripieno.domain.interrupts import Interrupt, NewInterrupt
from ripieno.domain.jsons import JsonObject
from ripieno.domain.runs import Lane, NewRun, Run, RunStatus


@dataclass(frozen=True, slots=True)
class EffectIntent:
    """Opens an effect in the ledger, in the transaction of its entry."""

    effect: Effect


@dataclass(frozen=True, slots=True)
class EffectClose:
    """Closes (run, key, attempt) in the ledger; one that is closed stays as it is."""

    key: str
    attempt: int
    state: EffectState


@dataclass(frozen=True, slots=True)
class LateOutcome:
    """How an attempt ended whose leg has lost its run: the close, and the result as the leg would have recorded it."""

    tenant: str
    run_id: str
    close: EffectClose
    result: JsonObject


@dataclass(frozen=True, slots=True)
class Append:
    """What one leg wants to commit at once.

    With `intents`, the batch is refused when the run is being cancelled or held. `consumed` are the inbox rows of
    which the entries are the trace, `acknowledged` the messages that the run took from a mailbox. `reserves` may come
    without an entry; one that is there already stays as it is.
    """

    run_id: str
    epoch: int
    entries: tuple[NewEntry, ...]
    intents: tuple[EffectIntent, ...] = ()
    closes: tuple[EffectClose, ...] = ()
    interrupts: tuple[NewInterrupt, ...] = ()
    children: tuple[NewRun, ...] = ()
    consumed: tuple[int, ...] = ()
    acknowledged: tuple[str, ...] = ()
    reserves: tuple[Reservation, ...] = ()
    settles: tuple[Settlement, ...] = ()


@dataclass(frozen=True, slots=True)
class Park:
    """Lets go of a run that waits. `waits` says for what, `inbox_seq` is how far the leg has read its inbox."""

    run_id: str
    epoch: int
    status: RunStatus
    inbox_seq: int
    waits: tuple[JsonObject, ...] = ()
    wake_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class ClaimTerms:
    """Which runs a worker takes. `lane` is the last that is served; those before it are served too.

    The limits are of runs under way at once, over all workers; None means any number. `tenant_running` is for tenants
    that have no limit of their own, `agent_running` for agents by name, `each_agent` for all agents not named there.
    """

    lane: Lane = Lane.BATCH
    suspects_first: bool = False
    tenant_running: int | None = None
    agent_running: Mapping[str, int] = field(default_factory=dict[str, int])
    each_agent: int | None = None


ANY_RUN = ClaimTerms()


@dataclass(frozen=True, slots=True)
class Claimed:
    """A run that this worker now owns, with all that its leg needs to know."""

    run: Run
    entries: tuple[Entry, ...]
    inbox: tuple[InboxRow, ...]
    effects: tuple[Effect, ...]
    interrupts: tuple[Interrupt, ...]


class Standing(Enum):
    """What a process knows, without asking anybody, about its right to go on with a run.

    `SURE`: nobody else can have it. `DOUBTFUL`: the lease of this worker may be over, so no effect begins.
    `LOST`: the epoch is over.
    """

    SURE = auto()
    DOUBTFUL = auto()
    LOST = auto()


@dataclass(frozen=True, slots=True)
class Pumped:
    """What one turn of the pump did."""

    woken: int = 0
    expired: int = 0
    fenced: int = 0
