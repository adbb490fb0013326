"""Schedules without a disk, over the runs of a `MemoryJournal`."""

import asyncio
import difflib
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime

from ripieno.domain import schedule_changes, ticks
from ripieno.domain.errors import ManagedByFile, NameTaken, NotFound, Stale
from ripieno.domain.jsons import JsonObject
from ripieno.domain.outbox import AUDIT, audit_body
from ripieno.domain.principals import DEFAULT_TENANT, SYSTEM, Principal
from ripieno.domain.runs import TERMINAL, Run
from ripieno.domain.schedules import (
    ManagedBy,
    NewSchedule,
    Overlap,
    Schedule,
    ScheduleChange,
    Target,
    Tick,
    TickOutcome,
    Trigger,
)
from ripieno.ports import Clock, Journal, Records
from ripieno.testing.memory_state import Draft, Memory


@dataclass
class _Kept:
    """A schedule and its history."""

    row: Schedule
    lines: list[Tick] = field(default_factory=list[Tick])


class MemorySchedules:
    """`ports.Schedules` in a dictionary. It starts and cancels runs through the journal, so it is not atomic."""

    def __init__(self, memory: Memory, journal: Journal, records: Records, clock: Clock) -> None:
        self._memory = memory
        self._journal = journal
        self._records = records
        self._clock = clock
        self._lock = asyncio.Lock()
        self._kept: dict[tuple[str, str], _Kept] = {}

    async def create(self, new: NewSchedule) -> Schedule:
        if known := self._kept.get((new.tenant, new.name)):
            if known.row.id == new.id:
                return known.row
            raise NameTaken("schedule", new.name)
        made = self._put(schedule_changes.fresh(new, self._clock.now()))
        self._audit(new.created_by, "CREATE_SCHEDULE", made)
        return made

    async def change(self, by: Principal, name: str, change: ScheduleChange) -> Schedule:
        known = self._find(by.tenant, name).row
        _refuse_stale(known, change.version)
        if known.managed_by is ManagedBy.FILE and (change.agent is not None or change.spec is not None):
            raise ManagedByFile("schedule", known.name)
        saved = self._put(schedule_changes.changed(known, change, self._clock.now()))
        self._audit(by.id, schedule_changes.action(change), saved)
        return saved

    async def delete(self, by: Principal, name: str, version: int | None = None) -> None:
        known = self._find(by.tenant, name).row
        _refuse_stale(known, version)
        if known.managed_by is ManagedBy.FILE and known.problem != schedule_changes.GONE:
            raise ManagedByFile("schedule", known.name)
        del self._kept[by.tenant, known.name]
        self._audit(by.id, "DELETE_SCHEDULE", known)

    async def schedule(self, tenant: str, name: str) -> Schedule:
        return self._find(tenant, name).row

    async def schedules(self, tenant: str, limit: int, after: str | None = None) -> Sequence[Schedule]:
        names = sorted(name for of, name in self._kept if of == tenant and name > (after or ""))
        return [self._kept[tenant, name].row for name in names[:limit]]

    async def ticks(self, tenant: str, name: str, limit: int, before: int | None = None) -> Sequence[Tick]:
        lines = [line for line in self._find(tenant, name).lines if before is None or line.n < before]
        return [await self._with_status(tenant, line) for line in reversed(lines[-limit:])]

    async def trigger(self, tenant: str, name: str, target: Target, trigger: Trigger) -> Tick:
        kept = self._find(tenant, name)
        now = self._clock.now()
        run = ticks.run_of(kept.row, target, now, trigger.run_id)
        if not await self._journal.start(run):
            return next(line for line in kept.lines if line.run_id == run.id)
        line = Tick(kept.row.id, len(kept.lines) + 1, now, TickOutcome.STARTED, now, trigger.by, "", run.id)
        kept.lines.append(line)
        detail = {"name": kept.row.name, "run_id": run.id}
        self._audit(trigger.by, "TRIGGER_SCHEDULE", kept.row, detail)
        return line

    async def keep(self, wanted: Sequence[NewSchedule]) -> None:
        now = self._clock.now()
        for new in wanted:
            before = self._kept.get((new.tenant, new.name))
            if before is None:
                await self.create(new)
            elif after := schedule_changes.kept(before.row, new, now):
                self._audit(SYSTEM.id, "CHANGE_SCHEDULE", self._put(after))
        names = {new.name for new in wanted}
        for kept in list(self._kept.values()):
            row = kept.row
            of_a_file = row.tenant == DEFAULT_TENANT and row.managed_by is ManagedBy.FILE
            if of_a_file and row.name not in names and row.problem != schedule_changes.GONE:
                self._audit(SYSTEM.id, "CHANGE_SCHEDULE", self._put(schedule_changes.left(row)))

    async def due(self, limit: int) -> Sequence[Schedule]:
        return [kept.row for kept in self._kept.values() if await self._is_due(kept)][:limit]

    async def tick(self, schedule_id: str, target: Target | str) -> Sequence[Tick]:
        async with self._lock:
            return await self._tick(schedule_id, target)

    async def _tick(self, schedule_id: str, target: Target | str) -> Sequence[Tick]:
        kept = next(kept for kept in self._kept.values() if kept.row.id == schedule_id)
        if not await self._is_due(kept):
            return ()
        done: list[Tick] = []
        waiting = [line for line in kept.lines if line.outcome is TickOutcome.WAITING]
        if waiting and not await self._active(kept):
            begun = await self._start(kept, replace(waiting[0], decided_at=self._clock.now()), target)
            kept.lines[begun.n - 1] = begun
            done.append(begun)
        found = ticks.due(kept.row, self._clock.now())
        if found.missed:
            line = self._line(kept, found.missed[0], TickOutcome.MISSED, ticks.said(*found.missed))
            done.append(self._write(kept, line))
        for at in found.run:
            line = await self._act(kept, self._line(kept, at), target, newest=at == found.run[-1])
            done.append(self._write(kept, line))
        last = found.run[-1] if found.run else kept.row.last_tick
        self._put(replace(schedule_changes.due_next(kept.row, found.next), last_tick=last))
        return done

    # -- parts ---------------------------------------------------------------------------------------------------

    async def _act(self, kept: _Kept, line: Tick, target: Target | str, *, newest: bool) -> Tick:
        overlap = kept.row.spec.overlap
        active = await self._active(kept)
        waiting = sum(line.outcome is TickOutcome.WAITING for line in kept.lines)
        outcome, reason = ticks.outcome(overlap, len(active), waiting)
        if overlap is Overlap.CANCEL_PREVIOUS and not newest:
            outcome, reason = TickOutcome.SKIPPED, "a later one was due already"
        if outcome is not TickOutcome.STARTED:
            return ticks.told(line, outcome, reason)
        for run in active if overlap is Overlap.CANCEL_PREVIOUS else ():
            await self._journal.cancel(run.tenant, run.id, "system", f"the next tick of {kept.row.name} is due")
        return await self._start(kept, line, target)

    async def _start(self, kept: _Kept, line: Tick, target: Target | str) -> Tick:
        if isinstance(target, str):
            return ticks.told(line, TickOutcome.FAILED, target)
        run = ticks.run_of(kept.row, target, line.at)
        if await self._journal.start(run):
            return ticks.told(line, TickOutcome.STARTED, "", run.id)
        return ticks.told(line, TickOutcome.SKIPPED, "its run was started before", run.id)

    def _line(self, kept: _Kept, at: datetime, outcome: TickOutcome = TickOutcome.FAILED, reason: str = "") -> Tick:
        return Tick(kept.row.id, len(kept.lines) + 1, at, outcome, self._clock.now(), None, reason)

    def _write(self, kept: _Kept, line: Tick) -> Tick:
        kept.lines.append(line)
        return line

    async def _is_due(self, kept: _Kept) -> bool:
        row = kept.row
        if row.paused or row.problem is not None:
            return False
        if row.next_at is not None and row.next_at <= self._clock.now():
            return True
        waits = any(line.outcome is TickOutcome.WAITING for line in kept.lines)
        return waits and not await self._active(kept)

    async def _active(self, kept: _Kept) -> list[Run]:
        started = [line.run_id for line in kept.lines if line.outcome is TickOutcome.STARTED and line.run_id]
        runs = [await self._records.run(kept.row.tenant, run_id) for run_id in started]
        return [run for run in runs if run.status not in TERMINAL]

    async def _with_status(self, tenant: str, line: Tick) -> Tick:
        if line.run_id is None:
            return line
        return replace(line, run_status=(await self._records.run(tenant, line.run_id)).status)

    def _put(self, row: Schedule) -> Schedule:
        row = replace(row, updated_at=self._clock.now())
        self._kept.setdefault((row.tenant, row.name), _Kept(row)).row = row
        return row

    def _audit(self, by: str, action: str, row: Schedule, detail: JsonObject | None = None) -> None:
        draft = Draft(self._memory, self._clock.now())
        told = audit_body(action, by, row.id, draft.now, detail or schedule_changes.audited(row))
        draft.tell(row.tenant, AUDIT, "", told)
        draft.commit()

    def _find(self, tenant: str, name: str) -> _Kept:
        for (of, own), kept in self._kept.items():
            if of == tenant and name in {own, kept.row.id}:
                return kept
        names = [own for of, own in self._kept if of == tenant]
        raise NotFound("schedule", name, difflib.get_close_matches(name, names))


def _refuse_stale(known: Schedule, version: int | None) -> None:
    if version is not None and version != known.version:
        raise Stale(f"the schedule {known.name!r} is at version {known.version}, not {version}")
