"""What a worker takes on: how many runs, of which lanes, within which limits, and which of them alone."""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from ripieno.domain.batches import Claimed, ClaimTerms
from ripieno.domain.runs import Lane
from ripieno.engine.leg import Leg
from ripieno.ports import Clock, Definitions, Journal

CLAIM_AT_ONCE = 100

QUARANTINE_SECONDS = 30.0
"""After this time a run that may have killed its worker is believed not to do it again."""


@dataclass(frozen=True, slots=True)
class Options:
    """How much a worker takes on, how often it asks without a hint, how long it drains; times in seconds.

    Of the `slots`, runs of lane `batch` fill at most `batch_slots`, and together with those of lane `default` at most
    `default_slots`, so that urgent runs find a place; None is all of them for the latter and all but a tenth, one at
    least, for the former. `tenant_running` and `agent_running` are the limits of those that have none of their own,
    over all workers. A run is given up when `deaths` workers in a row died on it.
    """

    slots: int = 100
    poll_seconds: float = 2.0
    drain_seconds: float = 10.0
    default_slots: int | None = None
    batch_slots: int | None = None
    tenant_running: int | None = None
    agent_running: int | None = None
    deaths: int = 3


class Intake:
    """Asks the journal for runs, on behalf of one worker."""

    def __init__(self, journal: Journal, definitions: Definitions, clock: Clock, options: Options) -> None:
        self.journal = journal
        self._definitions = definitions
        self._clock = clock
        self._options = options
        self._suspect: str | None = None
        self._suspect_since = 0.0
        self._asked_for_suspects = clock.monotonic()

    async def take(self, worker_id: str, legs: Mapping[str, Leg]) -> Sequence[Claimed]:
        """Claim what there is room for beside the legs under way. Raises `StoreBusy`."""
        slots, lane = room(self._options, (leg.run.lane for leg in legs.values()))
        if slots <= 0 or self._waits_for_suspect(legs):
            return ()
        terms = await self._terms(lane)
        claimed = await self.journal.claim(worker_id, min(slots, CLAIM_AT_ONCE), terms)
        if any(one.run.deaths for one in claimed):
            self._suspect, self._suspect_since = claimed[0].run.id, self._clock.monotonic()
        return claimed

    async def _terms(self, lane: Lane) -> ClaimTerms:
        now = self._clock.monotonic()
        suspects_first = now - self._asked_for_suspects >= self._options.poll_seconds
        if suspects_first:
            self._asked_for_suspects = now
        agents = await self._definitions.agents()
        own = {agent.name: agent.limits.concurrency for agent in agents if agent.limits.concurrency is not None}
        return ClaimTerms(lane, suspects_first, self._options.tenant_running, own, self._options.agent_running)

    def _waits_for_suspect(self, legs: Mapping[str, Leg]) -> bool:
        """Whether a leg is under way that may kill this process: no other run is drawn into it."""
        leg = legs.get(self._suspect or "")
        if leg is None or leg.stepped or self._clock.monotonic() - self._suspect_since >= QUARANTINE_SECONDS:
            self._suspect = None
        return self._suspect is not None


def room(options: Options, lanes: Iterable[str]) -> tuple[int, Lane]:
    """How many more runs fit, and the last lane from which they may come."""
    busy = Counter(lanes)
    batch = busy[Lane.BATCH]
    urgent = busy[Lane.INTERACTIVE]
    every = options.slots - busy.total()
    default = options.slots if options.default_slots is None else options.default_slots
    usual = min(every, default - (busy.total() - urgent))
    last = options.slots - max(1, options.slots // 10) if options.batch_slots is None else options.batch_slots
    places = {Lane.BATCH: min(usual, max(1, last) - batch), Lane.DEFAULT: usual, Lane.INTERACTIVE: every}
    return next(((many, lane) for lane, many in places.items() if many > 0), (0, Lane.INTERACTIVE))
