"""Takes a claimed run as far as it can go: drives its logic and performs the commands that the logic yields."""

import asyncio
from dataclasses import dataclass, replace

from ripieno.domain import jsons
from ripieno.domain.batches import Park
from ripieno.domain.entries import EntryType, NewEntry, ending_key
from ripieno.domain.errors import IntentRefused, LegLost, RipienoError, StoreBusy
from ripieno.domain.halts import waiting_for
from ripieno.domain.messages import Reply
from ripieno.domain.runs import OVERDUE, ExitReason, RunError, RunResult, RunStatus
from ripieno.domain.usage import NOTHING_USED, Usage
from ripieno.engine.core.commands import (
    AwaitChildren,
    CallModel,
    CallTools,
    Command,
    MarkUndone,
    Note,
    Noted,
    Outcome,
    StartChild,
)
from ripieno.engine.halting import Halting
from ripieno.engine.leg import Blocked, Leg
from ripieno.engine.opening import Opening
from ripieno.engine.performers.children import ChildPerformer
from ripieno.engine.performers.models import ModelPerformer
from ripieno.engine.performers.tools import ToolPerformer, Workbench
from ripieno.engine.performers.turns import perform_turn
from ripieno.engine.performers.undoing import UndoPerformer
from ripieno.ports import Clock, Journal, Records

ENDING_TYPES = {
    RunStatus.COMPLETED: EntryType.RUN_COMPLETED,
    RunStatus.FAILED: EntryType.RUN_FAILED,
    RunStatus.CANCELLED: EntryType.RUN_CANCELLED,
}


@dataclass(frozen=True, slots=True)
class Performers:
    """Who performs what."""

    models: ModelPerformer
    tools: ToolPerformer
    children: ChildPerformer
    undo: UndoPerformer


class Runner:
    """Runs legs. It holds nothing between them."""

    def __init__(
        self,
        journal: Journal,
        records: Records,
        opening: Opening,
        performers: Performers,
        clock: Clock,
        halting: Halting,
    ) -> None:
        self._journal = journal
        self._records = records
        self._opening = opening
        self._performers = performers
        self._clock = clock
        self._halting = halting

    @property
    def halted(self) -> bool:
        """Whether no run may go on."""
        return self._halting.everything

    async def run(self, leg: Leg) -> None:
        """Go on until the run has ended or is parked.

        Raises:
            LegLost: Somebody else owns the run now.
            StoreBusy: The journal cannot be written.
        """
        try:
            result = await self._drive_in_time(leg)
        except (LegLost, StoreBusy):
            raise
        except RipienoError as error:
            result = self._failed(leg, ExitReason.DEFECT, RunError(error.code, error.detail))
        if result is not None:
            await self.finish(leg, result)

    async def finish(self, leg: Leg, result: RunResult) -> None:
        """End the run."""
        key = ending_key(leg.run.generation)
        ending = NewEntry(key, ENDING_TYPES[result.status], {"result": jsons.encode(result)})
        await self._journal.finish(leg.run.id, leg.run.epoch, ending, result)

    async def cancelled(self, leg: Leg) -> None:
        """End the run because somebody cancelled it."""
        result = RunResult(RunStatus.CANCELLED, ExitReason.OPERATOR, usage=_spent(leg))
        await self.finish(leg, result)

    async def given_up(self, leg: Leg) -> None:
        """End the run because too many workers died on it."""
        deaths = leg.run.deaths
        error = RunError("worker_died", f"{deaths} worker(s) in a row died while they worked on this run")
        await self.finish(leg, self._failed(leg, ExitReason.DEFECT, error))

    async def defective(self, leg: Leg) -> None:
        """End the run because its logic or a performer broke; the details are in the log alone."""
        error = RunError("defect", "the run hit a defect; the log of its worker has the details")
        await self.finish(leg, self._failed(leg, ExitReason.DEFECT, error))

    async def _drive_in_time(self, leg: Leg) -> RunResult | None:
        left = self._time_left(leg)
        if left is not None and left <= 0:
            # It was woken by its deadline. Without this it would park again before the time-out strikes, for ever.
            return self._overdue(leg)
        timer = asyncio.timeout(left)
        try:
            async with timer:
                return await self._drive(leg)
        except TimeoutError:
            if not timer.expired():
                raise
            return self._overdue(leg)

    def _time_left(self, leg: Leg) -> float | None:
        if leg.run.deadline is None:
            return None
        return (leg.run.deadline - self._clock.now()).total_seconds()

    async def _drive(self, leg: Leg) -> RunResult | None:
        """The run's result; None when it is parked."""
        while halt := self._halting.over_run(leg.run):
            if await self._park(leg, Blocked(RunStatus.WAITING, [waiting_for(halt)])):
                return None
            await leg.refresh()
        program, bench = await self._opening.open(leg)
        try:
            command = next(program)
            while True:
                outcome = await self._perform_or_park(leg, bench, command)
                if outcome is None:
                    return None
                command = program.send(outcome)
        except StopIteration as ended:
            return ended.value
        finally:
            program.close()

    async def _perform_or_park(self, leg: Leg, bench: Workbench, command: Command) -> Outcome | None:
        while True:
            try:
                return await self._perform(leg, bench, command)
            except Blocked as blocked:
                if await self._park(leg, blocked):
                    return None
                leg.held = (await self._records.run(leg.run.tenant, leg.run.id)).hold
                await leg.refresh()
            except IntentRefused:
                # A cancelled leg is ended by its worker, which is on its way; a held one parks.
                leg.held = True

    async def _park(self, leg: Leg, blocked: Blocked) -> bool:
        wake_at = min((at for at in (blocked.wake_at, leg.run.deadline) if at is not None), default=None)
        park = Park(leg.run.id, leg.run.epoch, blocked.status, leg.inbox_seq, blocked.waits, wake_at)
        parked = await self._journal.park(park)
        if parked:
            await self._halting.parked(blocked.waits)
        return parked

    async def _perform(self, leg: Leg, bench: Workbench, command: Command) -> Outcome:
        if leg.held:
            raise Blocked(RunStatus.PAUSED, ())
        self._halting.check(leg.run)
        match command:
            case CallModel():
                return await self._performers.models.perform(leg, command)
            case CallTools(calls):
                return await perform_turn(self._performers.tools, leg, bench, calls)
            case StartChild():
                return await self._performers.children.start(leg, command)
            case AwaitChildren():
                return await self._performers.children.await_any(leg, command)
            case Note() | MarkUndone():
                return await self._note(leg, command)

    async def _note(self, leg: Leg, command: Note | MarkUndone) -> Noted:
        if isinstance(command, MarkUndone):
            await self._performers.undo.mark(leg, command)
        elif command.key not in leg.recorded:
            await leg.append(NewEntry(command.key, command.type, command.body))
        return Noted()

    def _overdue(self, leg: Leg) -> RunResult:
        return replace(OVERDUE, usage=_spent(leg))

    def _failed(self, leg: Leg, reason: ExitReason, error: RunError) -> RunResult:
        return RunResult(RunStatus.FAILED, reason, usage=_spent(leg), error=error)


def _spent(leg: Leg) -> Usage:
    """What the run's own model calls used, from its journal."""
    replies = (entry.body["reply"] for entry in leg.recorded.values() if entry.type is EntryType.MODEL_REPLIED)
    return sum((jsons.decode(Reply, reply).usage for reply in replies), NOTHING_USED)
