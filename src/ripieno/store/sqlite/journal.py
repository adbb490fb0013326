"""The journal on SQLite: each promise of the port is a verb, run by the writer."""

import asyncio
from collections.abc import Sequence

from ripieno.domain.batches import ANY_RUN, Append, Claimed, ClaimTerms, LateOutcome, Park, Pumped, Standing
from ripieno.domain.entries import Entry, InboxRow, NewEntry
from ripieno.domain.interrupts import Decision, Interrupt
from ripieno.domain.jsons import JsonObject
from ripieno.domain.principals import Principal
from ripieno.domain.runs import NewRun, Run, RunResult
from ripieno.store import late
from ripieno.store.portable import interrupts, multitask
from ripieno.store.portable.frame import Frames
from ripieno.store.rotation import Wish
from ripieno.store.sqlite import legs
from ripieno.store.sqlite.readers import Readers
from ripieno.store.sqlite.verbs import append, cancel, claim, finish, hold, pump, recover, release, send, start
from ripieno.store.sqlite.writer import Writer


class SqliteJournal:
    """`ports.Journal` in one file."""

    def __init__(self, writer: Writer, readers: Readers, frames: Frames) -> None:
        self._writer = writer
        self._frames = frames
        self._readers = readers
        self._served = ""
        """The tenant after whom the next claim begins."""

    # -- anybody -------------------------------------------------------------------------------------------------

    async def start(self, run: NewRun) -> bool:
        if run.multitask is None:
            return await self._writer.submit(start.start, run)
        started = await self._frames.write(multitask.start, run)
        await self._follow(run.tenant, started.orphans, run.created_by, multitask.reason(run))
        return started.new

    async def send(self, tenant: str, run_id: str, topic: str, body: JsonObject, dedupe: str) -> int:
        return await self._writer.submit(send.send, tenant, run_id, topic, body, dedupe)

    async def decide(self, tenant: str, interrupt_id: str, decision: Decision, roles: Sequence[str] = ()) -> Interrupt:
        return await self._frames.write(interrupts.decide, (tenant, roles), interrupt_id, decision, [])

    async def delegate(self, by: Principal, interrupt_id: str, to: Sequence[str]) -> Interrupt:
        return await self._frames.write(interrupts.delegate, by, interrupt_id, to, [])

    async def escalate(self, by: Principal, interrupt_id: str) -> Interrupt:
        return await self._frames.write(interrupts.escalate, by, interrupt_id, [])

    async def withdraw(self, tenant: str, interrupt_id: str) -> Interrupt:
        return await self._frames.write(interrupts.withdraw, tenant, interrupt_id)

    async def cancel(self, tenant: str, run_id: str, by: str, reason: str) -> Run:
        run, followers = await self._writer.submit(cancel.cancel, tenant, run_id, by, reason)
        await self._follow(tenant, followers, by, reason)
        return run

    async def _follow(self, tenant: str, followers: Sequence[str], by: str, reason: str) -> None:
        """Cancel the children of cancelled runs, and theirs; one transaction each."""
        while followers:
            below = [self._writer.submit(cancel.follow, tenant, child, by, reason) for child in followers]
            followers = [child for children in await asyncio.gather(*below) for child in children]

    async def pause(self, tenant: str, run_id: str, by: str) -> Run:
        return await self._writer.submit(hold.pause, tenant, run_id, by)

    async def resume(self, tenant: str, run_id: str, by: str) -> Run:
        return await self._writer.submit(hold.resume, tenant, run_id, by)

    # -- the leg that holds the epoch ----------------------------------------------------------------------------

    async def claim(self, worker_id: str, slots: int, terms: ClaimTerms = ANY_RUN) -> Sequence[Claimed]:
        runs, self._served = await self._writer.submit(claim.claim, Wish(worker_id, slots, terms), self._served)
        whole = [legs.fresh(run) for run in runs]
        if None not in whole:
            return [claimed for claimed in whole if claimed is not None]
        return await self._readers.read(legs.load, runs)

    async def append(self, batch: Append) -> Sequence[Entry]:
        return await self._writer.submit(append.append, batch)

    async def late(self, outcome: LateOutcome) -> bool:
        return await self._frames.write(late.settle, outcome)

    def standing(self, run_id: str, epoch: int) -> Standing:
        """There is one process, and so nobody who could take a run from it."""
        del run_id, epoch
        return Standing.SURE

    async def unread(self, run_id: str, epoch: int) -> tuple[int, Sequence[InboxRow]]:
        return await self._readers.read(legs.unread, run_id, epoch)

    async def park(self, park: Park) -> bool:
        return await self._writer.submit(release.park, park)

    async def finish(self, run_id: str, epoch: int, ending: NewEntry, result: RunResult) -> Entry:
        return await self._writer.submit(finish.finish, run_id, epoch, ending, result)

    async def release(self, run_id: str, epoch: int) -> None:
        await self._writer.submit(release.release, run_id, epoch)

    # -- upkeep --------------------------------------------------------------------------------------------------

    async def recover(self) -> int:
        return await self._writer.submit(recover.recover)

    async def pump(self) -> Pumped:
        total = Pumped(expired=await interrupts.expire_due(self._frames))
        while True:
            turn = await self._writer.submit(pump.pump)
            total = Pumped(total.woken + turn.woken, total.expired, total.fenced + turn.fenced)
            if max(turn.woken, turn.fenced) < pump.SLICE:
                return total
