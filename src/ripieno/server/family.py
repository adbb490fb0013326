"""A run and the runs below it, as one thing to a person who waits for it or decides for it."""

from collections.abc import Sequence

from ripieno.domain.errors import WhichInterrupt
from ripieno.domain.filters import InterruptFilter, RunFilter
from ripieno.domain.interrupts import Interrupt, InterruptKind, InterruptStatus
from ripieno.domain.runs import TERMINAL, Run, RunKind, RunStatus
from ripieno.engine.api import FOR_A_PERSON
from ripieno.ports import Records
from ripieno.server.services import Services

TEAM_LOOK_SECONDS = 0.5
LOOK_SECONDS = 2.0
MANY = 100
AWAITS_CHILDREN = frozenset({RunStatus.WAITING, RunStatus.PAUSED})


async def open_interrupts(records: Records, run: Run, kind: InterruptKind | None = None) -> list[Interrupt]:
    """What a run and the runs below it ask of people now."""
    if run.status in TERMINAL or run.last_seq == 0:
        return []
    which = InterruptFilter(kind, InterruptStatus.PENDING, run.id)
    found = list(await records.interrupts(run.tenant, which, MANY))
    if run.status in AWAITS_CHILDREN:
        for child in await records.runs(run.tenant, RunFilter(parent_id=run.id), MANY):
            found += await open_interrupts(records, child, kind)
    return found


async def the_open_one(services: Services, run: Run, interrupt_id: str | None, *kinds: InterruptKind) -> Interrupt:
    """The named interrupt, or the only open one of the run and the runs below it, of the first kind that is open.

    Raises:
        NotFound: The interrupt is not this run's, nor that of a run below it.
        WhichInterrupt: None is open, or several are.
    """
    asked = await open_interrupts(services.records, run)
    if interrupt_id is not None:
        named = next((interrupt for interrupt in asked if interrupt.id == interrupt_id), None)
        return named or await services.engine.open_interrupt(run.tenant, run.id, interrupt_id, kinds[0])
    by_kind = ([each for each in asked if each.kind is kind] for kind in kinds)
    found = next(filter(None, by_kind), asked[:0])
    if len(found) != 1:
        raise WhichInterrupt(run.id, [interrupt.id for interrupt in found], kinds[0])
    return found[0]


async def settled(services: Services, run: Run, seconds: float) -> tuple[Run, Sequence[Interrupt]]:
    """The run, when it has ended or it or a run below it waits for a person, or when the time is up."""
    ends = services.clock.monotonic() + seconds
    # A run wakes its waiters itself; only what the members of a team ask has to be looked for.
    look = TEAM_LOOK_SECONDS if run.kind is RunKind.TEAM else LOOK_SECONDS
    while True:
        left = max(0.0, ends - services.clock.monotonic())
        run = await services.engine.wait(run.tenant, run.id, min(left, look))
        asked = await open_interrupts(services.records, run)
        if _is_settled(run, asked) or left <= 0 or services.stopping.is_set():
            return run, asked


def _is_settled(run: Run, asked: Sequence[Interrupt]) -> bool:
    waits_for_a_person = run.status in FOR_A_PERSON or (run.status is RunStatus.WAITING and bool(asked))
    return waits_for_a_person or run.status in TERMINAL
