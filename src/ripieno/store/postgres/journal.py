"""The journal on PostgreSQL: each promise of the port is a transaction that any number of processes may do at once."""

import asyncio
from collections.abc import Sequence
from functools import partial

from ripieno.domain import ids
from ripieno.domain.batches import ANY_RUN, Append, Claimed, ClaimTerms, LateOutcome, Park, Pumped, Standing
from ripieno.domain.entries import Entry, InboxRow, NewEntry
from ripieno.domain.errors import LegLost
from ripieno.domain.interrupts import Decision, Interrupt
from ripieno.domain.jsons import JsonObject
from ripieno.domain.principals import Principal
from ripieno.domain.runs import NewRun, Run, RunResult
from ripieno.ports import Clock
from ripieno.store import late
from ripieno.store.portable import interrupts, multitask
from ripieno.store.postgres import lease
from ripieno.store.postgres.database import Database, Transaction
from ripieno.store.postgres.frames import PostgresFrames
from ripieno.store.postgres.lease import Lease
from ripieno.store.postgres.legs import Legs, lost
from ripieno.store.postgres.together import Together
from ripieno.store.postgres.upkeep import Upkeep
from ripieno.store.postgres.verbs import cancel, claim, finish, hold, read_leg, reap, release, send, start
from ripieno.store.postgres.verbs.claim import Queue
from ripieno.store.postgres.writer import Writer
from ripieno.store.rotation import TENANTS, Wish, in_order, is_limited, last_served

JOIN = """
INSERT INTO workers (id, seen_at, dead) VALUES ($1, clock_timestamp(), false) ON CONFLICT DO NOTHING RETURNING id
"""


class PostgresJournal:
    """`ports.Journal` on one PostgreSQL."""

    def __init__(self, database: Database, writer: Writer, standing: Lease, legs: Legs, clock: Clock) -> None:
        self._database = database
        self._frames = PostgresFrames(database)
        self._writer = writer
        self._lease = standing
        self._legs = legs
        self._clock = clock
        self.starting = Together(partial(database.do, start.start_all))
        self._claiming = asyncio.Lock()
        self._served = ""
        """The tenant after whom the next claim begins."""
        self._doubtful = False
        """An answer to a claim was lost: this worker may own runs that it knows nothing of."""
        self.upkeep = Upkeep(database, standing, legs, clock)

    # -- anybody -------------------------------------------------------------------------------------------------

    async def start(self, run: NewRun) -> bool:
        if run.multitask is None:
            return await self.starting.ask(run)
        started = await self._frames.write(multitask.start, run)
        await self._follow(run.tenant, started.orphans, run.created_by, multitask.reason(run))
        return started.new

    async def send(self, tenant: str, run_id: str, topic: str, body: JsonObject, dedupe: str) -> int:
        return (await self._database.do(send.send, tenant, run_id, topic, body, dedupe)).n

    async def decide(self, tenant: str, interrupt_id: str, decision: Decision, roles: Sequence[str] = ()) -> Interrupt:
        return await self._frames.write(interrupts.decide, (tenant, roles), interrupt_id, decision, [])

    async def delegate(self, by: Principal, interrupt_id: str, to: Sequence[str]) -> Interrupt:
        return await self._frames.write(interrupts.delegate, by, interrupt_id, to, [])

    async def escalate(self, by: Principal, interrupt_id: str) -> Interrupt:
        return await self._frames.write(interrupts.escalate, by, interrupt_id, [])

    async def withdraw(self, tenant: str, interrupt_id: str) -> Interrupt:
        return await self._frames.write(interrupts.withdraw, tenant, interrupt_id)

    async def cancel(self, tenant: str, run_id: str, by: str, reason: str) -> Run:
        run, followers = await self._database.transact(cancel.cancel, tenant, run_id, by, reason)
        await self._follow(tenant, followers, by, reason)
        return run

    async def _follow(self, tenant: str, followers: Sequence[str], by: str, reason: str) -> None:
        """Cancel the children of cancelled runs, and theirs; one transaction each."""
        while followers:
            below = [self._database.transact(cancel.follow, tenant, child, by, reason) for child in followers]
            followers = [child for children in await asyncio.gather(*below) for child in children]

    async def pause(self, tenant: str, run_id: str, by: str) -> Run:
        return await self._database.transact(hold.pause, tenant, run_id, by)

    async def resume(self, tenant: str, run_id: str, by: str) -> Run:
        return await self._database.transact(hold.resume, tenant, run_id, by)

    # -- the leg that holds the epoch ----------------------------------------------------------------------------

    async def claim(self, worker_id: str, slots: int, terms: ClaimTerms = ANY_RUN) -> Sequence[Claimed]:
        async with self._claiming:
            name = await self._join(worker_id)
            if not self._lease.fresh():
                return []
            if self._doubtful:
                await self._forget_nothing(name)
            doubtful, self._doubtful = self._doubtful, True
            runs = await self._take(Wish(name, slots, terms))
            self._doubtful = doubtful
            for run in runs:
                self._legs.begin(run)
            if self._lease.worker_id != name:
                self._legs.drop()
                return []
        return await self._read(runs) if runs else []

    async def append(self, batch: Append) -> Sequence[Entry]:
        acts = bool(batch.intents or batch.reserves)
        if acts:
            self._check_lease(batch.run_id, batch.epoch)
        entries = await self._writer.submit(batch)
        if acts:
            self._check_lease(batch.run_id, batch.epoch)
        return entries

    async def late(self, outcome: LateOutcome) -> bool:
        return await self._frames.write(late.settle, outcome)

    def standing(self, run_id: str, epoch: int) -> Standing:
        if not self._legs.has(run_id, epoch):
            return Standing.LOST
        return Standing.SURE if self._lease.fresh() else Standing.DOUBTFUL

    async def unread(self, run_id: str, epoch: int) -> tuple[int, Sequence[InboxRow]]:
        self._legs.get(run_id, epoch)
        found = await self._database.do(read_leg.unread, run_id, epoch)
        if found is None:
            raise self._over(run_id, epoch)
        return found

    async def park(self, park: Park) -> bool:
        self._legs.get(park.run_id, park.epoch)
        parked: bool | None = await self._database.do(release.park, park)
        if not parked:
            parked = await self._database.transact(release.park_or_not, park)
        if parked is None:
            raise self._over(park.run_id, park.epoch)
        if parked:
            self._legs.end(park.run_id, park.epoch)
        return parked

    async def finish(self, run_id: str, epoch: int, ending: NewEntry, result: RunResult) -> Entry:
        self._legs.get(run_id, epoch)
        entry = await self._database.do(finish.finish, run_id, epoch, ending, result)
        if entry is None:
            raise self._over(run_id, epoch)
        self._legs.end(run_id, epoch)
        return entry

    async def release(self, run_id: str, epoch: int) -> None:
        self._legs.get(run_id, epoch)
        done = await self._database.do(release.release, run_id, epoch)
        if not done and not await self._database.transact(release.release_or_end, run_id, epoch):
            raise self._over(run_id, epoch)
        self._legs.end(run_id, epoch)

    # -- upkeep --------------------------------------------------------------------------------------------------

    async def recover(self) -> int:
        """Nothing: other workers may be at work on what is running, and the dead are found by their silence."""
        return 0

    async def pump(self) -> Pumped:
        if self._lease.worker_id is None:  # who looks after others must be looked after
            async with self._claiming:
                await self._join(self._clock.new_id(ids.WORKER))
        return await self.upkeep.turn()

    # -- claiming ------------------------------------------------------------------------------------------------

    async def _join(self, worker_id: str) -> str:
        """The name under which this process claims; a new one when it was declared dead."""
        name = self._lease.worker_id
        while name is None:
            at = lease.now()
            if await self._database.do(_join, worker_id):
                self._lease.begin(worker_id, at)
                return worker_id
            worker_id = self._clock.new_id(ids.WORKER)
        return name

    async def _take(self, wish: Wish) -> list[Run]:
        for suspects, asked in in_order(wish):
            if runs := await self._from(claim.SUSPECTS if suspects else claim.USUAL, asked):
                return runs
        return []

    async def _from(self, queue: Queue, wish: Wish) -> list[Run]:
        """Go round the tenants until something can be taken or all were looked at."""
        seen: set[str] = set()
        while served := await self._database.do(claim.turns, queue, wish, self._served):
            if queue is claim.SUSPECTS or is_limited(wish, served):
                runs = await self._database.transact_once(claim.take_within_limits, queue, wish, served)
            else:
                runs = await self._database.once(claim.take, wish, served)
            self._served = last_served(served, (run.tenant for run in runs))
            if runs or len(served) < TENANTS or seen.intersection(turn.tenant for turn in served):
                return runs
            seen.update(turn.tenant for turn in served)
        return []

    async def _read(self, runs: list[Run]) -> Sequence[Claimed]:
        """Read what the legs need; whoever asked for them will not hear of them if that fails."""
        try:
            return await self._database.do(read_leg.read, runs)
        except BaseException:
            for run in runs:
                self._legs.abandon(run.id, run.epoch)
            raise

    async def _forget_nothing(self, name: str) -> None:
        """Give back what was claimed without this process hearing of it."""
        for row in await self._database.fetch(reap.FORGOTTEN, name, self._legs.ids()):
            await self._database.transact(release.release_or_end, row["id"], row["epoch"])
        self._doubtful = False

    # -- legs ----------------------------------------------------------------------------------------------------

    def _check_lease(self, run_id: str, epoch: int) -> None:
        """Raises `LegLost` when this process can't be sure that nobody takes its runs: it must begin no effect."""
        if not self._lease.fresh():
            self._legs.get(run_id, epoch)
            self._legs.abandon(run_id, epoch)
            raise LegLost(f"no beat of this worker was confirmed in time, so {run_id} is given up")

    def _over(self, run_id: str, epoch: int) -> LegLost:
        self._legs.end(run_id, epoch)
        return lost(run_id, epoch)


async def _join(tx: Transaction, worker_id: str) -> bool:
    return await tx.one(JOIN, worker_id) is not None
