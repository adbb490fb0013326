"""Performs `CallTools`: the calls of one turn side by side, each as far as it can go."""

import asyncio
from collections.abc import Collection, Sequence
from typing import cast

from ripieno.domain.errors import IntentRefused
from ripieno.domain.runs import RunStatus
from ripieno.engine.core.commands import CallEnded, PlannedCall
from ripieno.engine.leg import Blocked, Leg
from ripieno.engine.performers.tools import ToolPerformer, Workbench

URGENCY = (RunStatus.PAUSED, RunStatus.AWAITING_APPROVAL, RunStatus.AWAITING_INPUT, RunStatus.WAITING)


async def perform_turn(
    performer: ToolPerformer, leg: Leg, bench: Workbench, calls: Sequence[PlannedCall]
) -> tuple[CallEnded, ...]:
    """All outcomes, in order. A call that waits for a person holds up no other, and goes on as soon as it may.

    Raises:
        Blocked: Every call that has not ended waits.
    """
    if len(calls) == 1:
        return (await performer.perform(leg, bench, calls[0]),)
    turn = _Turn(performer, leg, bench)
    try:
        async with asyncio.TaskGroup() as group:
            await turn.run(group, calls)
    except ExceptionGroup as failures:
        raise _first(failures) from None
    if turn.blocked:
        raise _together(turn.blocked.values())
    return tuple(turn.ended[call.key] for call in calls)


class _Turn:
    def __init__(self, performer: ToolPerformer, leg: Leg, bench: Workbench) -> None:
        self._performer = performer
        self._leg = leg
        self._bench = bench
        self.ended: dict[str, CallEnded] = {}
        self.blocked: dict[str, Blocked] = {}

    async def run(self, group: asyncio.TaskGroup, calls: Sequence[PlannedCall]) -> None:
        running = {group.create_task(self._one(call)) for call in calls}
        news = group.create_task(self._leg.news.wait())
        while running:
            done, _ = await asyncio.wait({*running, news}, return_when=asyncio.FIRST_COMPLETED)
            running -= done
            if news in done and running:
                await self._leg.refresh()
                news = group.create_task(self._leg.news.wait())
                waiting = [call for call in calls if self.blocked.pop(call.key, None)]
                running |= {group.create_task(self._one(call)) for call in waiting}
        news.cancel()

    async def _one(self, call: PlannedCall) -> None:
        try:
            self.ended[call.key] = await self._performer.perform(self._leg, self._bench, call)
        except Blocked as blocked:
            self.blocked[call.key] = blocked
        except IntentRefused:
            self._leg.held = True
            self.blocked[call.key] = Blocked(RunStatus.PAUSED, ())


def _together(blocks: Collection[Blocked]) -> Blocked:
    waits = [wait for block in blocks for wait in block.waits]
    wake_at = min((block.wake_at for block in blocks if block.wake_at is not None), default=None)
    return Blocked(min((block.status for block in blocks), key=URGENCY.index), waits, wake_at)


def _first(failures: ExceptionGroup[Exception]) -> Exception:
    first = failures.exceptions[0]
    return _first(cast("ExceptionGroup[Exception]", first)) if isinstance(first, ExceptionGroup) else first
