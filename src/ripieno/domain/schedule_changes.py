"""How a schedule changes: by its author, by its file, by time."""

from dataclasses import replace
from datetime import datetime

from ripieno.domain import ticks
from ripieno.domain.jsons import JsonObject
from ripieno.domain.schedules import ManagedBy, NewSchedule, Schedule, ScheduleChange, ScheduleSpec

GONE = "its file does not define it any more"
"""The problem of a schedule whose file is gone. It may be deleted, and goes on when the file comes back."""


def action(change: ScheduleChange) -> str:
    """What the audit trail calls a change: to pause and to resume have their own words."""
    if change.agent is not None or change.spec is not None or change.paused is None:
        return "CHANGE_SCHEDULE"
    return "PAUSE_SCHEDULE" if change.paused else "RESUME_SCHEDULE"


def audited(schedule: Schedule) -> JsonObject:
    """What the audit trail says of a schedule as it is now; what its runs are asked may be private."""
    spec = schedule.spec.model_dump(mode="json", exclude_defaults=True, exclude={"input"})
    return {"name": schedule.name, "agent": schedule.agent, "paused": schedule.paused, "spec": spec}


def changed(known: Schedule, change: ScheduleChange, now: datetime) -> Schedule:
    """The schedule with an author's change."""
    paused = known.paused if change.paused is None else change.paused
    after = replace(
        known,
        agent=change.agent or known.agent,
        spec=change.spec or known.spec,
        paused=paused,
        version=known.version + 1,
    )
    resumed = known.paused and not paused
    return timed(after, now) if resumed or _moves(known.spec, after.spec) else after


def kept(known: Schedule, wanted: NewSchedule, now: datetime) -> Schedule | None:
    """The schedule as its file wants it; None when it is so already. Whoever paused it is not overruled."""
    same = (known.agent, known.spec, known.managed_by) == (wanted.agent, wanted.spec, ManagedBy.FILE)
    if same and known.problem is None:
        return None
    after = replace(
        known,
        agent=wanted.agent,
        spec=wanted.spec,
        managed_by=ManagedBy.FILE,
        problem=None,
        version=known.version + 1,
    )
    return timed(after, now) if known.problem or _moves(known.spec, after.spec) else after


def left(known: Schedule) -> Schedule:
    """The schedule when its file is gone: it stops."""
    return replace(known, problem=GONE, next_tick=None, next_at=None)


def timed(schedule: Schedule, now: datetime) -> Schedule:
    """The schedule with its ticks counted from now."""
    return due_next(replace(schedule, anchor=now), ticks.next_tick(schedule.spec, now, now))


def due_next(schedule: Schedule, following: datetime | None) -> Schedule:
    """The schedule with this tick as its next one."""
    at = None if following is None else ticks.fires_at(schedule.id, schedule.spec, following)
    return replace(schedule, next_tick=following, next_at=at)


def fresh(new: NewSchedule, now: datetime) -> Schedule:
    """The row of a schedule that was just added."""
    schedule = Schedule(
        id=new.id,
        tenant=new.tenant,
        name=new.name,
        agent=new.agent,
        spec=new.spec,
        managed_by=new.managed_by,
        paused=new.paused,
        problem=None,
        version=1,
        anchor=now,
        next_tick=None,
        next_at=None,
        last_tick=None,
        created_by=new.created_by,
        created_at=now,
        updated_at=now,
    )
    return timed(schedule, now)


def _moves(before: ScheduleSpec, after: ScheduleSpec) -> bool:
    """Whether the moments of the ticks are others now."""
    return (before.cron, before.every, before.timezone, before.jitter) != (
        after.cron,
        after.every,
        after.timezone,
        after.jitter,
    )
