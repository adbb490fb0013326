"""Performs `MarkUndone`: the ledger of the run that did it says so, then this run's journal."""

from ripieno.domain.effects import EffectState
from ripieno.domain.entries import EntryType, NewEntry
from ripieno.domain.past import EffectName, Settled
from ripieno.engine.core.commands import MarkUndone
from ripieno.engine.leg import Leg
from ripieno.ports import History


class UndoPerformer:
    """Marks effects as compensated. A crash between the two marks it again, which changes nothing."""

    def __init__(self, history: History) -> None:
        self._history = history

    async def mark(self, leg: Leg, command: MarkUndone) -> None:
        """Mark one, once."""
        if command.key in leg.recorded:
            return
        name = EffectName(command.run_id, command.effect_key, command.attempt)
        await self._history.settle(leg.run.tenant, [Settled(name, EffectState.COMPENSATED)])
        body = {"tool": command.tool, "undone_run": command.run_id, "undone_key": command.effect_key}
        await leg.append(NewEntry(command.key, EntryType.EFFECT_COMPENSATED, body))
