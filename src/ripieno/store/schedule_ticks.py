"""What a tick of a schedule does, in the transaction that moves the schedule on.

The schedule's row is locked first, then runs, in order of their ids; nobody who has locked a run waits for a schedule.
"""

from collections.abc import Sequence
from datetime import datetime

from ripieno.domain import schedule_changes, ticks
from ripieno.domain.errors import RunEnded
from ripieno.domain.schedules import Overlap, Schedule, Target, Tick, TickOutcome, Trigger
from ripieno.store.portable.audit import audit
from ripieno.store.portable.frame import Cancel, Frame, Record, Work

KEPT = 1000
"""How many lines of its history a schedule keeps."""

# A tick that waits is due when no run of its schedule is under way any more.
DUE = """
SELECT * FROM schedules WHERE NOT paused AND problem IS NULL AND (next_at <= :now OR (
  waiting > 0 AND NOT EXISTS (
    SELECT 1 FROM schedule_ticks JOIN runs ON runs.id = schedule_ticks.run_id
    WHERE schedule_ticks.schedule_id = schedules.id AND schedule_ticks.open AND runs.ended_at IS NULL
  )
)) ORDER BY next_at LIMIT :limit::int
"""

LOCK = """
SELECT * FROM schedules WHERE id = :id AND NOT paused AND problem IS NULL AND (next_at <= :now OR waiting > 0)
FOR UPDATE SKIP LOCKED
"""

CLOSE = """
UPDATE schedule_ticks SET open = false WHERE schedule_id = :id AND open AND NOT EXISTS (
  SELECT 1 FROM runs WHERE runs.id = schedule_ticks.run_id AND runs.ended_at IS NULL
)
"""

OPEN = "SELECT run_id FROM schedule_ticks WHERE schedule_id = :id AND open ORDER BY run_id"

ACTIVE = """
SELECT runs.id FROM schedule_ticks JOIN runs ON runs.id = schedule_ticks.run_id
WHERE schedule_ticks.schedule_id = :id AND schedule_ticks.open AND runs.ended_at IS NULL
"""

FIRST_WAITING = """
SELECT n, at FROM schedule_ticks WHERE schedule_id = :id AND outcome = 'waiting' ORDER BY n LIMIT 1
"""

BEGIN = """
UPDATE schedule_ticks SET outcome = :outcome, reason = :reason, run_id = :run_id, open = :open, decided_at = :now
WHERE schedule_id = :id AND n = :n
"""

WRITE = """
INSERT INTO schedule_ticks (schedule_id, n, at, outcome, triggered_by, reason, run_id, open, decided_at)
VALUES (:id, :n, :at, :outcome, :by, :reason, :run_id, :open, :now)
"""

MOVE = """
UPDATE schedules SET next_tick = :next_tick, next_at = :next_at, last_tick = :last_tick, ticks = :ticks,
  waiting = :waiting WHERE id = :id
"""

COUNT = "UPDATE schedules SET ticks = ticks + 1 WHERE id = :id RETURNING ticks"

COUNTED = "SELECT ticks FROM schedules WHERE id = :id"

PRUNE = """
DELETE FROM schedule_ticks WHERE schedule_id = :id AND n <= :n::int AND NOT open AND outcome <> 'waiting'
"""

KNOWN = "SELECT * FROM schedule_ticks WHERE schedule_id = :id AND run_id = :run_id"


def due(frame: Frame, limit: int) -> Work[list[Record]]:
    """The schedules that have something to do."""
    return (yield from frame.all(DUE, limit=limit, now=frame.now))


def lock(frame: Frame, schedule_id: str) -> Work[Record | None]:
    """The schedule, if it is due and nobody else is at it."""
    return (yield from frame.one(LOCK, id=schedule_id, now=frame.now))


def tick(frame: Frame, schedule: Schedule, waiting: int, target: Target | str) -> Work[Sequence[Tick]]:
    """Do what is due of a schedule that is locked."""
    round_ = _Round(frame, schedule, target, waiting)
    yield from round_.look()
    yield from round_.begin_waiting()
    found = ticks.due(schedule, frame.now)
    if found.missed is not None:
        first, last = found.missed
        yield from round_.write(first, TickOutcome.MISSED, ticks.said(first, last))
    for at in found.run:
        yield from round_.act(at, newest=at == found.run[-1])
    last_tick = found.run[-1] if found.run else schedule.last_tick
    yield from round_.move(schedule_changes.due_next(schedule, found.next), last_tick)
    return round_.done


def trigger(frame: Frame, schedule: Schedule, target: Target, wanted: Trigger) -> Work[Tick]:
    """Start a run of a schedule that is locked, now; the same again for an id that is there.

    Its number is 0 where its line has gone from the history since.
    """
    run = ticks.run_of(schedule, target, frame.now, wanted.run_id)
    if not (yield from frame.start(run)):
        row = yield from frame.one(KNOWN, id=schedule.id, run_id=run.id)
        n, at, decided_at = (row["n"], row.time("at"), row.time("decided_at")) if row else (0, frame.now, frame.now)
        return Tick(schedule.id, n, at, TickOutcome.STARTED, decided_at, wanted.by, "", run.id)
    (row,) = yield from frame.all(COUNT, id=schedule.id)
    started = Tick(schedule.id, row["ticks"], frame.now, TickOutcome.STARTED, frame.now, wanted.by, "", run.id)
    yield from _write(frame, started)
    yield from audit(
        frame, (schedule.tenant, wanted.by), "TRIGGER_SCHEDULE", schedule.id, {"name": schedule.name, "run_id": run.id}
    )
    return started


class _Round:
    """One turn at one schedule."""

    def __init__(self, frame: Frame, schedule: Schedule, target: Target | str, waiting: int) -> None:
        self._frame = frame
        self._schedule = schedule
        self._target = target
        self._waiting = waiting
        self._active: list[str] = []
        self._n = 0
        self.done: list[Tick] = []

    def look(self) -> Work[None]:
        """See which runs are under way, locked where they may be cancelled, and how many ticks there were."""
        if self._schedule.spec.overlap is Overlap.CANCEL_PREVIOUS:
            active = yield from self._frame.all(ACTIVE, id=self._schedule.id)
            yield from self._frame.lock(*(row["id"] for row in active))
        yield from self._frame.all(CLOSE, id=self._schedule.id)
        self._active = [row["run_id"] for row in (yield from self._frame.all(OPEN, id=self._schedule.id))]
        (row,) = yield from self._frame.all(COUNTED, id=self._schedule.id)
        self._n = row["ticks"]

    def begin_waiting(self) -> Work[None]:
        """Start the tick that has waited longest, if nothing is in its way any more."""
        if not self._waiting or self._active:
            return
        (row,) = yield from self._frame.all(FIRST_WAITING, id=self._schedule.id)
        begun = yield from self._start(row.time("at"), row["n"])
        self._waiting -= 1
        given = {"outcome": begun.outcome, "reason": begun.reason, "run_id": begun.run_id, "open": _is_open(begun)}
        yield from self._frame.all(BEGIN, id=self._schedule.id, n=begun.n, now=self._frame.now, **given)
        self.done.append(begun)

    def act(self, at: datetime, *, newest: bool) -> Work[None]:
        """Do what the overlap policy says about a tick that is due."""
        overlap = self._schedule.spec.overlap
        outcome, reason = ticks.outcome(overlap, len(self._active), self._waiting)
        if overlap is Overlap.CANCEL_PREVIOUS and not newest:
            outcome, reason = TickOutcome.SKIPPED, "a later one was due already"
        if outcome is not TickOutcome.STARTED:
            self._waiting += outcome is TickOutcome.WAITING
            yield from self.write(at, outcome, reason)
            return
        if overlap is Overlap.CANCEL_PREVIOUS:
            yield from self._cancel()
        self._n += 1
        started = yield from self._start(at, self._n)
        yield from _write(self._frame, started)
        self.done.append(started)

    def write(self, at: datetime, outcome: TickOutcome, reason: str) -> Work[None]:
        """Add a line to the history."""
        self._n += 1
        line = Tick(self._schedule.id, self._n, at, outcome, self._frame.now, None, reason)
        yield from _write(self._frame, line)
        self.done.append(line)

    def move(self, schedule: Schedule, last_tick: datetime | None) -> Work[None]:
        """Let the schedule wait for its next tick."""
        given = {"next_tick": schedule.next_tick, "next_at": schedule.next_at, "last_tick": last_tick}
        yield from self._frame.all(MOVE, id=schedule.id, ticks=self._n, waiting=self._waiting, **given)
        yield from self._frame.all(PRUNE, id=schedule.id, n=self._n - KEPT)

    def _start(self, at: datetime, n: int) -> Work[Tick]:
        line = Tick(self._schedule.id, n, at, TickOutcome.FAILED, self._frame.now, None)
        if isinstance(self._target, str):
            return ticks.told(line, TickOutcome.FAILED, self._target)
        run = ticks.run_of(self._schedule, self._target, at)
        if not (yield from self._frame.start(run)):
            return ticks.told(line, TickOutcome.SKIPPED, "its run was started before", run.id)
        self._active.append(run.id)
        return ticks.told(line, TickOutcome.STARTED, "", run.id)

    def _cancel(self) -> Work[None]:
        """Cancel what is under way; runs below it follow when the pump finds them left behind."""
        for run_id in sorted(self._active):
            order = Cancel(self._schedule.tenant, run_id, "system", f"the next tick of {self._schedule.name} is due")
            try:
                yield from self._frame.cancel(order)
            except RunEnded:
                continue
        self._active = []


def _write(frame: Frame, line: Tick) -> Work[None]:
    yield from frame.all(
        WRITE,
        id=line.schedule_id,
        n=line.n,
        at=line.at,
        outcome=line.outcome,
        by=line.triggered_by,
        reason=line.reason,
        run_id=line.run_id,
        open=_is_open(line),
        now=line.decided_at,
    )


def _is_open(line: Tick) -> bool:
    return line.outcome is TickOutcome.STARTED
