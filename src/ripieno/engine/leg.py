"""One worker's turn at one run: what the journal holds, and the only way to add to it."""

import asyncio
from collections.abc import Iterable
from datetime import datetime

from ripieno.domain.batches import Append, Claimed, EffectClose, EffectIntent, Standing
from ripieno.domain.effects import Effect
from ripieno.domain.entries import EntryType, InboxRow, NewEntry
from ripieno.domain.interrupts import Interrupt, InterruptStatus, NewInterrupt
from ripieno.domain.jsons import JsonObject
from ripieno.domain.runs import NewRun, Run, RunStatus
from ripieno.engine.core import standing
from ripieno.ports import Journal


class Blocked(Exception):
    """Nothing can go on before something arrives from outside, or `wake_at`. `status` is what the run parks as."""

    def __init__(self, status: RunStatus, waits: Iterable[JsonObject], wake_at: datetime | None = None) -> None:
        super().__init__(status.value)
        self.status = status
        self.waits = tuple(waits)
        self.wake_at = wake_at


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
        self.held = False
        self.stopping = False
        """Set when the leg is to let go of its run."""
        self.cancelled = False
        """Set when the run is to end because somebody cancelled it."""
        self.stepped = False
        """Set when the leg has committed more than intents."""
        self.effects_in_flight = 0
        self._effects: dict[str, list[Effect]] = {}
        for effect in claimed.effects:
            self._effects.setdefault(effect.key, []).append(effect)
        self._journal = journal

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
        )
        for entry in await self._journal.append(batch):
            self.recorded[entry.key] = entry
            self.stepped = self.stepped or entry.type is not EntryType.EFFECT_INTENDED
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
