"""Schedules and their ticks in the database."""

import difflib
from collections.abc import Sequence

from ripieno.domain import schedule_changes
from ripieno.domain.errors import ManagedByFile, NameTaken, NotFound, Stale
from ripieno.domain.principals import DEFAULT_TENANT, SYSTEM, Principal
from ripieno.domain.runs import RunStatus
from ripieno.domain.schedules import (
    ManagedBy,
    NewSchedule,
    Schedule,
    ScheduleChange,
    ScheduleSpec,
    Target,
    Tick,
    TickOutcome,
    Trigger,
)
from ripieno.store import schedule_ticks
from ripieno.store.bodies import dump
from ripieno.store.portable.audit import audit
from ripieno.store.portable.frame import Frame, Frames, Record, Work

INSERT = """
INSERT INTO schedules (
  id, tenant, name, agent, spec, managed_by, paused, problem, version, anchor, next_tick, next_at, ticks, waiting,
  created_by, created_at, updated_at
) VALUES (
  :id, :tenant, :name, :agent, :spec, :managed_by, :paused, :problem, :version, :anchor, :next_tick, :next_at, 0, 0,
  :created_by, :now, :now
) ON CONFLICT (tenant, name) DO NOTHING RETURNING *
"""

ONE = "SELECT * FROM schedules WHERE tenant = :tenant AND (id = :name OR name = :name)"

NAMES = "SELECT name FROM schedules WHERE tenant = :tenant ORDER BY name LIMIT 1000"

PAGE = """
SELECT * FROM schedules WHERE tenant = :tenant AND name > :after ORDER BY name LIMIT :limit::int
"""

# What files define, and what has the name of something that a file defines: the file wins.
OF_FILES = """
SELECT * FROM schedules WHERE tenant = :tenant AND (managed_by = 'file' OR name = ANY(:names::text[]))
ORDER BY id FOR UPDATE
"""

WRITTEN = (
    "id",
    "tenant",
    "name",
    "agent",
    "managed_by",
    "paused",
    "problem",
    "version",
    "anchor",
    "next_tick",
    "next_at",
    "created_by",
)

CHANGE = """
UPDATE schedules SET agent = :agent, spec = :spec, managed_by = :managed_by, paused = :paused, problem = :problem,
  version = :version, anchor = :anchor, next_tick = :next_tick, next_at = :next_at, updated_at = :now
WHERE id = :id RETURNING *
"""

DELETE = "DELETE FROM schedules WHERE id = :id"

FORGET = "DELETE FROM schedule_ticks WHERE schedule_id = :id"

HISTORY = """
SELECT schedule_ticks.*, runs.status AS run_status
FROM schedule_ticks LEFT JOIN runs ON runs.id = schedule_ticks.run_id
WHERE schedule_id = :id AND n < :before::int ORDER BY n DESC LIMIT :limit::int
"""

LAST = 2**31 - 1


class StoredSchedules:
    """`ports.Schedules`."""

    def __init__(self, frames: Frames) -> None:
        self._frames = frames

    async def create(self, new: NewSchedule) -> Schedule:
        return await self._frames.write(_create, new)

    async def change(self, by: Principal, name: str, change: ScheduleChange) -> Schedule:
        return await self._frames.write(_change, by, name, change)

    async def delete(self, by: Principal, name: str, version: int | None = None) -> None:
        await self._frames.write(_delete, by, name, version)

    async def schedule(self, tenant: str, name: str) -> Schedule:
        return await self._frames.read(_schedule, tenant, name)

    async def schedules(self, tenant: str, limit: int, after: str | None = None) -> Sequence[Schedule]:
        rows = await self._frames.read(_page, tenant, limit, after or "")
        return [schedule_of(row) for row in rows]

    async def ticks(self, tenant: str, name: str, limit: int, before: int | None = None) -> Sequence[Tick]:
        rows = await self._frames.read(_history, tenant, name, limit, before or LAST)
        return [tick_of(row) for row in rows]

    async def trigger(self, tenant: str, name: str, target: Target, trigger: Trigger) -> Tick:
        return await self._frames.write(_trigger, tenant, name, target, trigger)

    async def keep(self, wanted: Sequence[NewSchedule]) -> None:
        await self._frames.write(_keep, wanted)

    async def due(self, limit: int) -> Sequence[Schedule]:
        rows = await self._frames.read(schedule_ticks.due, limit)
        return [schedule_of(row) for row in rows]

    async def tick(self, schedule_id: str, target: Target | str) -> Sequence[Tick]:
        return await self._frames.write(_tick, schedule_id, target)


def schedule_of(row: Record) -> Schedule:
    """A row as a schedule."""
    return Schedule(
        id=row["id"],
        tenant=row["tenant"],
        name=row["name"],
        agent=row["agent"],
        spec=ScheduleSpec.model_validate(row.json("spec")),
        managed_by=ManagedBy(row["managed_by"]),
        paused=row.flag("paused"),
        problem=row["problem"],
        version=row["version"],
        anchor=row.time("anchor"),
        next_tick=row.time_or_none("next_tick"),
        next_at=row.time_or_none("next_at"),
        last_tick=row.time_or_none("last_tick"),
        created_by=row["created_by"],
        created_at=row.time("created_at"),
        updated_at=row.time("updated_at"),
    )


def tick_of(row: Record) -> Tick:
    """A row of the history as a tick."""
    return Tick(
        schedule_id=row["schedule_id"],
        n=row["n"],
        at=row.time("at"),
        outcome=TickOutcome(row["outcome"]),
        decided_at=row.time("decided_at"),
        triggered_by=row["triggered_by"],
        reason=row["reason"],
        run_id=row["run_id"],
        run_status=RunStatus(row["run_status"]) if row["run_status"] else None,
    )


# -- reading ---------------------------------------------------------------------------------------------------------


def _found(frame: Frame, tenant: str, name: str, lock: str = "") -> Work[Record]:
    row = yield from frame.one(ONE + lock, tenant=tenant, name=name)
    if row is None:
        names = yield from frame.all(NAMES, tenant=tenant)
        raise NotFound("schedule", name, difflib.get_close_matches(name, [one["name"] for one in names]))
    return row


def _schedule(frame: Frame, tenant: str, name: str) -> Work[Schedule]:
    return schedule_of((yield from _found(frame, tenant, name)))


def _page(frame: Frame, tenant: str, limit: int, after: str) -> Work[list[Record]]:
    return (yield from frame.all(PAGE, tenant=tenant, limit=limit, after=after))


def _history(frame: Frame, tenant: str, name: str, limit: int, before: int) -> Work[list[Record]]:
    row = yield from _found(frame, tenant, name)
    return (yield from frame.all(HISTORY, id=row["id"], limit=limit, before=before))


# -- writing ---------------------------------------------------------------------------------------------------------


def _create(frame: Frame, new: NewSchedule) -> Work[Schedule]:
    row = yield from _insert(frame, new)
    row = row or (yield from frame.one(ONE, tenant=new.tenant, name=new.id))
    if row is None:
        raise NameTaken("schedule", new.name)
    return schedule_of(row)


def _insert(frame: Frame, new: NewSchedule) -> Work[Record | None]:
    row = yield from frame.one(INSERT, **_columns(schedule_changes.fresh(new, frame.now)), now=frame.now)
    if row is not None:
        yield from _tell(frame, (new.tenant, new.created_by), "CREATE_SCHEDULE", schedule_of(row))
    return row


def _save(frame: Frame, changed: Schedule) -> Work[Schedule]:
    (row,) = yield from frame.all(CHANGE, **_columns(changed), now=frame.now)
    return schedule_of(row)


def _columns(schedule: Schedule) -> dict[str, object]:
    kept = {name: getattr(schedule, name) for name in WRITTEN}
    return {**kept, "spec": dump(schedule.spec.model_dump(mode="json"))}


def _change(frame: Frame, by: Principal, name: str, change: ScheduleChange) -> Work[Schedule]:
    known = schedule_of((yield from _found(frame, by.tenant, name, " FOR UPDATE")))
    _refuse_stale(known, change.version)
    if known.managed_by is ManagedBy.FILE and (change.agent is not None or change.spec is not None):
        raise ManagedByFile("schedule", known.name)
    saved = yield from _save(frame, schedule_changes.changed(known, change, frame.now))
    yield from _tell(frame, (by.tenant, by.id), schedule_changes.action(change), saved)
    return saved


def _delete(frame: Frame, by: Principal, name: str, version: int | None) -> Work[None]:
    known = schedule_of((yield from _found(frame, by.tenant, name, " FOR UPDATE")))
    _refuse_stale(known, version)
    if known.managed_by is ManagedBy.FILE and known.problem != schedule_changes.GONE:
        raise ManagedByFile("schedule", known.name)
    yield from frame.all(FORGET, id=known.id)
    yield from frame.all(DELETE, id=known.id)
    yield from _tell(frame, (by.tenant, by.id), "DELETE_SCHEDULE", known)


def _tell(frame: Frame, who: tuple[str, str], action: str, schedule: Schedule) -> Work[None]:
    return audit(frame, who, action, schedule.id, schedule_changes.audited(schedule))


def _refuse_stale(known: Schedule, version: int | None) -> None:
    if version is not None and version != known.version:
        raise Stale(f"the schedule {known.name!r} is at version {known.version}, not {version}")


def _keep(frame: Frame, wanted: Sequence[NewSchedule]) -> Work[None]:
    rows = yield from frame.all(OF_FILES, names=[new.name for new in wanted], tenant=DEFAULT_TENANT)
    known = {schedule.name: schedule for schedule in map(schedule_of, rows)}
    for new in wanted:
        before = known.pop(new.name, None)
        if before is None:
            yield from _insert(frame, new)
        elif kept := schedule_changes.kept(before, new, frame.now):
            yield from _kept(frame, kept)
    for gone in known.values():
        if gone.problem != schedule_changes.GONE:
            yield from _kept(frame, schedule_changes.left(gone))


def _kept(frame: Frame, changed: Schedule) -> Work[None]:
    saved = yield from _save(frame, changed)
    yield from _tell(frame, (saved.tenant, SYSTEM.id), "CHANGE_SCHEDULE", saved)


def _trigger(frame: Frame, tenant: str, name: str, target: Target, trigger: Trigger) -> Work[Tick]:
    known = schedule_of((yield from _found(frame, tenant, name, " FOR UPDATE")))
    return (yield from schedule_ticks.trigger(frame, known, target, trigger))


def _tick(frame: Frame, schedule_id: str, target: Target | str) -> Work[Sequence[Tick]]:
    row = yield from schedule_ticks.lock(frame, schedule_id)
    if row is None:
        return ()
    return (yield from schedule_ticks.tick(frame, schedule_of(row), row["waiting"], target))
