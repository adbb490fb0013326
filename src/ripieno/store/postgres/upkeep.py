"""Everything that `pump` does: what is due, the runs of dead workers, and what keeps the house in order."""

import logging
from collections.abc import Awaitable, Callable
from datetime import timedelta

from ripieno.domain.batches import Pumped
from ripieno.domain.hints import Hint, HintKind
from ripieno.ports import Clock
from ripieno.store.portable import interrupts
from ripieno.store.postgres.database import Database
from ripieno.store.postgres.frames import PostgresFrames
from ripieno.store.postgres.house import House
from ripieno.store.postgres.lease import Lease
from ripieno.store.postgres.legs import Legs
from ripieno.store.postgres.verbs import cancel, pump, reap, release, remind

log = logging.getLogger(__name__)


class Upkeep:
    """One turn after the other, called by each worker's pump."""

    def __init__(self, database: Database, lease: Lease, legs: Legs, clock: Clock) -> None:
        self._database = database
        self._frames = PostgresFrames(database)
        self._lease = lease
        self._legs = legs
        self.house = House(database, clock)

    async def turn(self) -> Pumped:
        """Do all that is due now. Raises `StoreBusy`."""
        await self._remind()
        woken = await self._while_full(self._wake)
        expired = await interrupts.expire_due(self._frames)
        fenced = await self._while_full(self._fence) + await self._while_full(self._end)
        fenced += await self._while_full(self._collect)
        await self.give_back()
        if self._lease.proven():
            await self.reap()
        await self.house.number()
        await self.house.keep()
        return Pumped(woken, expired, fenced)

    async def _remind(self) -> None:
        """Tell the legs of this process again what a hint told them, or failed to."""
        legs = self._legs.all()
        rows = await self._database.do(remind.changed, legs) if legs else []
        for row in rows:
            if row["taken"]:
                self._legs.end(row["id"], row["epoch"])
            else:
                self._legs.told(row["id"], row["epoch"], row["inbox_seq"])
        self._database.hint([Hint(HintKind.CONTROL, row["id"]) for row in rows])

    # -- due -----------------------------------------------------------------------------------------------------

    async def _while_full(self, slice_of: Callable[[], Awaitable[tuple[int, bool]]]) -> int:
        total, full = 0, True
        while full:
            done, full = await slice_of()
            total += done
        return total

    async def _wake(self) -> tuple[int, bool]:
        woken = await self._database.do(pump.wake)
        return woken, woken == pump.SLICE

    async def _fence(self) -> tuple[int, bool]:
        rows = await self._database.fetch(pump.DISOBEDIENT, self._database.now(), pump.GRACE)
        done = [await self._database.transact(pump.fence, row["id"], row["epoch"]) for row in rows]
        return sum(done), sum(done) == pump.SLICE

    async def _end(self) -> tuple[int, bool]:
        rows = await self._database.fetch(pump.OVERDUE, self._database.now())
        done = [await self._database.transact(pump.end, row["id"]) for row in rows]
        return sum(done), sum(done) == pump.SLICE

    async def _collect(self) -> tuple[int, bool]:
        rows = await self._database.fetch(pump.LEFT_BEHIND)
        for row in rows:
            given = row["tenant"], row["id"], row["cancel_by"], row["cancel_reason"]
            await self._database.transact(cancel.follow, *given)
        return len(rows), len(rows) == pump.SLICE

    # -- workers -------------------------------------------------------------------------------------------------

    async def reap(self) -> int:
        """Declare the silent dead and take the runs of the dead; answers how many runs."""
        silent = await self._database.do(reap.declare, timedelta(seconds=self._lease.times.lease))
        if silent:
            log.warning("workers fell silent and are dead", extra={"workers": silent})
        owners = await self._database.do(reap.bereft)
        if not owners:
            return 0
        taken = 0
        while one_slice := await self._database.do(reap.take, owners):
            taken += one_slice
        for row in await self._database.fetch(reap.STOPPING, owners):
            taken += await self._database.transact(reap.end, row["id"], row["epoch"])
        log.warning("took runs of dead workers", extra={"runs": taken, "workers": owners})
        return taken

    async def give_back(self) -> None:
        """Release the runs that this process owns and will not go on with."""
        for run_id, epoch in list(self._legs.abandoned.items()):
            await self._database.transact(release.release_or_end, run_id, epoch)
            if self._legs.abandoned.get(run_id) == epoch:
                del self._legs.abandoned[run_id]
