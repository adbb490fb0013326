"""When a schedule ticks, which of the ticks that are due run, and the run that a tick starts. Reads no clock."""

import hashlib
from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from itertools import dropwhile, islice, takewhile
from typing import Any, cast
from zoneinfo import ZoneInfo

from cronsim import CronSim

from ripieno.domain import goals, ids
from ripieno.domain.jsons import JsonObject
from ripieno.domain.runs import NewRun, RunInput
from ripieno.domain.schedules import MACROS, CatchUp, Overlap, Schedule, ScheduleSpec, Target, Tick, TickOutcome, facts

ON_TIME = timedelta(seconds=60)
"""A tick that is acted upon no later than this was not missed."""

AT_ONCE = 100
"""How many ticks of one schedule are acted upon in one transaction."""

MOST_WAITING = 100
"""How many ticks of one schedule may wait for the runs before them."""

INSTANT = timedelta(microseconds=1)
SPANS = (timedelta(minutes=2), timedelta(hours=2), timedelta(days=2), timedelta(days=32))
"""How far to look back for the newest tick: the shortest span that holds one is cheap to walk through."""


def ticks(spec: ScheduleSpec, anchor: datetime, after: datetime) -> Iterator[datetime]:
    """The ticks after a moment, in order, in UTC, without end: what never comes true is no `ScheduleSpec`."""
    return _cron(spec, after) if spec.cron is not None else _every(cast("float", spec.every), anchor, after)


def upcoming(spec: ScheduleSpec, anchor: datetime, after: datetime, count: int) -> list[datetime]:
    """The next few ticks after a moment."""
    return list(islice(ticks(spec, anchor, after), count))


def next_tick(spec: ScheduleSpec, anchor: datetime, after: datetime) -> datetime:
    """The first tick after a moment."""
    return next(ticks(spec, anchor, after))


def _cron(spec: ScheduleSpec, after: datetime) -> Iterator[datetime]:
    """Those of a cron expression.

    Daylight saving as in Debian's cron: a fixed time that is skipped runs right after the gap, one that comes twice
    runs once; what runs each hour follows real time.
    """
    cron = cast("str", spec.cron)
    local = after.astimezone(ZoneInfo(spec.timezone))
    found = map(_in_utc, CronSim(MACROS.get(cron.strip().lower(), cron), local))
    # In the second pass of a doubled hour the wall clock shows moments that are over.
    return dropwhile(after.__ge__, found)


def _in_utc(moment: datetime) -> datetime:
    return moment.astimezone(UTC)


def _every(seconds: float, anchor: datetime, after: datetime) -> Iterator[datetime]:
    step = timedelta(seconds=seconds)
    tick = anchor + step * max(1, (after - anchor) // step + 1)
    while True:
        yield tick.astimezone(UTC)
        tick += step


def fires_at(schedule_id: str, spec: ScheduleSpec, tick: datetime) -> datetime:
    """When a tick is acted upon: later by its share of the jitter, which is the same for everybody who asks."""
    if not spec.jitter:
        return tick
    drawn = hashlib.sha256(f"{schedule_id}\0{tick.isoformat()}".encode()).digest()
    return tick + timedelta(seconds=spec.jitter * int.from_bytes(drawn[:6], "big") / (1 << 48))


# -- what is due -----------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Due:
    """What to do now: the ticks that run, oldest first; the first and last that were missed; the one that is next."""

    run: tuple[datetime, ...]
    missed: tuple[datetime, datetime] | None
    next: datetime | None


def due(schedule: Schedule, now: datetime) -> Due:
    """Sort the ticks from `next_tick` on that are due by now."""
    spec, anchor, first = schedule.spec, schedule.anchor, schedule.next_tick
    if first is None:
        return Due((), None, None)
    at_time = now - ON_TIME
    window = timedelta(seconds=spec.catch_up_window)
    earliest = at_time if spec.catch_up is CatchUp.NONE else min(at_time, now - window)
    start = first if first >= earliest else next_tick(spec, anchor, earliest - INSTANT)
    if spec.catch_up is CatchUp.LATEST and start < at_time:
        recent = next_tick(spec, anchor, at_time - INSTANT)
        start = recent if _fired(schedule, recent, now) else _last(spec, anchor, start, at_time)
    run, following = _run(schedule, start, now)
    missed = (first, _last(spec, anchor, first, start)) if first < start else None
    return Due(run, missed, following)


def _run(schedule: Schedule, start: datetime, now: datetime) -> tuple[tuple[datetime, ...], datetime]:
    """The ticks from `start` on that are due, as many as are acted upon at once, and the one after them."""
    found = islice(ticks(schedule.spec, schedule.anchor, start - INSTANT), AT_ONCE)
    run = tuple(takewhile(lambda tick: _fired(schedule, tick, now), found))
    return run, next_tick(schedule.spec, schedule.anchor, run[-1]) if run else start


def _fired(schedule: Schedule, tick: datetime, now: datetime) -> bool:
    return fires_at(schedule.id, schedule.spec, tick) <= now


def _last(spec: ScheduleSpec, anchor: datetime, first: datetime, end: datetime) -> datetime:
    """The newest tick from `first`, which is one, to before `end`."""
    begins = (*(max(first, end - span) for span in SPANS), first)
    found = (deque(takewhile(end.__gt__, ticks(spec, anchor, begin - INSTANT)), maxlen=1) for begin in begins)
    return next(newest[0] for newest in found if newest)


# -- what becomes of a tick ------------------------------------------------------------------------------------------


def outcome(overlap: Overlap, active: int, waiting: int) -> tuple[TickOutcome, str]:
    """What to do about a tick while so many runs of its schedule are under way and so many ticks wait."""
    if overlap in _NEVER_WAIT or not (active or waiting):
        return TickOutcome.STARTED, ""
    if overlap is Overlap.SKIP:
        return TickOutcome.SKIPPED, "the run before it was still under way"
    if waiting >= MOST_WAITING:
        return TickOutcome.SKIPPED, f"{MOST_WAITING} ticks were waiting already"
    return TickOutcome.WAITING, "the run before it is still under way"


_NEVER_WAIT = frozenset({Overlap.ALLOW, Overlap.CANCEL_PREVIOUS})


def said(first: datetime, last: datetime) -> str:
    """What the history says of ticks that were missed."""
    return "it was too late to run it" if first == last else f"so were all until {last.isoformat()}"


def run_of(schedule: Schedule, target: Target, tick: datetime, run_id: str | None = None) -> NewRun:
    """The run that a tick starts: always the same one, unless an id is given."""
    goal, data = _asked(schedule.spec, target)
    run_id = run_id or _derived(schedule.id, tick)
    return NewRun(
        id=run_id,
        tenant=schedule.tenant,
        kind=target.kind,
        target=target.agent,
        target_version=target.version,
        session_id=ids.session_of(run_id),
        input=RunInput(goal, data, context={"schedule": facts(schedule, tick)}),
        created_by=schedule.created_by,
        root_id=run_id,
        metadata={"schedule": facts(schedule, tick)},
    )


def _derived(schedule_id: str, tick: datetime) -> str:
    """One id for one tick, with the tick's time at its front."""
    drawn = hashlib.sha256(f"{schedule_id}\0{tick.astimezone(UTC).isoformat()}".encode()).digest()
    return ids.compose(ids.RUN, int(tick.timestamp() * 1000), drawn)


def _asked(spec: ScheduleSpec, target: Target) -> tuple[str, JsonObject | None]:
    """The goal and the material that `input` holds; without a goal the agent is told to do what it is there for."""
    given: Any = spec.input
    usual = f"It is time for your scheduled work. {target.description}".strip()
    if isinstance(given, str):
        return given.strip() or usual, None
    material = cast("JsonObject", given or {})
    key = goals.goal_key(material)
    rest = {name: value for name, value in material.items() if name != key}
    return (material[key].strip() if key else usual), rest or None


def told(line: Tick, outcome: TickOutcome, reason: str, run_id: str | None = None) -> Tick:
    """A line of the history with what became of its tick."""
    return replace(line, outcome=outcome, reason=reason, run_id=run_id)
