"""One worker's turn at one run: what the journal holds, and the only way to add to it."""

import asyncio
import logging
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from ripieno.domain.batches import Append, Claimed, EffectClose, EffectIntent, LateOutcome, Standing
from ripieno.domain.budgets import Amount, Budget, Raise, Reservation, RunBudget, Settlement, Shortage
from ripieno.domain.effects import LATE, Effect
from ripieno.domain.entries import EntryType, InboxRow, NewEntry
from ripieno.domain.errors import StoreBusy
from ripieno.domain.interrupts import Interrupt, InterruptStatus, NewInterrupt
from ripieno.domain.jsons import JsonObject
from ripieno.domain.runs import NewRun, Run, RunStatus
from ripieno.engine.core import standing
from ripieno.ports import Journal

log = logging.getLogger(__name__)


class Blocked(Exception):
    """Nothing can go on before something arrives from outside, or `wake_at`. `status` is what the run parks as."""

    def __init__(self, status: RunStatus, waits: Iterable[JsonObject], wake_at: datetime | None = None) -> None:
        super().__init__(status.value)
        self.status = status
        self.waits = tuple(waits)
        self.wake_at = wake_at


class Budgets(Protocol):
    """What runs may spend, act by act. `act` is a run's id and a key."""

    def applying(self, run: Run, family: Sequence[RunBudget]) -> Sequence[Budget]:
        """The budgets on which a run draws. `family` are those of the run itself and the runs above it."""
        ...

    async def reserve(
        self, budgets: Sequence[Budget], act: tuple[str, str], need: Amount, least: Amount
    ) -> Sequence[Reservation] | Shortage:
        """Set something aside in each of them: the same everywhere, `need` or what is left if that is `least`.

        They are to be written with the act, then settled or abandoned.
        """
        ...

    def settle(self, reservations: Sequence[Reservation], used: Amount) -> None:
        """They were settled in the journal."""
        ...

    def abandon(self, reservations: Sequence[Reservation]) -> None:
        """They may stand open in the journal, and this process does no more about them."""
        ...

    async def reserved(self, tenant: str, run_id: str) -> Sequence[Reservation]:
        """What earlier legs of a run reserved and did not settle."""
        ...

    async def raise_by(self, more: Raise) -> None:
        """Allow more in one window of a budget; the same raise counts once."""
        ...


@dataclass(slots=True)
class Purse:
    """What was set aside for the act under `key`, the same in each budget. `used` is known when the act has ended."""

    key: str
    reservations: tuple[Reservation, ...]
    budgets: Budgets
    written: bool = False
    used: Amount | None = None

    @property
    def amount(self) -> Amount:
        """How much the act may use."""
        return self.reservations[0].amount


class Leg:
    """The run, its entries by key, its unread inbox and its ledger, kept true as the leg goes on."""

    def __init__(self, claimed: Claimed, journal: Journal) -> None:
        self.run: Run = claimed.run
        self.recorded = standing.recorded(claimed.entries, claimed.run.generation)
        self.inbox: list[InboxRow] = list(claimed.inbox)
        self.inbox_seq = claimed.run.inbox_seq
        self.interrupts = {interrupt.key: interrupt for interrupt in claimed.interrupts}
        self.news = asyncio.Event()
        """Set when the row or the inbox may have changed."""
        self.reading = asyncio.Lock()
        """Held by who looks for a message that several commands may want, until it is consumed."""
        self.held = False
        self.stopping = False
        """Set when the leg is to let go of its run."""
        self.cancelled = False
        """Set when the run is to end because somebody cancelled it."""
        self.lost = False
        """Set when somebody else has the run, or will have it."""
        self.stepped = False
        """Set when the leg has committed more than intents."""
        self.effects_in_flight = 0
        self._effects: dict[str, list[Effect]] = {}
        for effect in claimed.effects:
            self._effects.setdefault(effect.key, []).append(effect)
        self._journal = journal
        self._purses: dict[str, Purse] = {}
        self._left_open: dict[str, list[Reservation]] | None = None if claimed.entries else {}
        self._family: tuple[RunBudget, ...] | None = None

    def attempts(self, key: str) -> list[Effect]:
        """The ledger's rows of one call, oldest first."""
        return self._effects.get(key, [])

    async def append(
        self,
        *entries: NewEntry,
        intent: Effect | None = None,
        close: EffectClose | None = None,
        interrupt: NewInterrupt | None = None,
        child: NewRun | None = None,
        consumed: InboxRow | None = None,
        acknowledged: str | None = None,
    ) -> None:
        """Commit entries with what belongs to them. Raises `LegLost`, and `IntentRefused` for an intent."""
        batch = Append(
            self.run.id,
            self.run.epoch,
            entries,
            intents=(EffectIntent(intent),) if intent else (),
            closes=(close,) if close else (),
            interrupts=(interrupt,) if interrupt else (),
            children=(child,) if child else (),
            consumed=(consumed.n,) if consumed else (),
            acknowledged=(acknowledged,) if acknowledged else (),
            reserves=self._unwritten(intent),
            settles=self._settlements(entries),
        )
        for entry in await self._journal.append(batch):
            self.recorded[entry.key] = entry
            self.stepped = self.stepped or entry.type is not EntryType.EFFECT_INTENDED
        self._settle(batch)
        if consumed:
            self.inbox = [row for row in self.inbox if row.n != consumed.n]
        if intent:
            self._effects.setdefault(intent.key, []).append(intent)

    async def withdraw(self, key: str) -> Interrupt:
        """Take back what was asked under this key, where nobody has answered; answers how it stands then."""
        known = self.interrupts.get(key)
        if known is None or known.status is InterruptStatus.PENDING:
            interrupt_id: str = self.recorded[key].body["interrupt_id"]
            known = self.interrupts[key] = await self._journal.withdraw(self.run.tenant, interrupt_id)
        return known

    async def told_late(self, close: EffectClose, result: JsonObject) -> None:
        """Say how an attempt ended though the run is lost: the ledger takes it, and whoever has the run is told."""
        try:
            settled = await self._journal.late(LateOutcome(self.run.tenant, self.run.id, close, result))
        except StoreBusy as error:
            log.warning("a late outcome is lost", extra={"run_id": self.run.id, "reason": error.detail})
        else:
            fate = "counts" if settled else "changes nothing"
            log.warning("a late outcome %s", fate, extra={"run_id": self.run.id, "key": close.key})

    def late(self, effect: Effect) -> InboxRow | None:
        """What the inbox tells of an attempt that a lost leg had begun."""
        told = (row for row in self.inbox if row.topic == LATE and row.body["key"] == effect.key)
        return next((row for row in told if row.body["attempt"] == effect.attempt), None)

    # -- budgets -------------------------------------------------------------------------------------------------

    @property
    def family(self) -> tuple[RunBudget, ...]:
        """The budgets of the runs above and of this one, as pinned when it began."""
        if self._family is None:
            limits: JsonObject = self.recorded[f"g{self.run.generation}/start"].body["limits"]
            own = RunBudget.pinned(self.run.id, self.run.target, limits)
            above = self.run.input.above if self.run.parent_id is not None else ()
            self._family = (*above, own)
        return self._family

    def keep(self, purse: Purse) -> Purse:
        """Remember what was set aside: it is written with the intent of its effect, or by `reserve`."""
        self._purses[purse.key] = purse
        return purse

    async def reserve(self, purse: Purse) -> None:
        """Write down what was set aside, where no entry comes before the act. Raises `LegLost`."""
        if not purse.written:
            await self._journal.append(Append(self.run.id, self.run.epoch, (), reserves=purse.reservations))
            purse.written = True

    def spent(self, key: str, used: Amount) -> None:
        """Say what an act used; it is written with the entry of its outcome, which is next."""
        if purse := self._purses.get(key):
            purse.used = used

    async def left_open(self, key: str, budgets: Budgets) -> Purse | None:
        """What this or an earlier leg set aside for an act that has not ended."""
        if purse := self._purses.get(key):
            return purse
        if self._left_open is None:
            self._left_open = {}
            for one in await budgets.reserved(self.run.tenant, self.run.id):
                self._left_open.setdefault(one.key, []).append(one)
        found = self._left_open.pop(key, None)
        return self.keep(Purse(key, tuple(found), budgets, written=True)) if found else None

    def close(self) -> None:
        """The leg is over: what it set aside and did not settle is for the next one."""
        for purse in self._purses.values():
            purse.budgets.abandon(purse.reservations)
        self._purses.clear()

    def _unwritten(self, intent: Effect | None) -> tuple[Reservation, ...]:
        purse = self._purses.get(intent.key) if intent else None
        return purse.reservations if purse is not None and not purse.written else ()

    def _settlements(self, entries: tuple[NewEntry, ...]) -> tuple[Settlement, ...]:
        if not self._purses:
            return ()
        ended = (self._purses.get(entry.key) for entry in entries)
        return tuple(Settlement(one.key, one.used) for one in ended if one is not None and one.used is not None)

    def _settle(self, batch: Append) -> None:
        for one in batch.reserves:
            self._purses[one.key].written = True
        for settled in batch.settles:
            purse = self._purses.pop(settled.key)
            purse.budgets.settle(purse.reservations, settled.amount)

    # -- the inbox and the right to act --------------------------------------------------------------------------

    def received(self, topic: str, name: str, value: str) -> InboxRow | None:
        """The unread message of a topic whose body has this value under this name."""
        return next((row for row in self.inbox if row.topic == topic and row.body.get(name) == value), None)

    async def may_act(self) -> None:
        """Return at once, or never: a leg that is to let go begins no effect, and its cancellation is on its way."""
        if self.stopping:
            await asyncio.Event().wait()

    def standing(self) -> Standing:
        """What is known here about the right of this leg."""
        return self._journal.standing(self.run.id, self.run.epoch)

    async def refresh(self) -> None:
        """Read the inbox again."""
        self.news.clear()
        self.inbox_seq, rows = await self._journal.unread(self.run.id, self.run.epoch)
        self.inbox = list(rows)
