"""Claims runs, works on many at once, obeys cancel and pause, and lets go when it must stop."""

import asyncio
import logging
from dataclasses import dataclass
from enum import Enum, auto

from ripieno.domain import ids
from ripieno.domain.batches import Claimed, Standing
from ripieno.domain.errors import LegLost, NotFound, StoreBusy
from ripieno.domain.hints import Hint, HintKind
from ripieno.domain.workers import WorkerLoad
from ripieno.engine.intake import Intake, Options
from ripieno.engine.leg import Leg
from ripieno.engine.runner import Runner
from ripieno.ports import Clock, Dispatch, Records

log = logging.getLogger(__name__)

PUMP_SECONDS = 1.0
RETRY_SECONDS = 1.0


class _Stop(Enum):
    CANCEL = auto()
    DRAIN = auto()
    LOST = auto()


@dataclass(slots=True)
class _Turn:
    """A leg, the task that runs it, and why it was told to stop."""

    leg: Leg
    task: asyncio.Task[None] | None = None
    begun: bool = False
    stop: _Stop | None = None

    def end(self, why: _Stop) -> None:
        self.leg.stopping = True
        self.leg.cancelled = self.leg.cancelled or why is _Stop.CANCEL
        self.leg.lost = self.leg.lost or why is _Stop.LOST
        if self.stop is None and self.task is not None:
            self.stop = why
            # A task that is cancelled before its first step never takes it, and so would never let its run go.
            if self.begun:
                self.task.cancel()


class Worker:
    """One per process. `run` returns when `stop` was called and every leg is let go."""

    def __init__(
        self, intake: Intake, records: Records, runner: Runner, dispatch: Dispatch, clock: Clock, options: Options
    ) -> None:
        self.id = clock.new_id(ids.WORKER)
        self._intake = intake
        self._journal = intake.journal
        self._records = records
        self._runner = runner
        self._dispatch = dispatch
        self._clock = clock
        self._options = options
        self._turns: dict[str, _Turn] = {}
        self._wake = asyncio.Event()
        self._stopping = asyncio.Event()
        self._control: asyncio.Queue[str] = asyncio.Queue()

    @property
    def busy(self) -> int:
        """How many legs are under way."""
        return len(self._turns)

    @property
    def load(self) -> WorkerLoad:
        """How it stands."""
        return WorkerLoad(self.id, self._options.slots, self.busy, self._stopping.is_set())

    def stop(self) -> None:
        """Begin to drain: claim nothing more, give back what has no effect under way."""
        self._stopping.set()
        self._wake.set()

    async def run(self) -> None:
        """Work until stopped."""
        unsubscribe = self._dispatch.subscribe(self._hear)
        try:
            async with asyncio.TaskGroup() as group:
                upkeep = [group.create_task(self._pump()), group.create_task(self._obey())]
                await self._claim_until_stopped(group)
                await self._drain()
                for task in upkeep:
                    task.cancel()
        finally:
            unsubscribe()

    # -- claiming ------------------------------------------------------------------------------------------------

    def _hear(self, hint: Hint) -> None:
        if hint.kind is HintKind.WORK:
            self._wake.set()
        elif hint.kind is HintKind.CONTROL and hint.run_id in self._turns:
            self._control.put_nowait(hint.run_id)

    async def _claim_until_stopped(self, group: asyncio.TaskGroup) -> None:
        while not self._stopping.is_set():
            self._wake.clear()
            claimed = await self._claim()
            for one in claimed:
                turn = _Turn(Leg(one, self._journal))
                self._turns[one.run.id] = turn
                turn.task = group.create_task(self._work(turn), name=one.run.id)
            if not claimed:
                await self._rest()

    async def _claim(self) -> tuple[Claimed, ...]:
        if self._runner.halted:
            return ()
        try:
            return tuple(await self._intake.take(self.id, {run_id: turn.leg for run_id, turn in self._turns.items()}))
        except StoreBusy as error:
            log.warning("cannot claim runs", extra={"reason": error.detail})
            await self._clock.sleep(RETRY_SECONDS)
            return ()

    async def _rest(self) -> None:
        try:
            async with asyncio.timeout(self._options.poll_seconds):
                await self._wake.wait()
        except TimeoutError:
            return

    # -- one leg -------------------------------------------------------------------------------------------------

    async def _work(self, turn: _Turn) -> None:
        try:
            await self._run_to_stop(turn)
        except LegLost:
            log.warning("another worker owns the run now", extra={"run_id": turn.leg.run.id})
        except StoreBusy as error:
            log.warning("giving the run back", extra={"run_id": turn.leg.run.id, "reason": error.detail})
            await self._give_back(turn.leg)
        finally:
            turn.leg.close()
            # A run that was let go may have been taken again before this leg heard that it is rid of it.
            if self._turns.get(turn.leg.run.id) is turn:
                del self._turns[turn.leg.run.id]
            self._wake.set()  # a place is free, here or within a limit

    async def _run_to_stop(self, turn: _Turn) -> None:
        turn.begun = True
        if turn.stop is not None:
            await self._end_early(turn)
            return
        try:
            if turn.leg.run.deaths >= self._options.deaths:
                await self._runner.given_up(turn.leg)
            else:
                await self._runner.run(turn.leg)
        except asyncio.CancelledError:
            if turn.stop is None or turn.task is None:
                raise
            turn.task.uncancel()
            await self._end_early(turn)
        except (LegLost, StoreBusy):
            raise
        except Exception:
            log.exception("a run hit a defect", extra={"run_id": turn.leg.run.id})
            await self._runner.defective(turn.leg)

    async def _end_early(self, turn: _Turn) -> None:
        if turn.stop is _Stop.LOST:
            raise LegLost(f"{turn.leg.run.id} has another owner")
        if turn.stop is _Stop.CANCEL:
            await self._runner.cancelled(turn.leg)
        else:
            await self._give_back(turn.leg)

    async def _give_back(self, leg: Leg) -> None:
        """Queue the run again, however long the store is away: nobody else would."""
        while True:
            try:
                await self._journal.release(leg.run.id, leg.run.epoch)
            except LegLost:
                return
            except StoreBusy:
                await self._clock.sleep(RETRY_SECONDS)
            else:
                return

    # -- cancel, pause, messages ---------------------------------------------------------------------------------

    async def _obey(self) -> None:
        """Look at the row of each leg that something was sent to, or that was lost."""
        while True:
            turn = self._turns.get(await self._control.get())
            if turn is None:
                continue
            if turn.leg.standing() is Standing.LOST:
                turn.end(_Stop.LOST)
            else:
                await self._look(turn)

    async def _look(self, turn: _Turn) -> None:
        leg = turn.leg
        try:
            run = await self._records.run(leg.run.tenant, leg.run.id)
        except NotFound:
            turn.end(_Stop.LOST)
        except StoreBusy:
            await self._clock.sleep(RETRY_SECONDS)
            self._control.put_nowait(leg.run.id)
        else:
            leg.held = run.hold
            leg.news.set()
            if run.epoch != leg.run.epoch:
                turn.end(_Stop.LOST)
            elif run.cancel_at is not None:
                turn.end(_Stop.CANCEL)

    # -- upkeep and the end --------------------------------------------------------------------------------------

    async def _pump(self) -> None:
        while True:
            await self._clock.sleep(PUMP_SECONDS)
            try:
                await self._journal.pump()
            except StoreBusy as error:
                log.warning("upkeep must wait", extra={"reason": error.detail})

    async def _drain(self) -> None:
        """Give back idle legs at once; those with an effect under way get `drain_seconds` to end it."""
        began = self._clock.monotonic()
        while self._turns:
            patience = self._clock.monotonic() - began < self._options.drain_seconds
            for turn in list(self._turns.values()):
                turn.leg.stopping = True
                if not (patience and turn.leg.effects_in_flight):
                    turn.end(_Stop.DRAIN)
            await asyncio.wait([turn.task for turn in self._turns.values() if turn.task], timeout=0.05)
