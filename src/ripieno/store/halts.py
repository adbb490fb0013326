"""Halts on both databases, and waking the runs that wait for one that was lifted."""

from collections.abc import Sequence

from ripieno.domain import halts
from ripieno.domain.errors import NotFound
from ripieno.domain.halts import Halt
from ripieno.domain.hints import HintKind
from ripieno.store.portable.audit import audit
from ripieno.store.portable.frame import Frame, Frames, Record, Work

SLICE = 200

ALL = "SELECT * FROM halts ORDER BY halted_at, scope"

PUT = """
INSERT INTO halts (scope, reason, halted_by, halted_at) VALUES (:scope, :reason, :by, :now)
ON CONFLICT (scope) DO UPDATE SET reason = excluded.reason, halted_by = excluded.halted_by
RETURNING *
"""

LIFT = "DELETE FROM halts WHERE scope = :scope RETURNING *"

# Few runs wait for a halt, even where many wait; the index by status finds those.
HELD = """
WITH parked AS MATERIALIZED (
  SELECT id, waits FROM runs WHERE status IN ('waiting', 'awaiting_approval', 'awaiting_input') AND NOT hold
)
SELECT id, waits FROM parked WHERE waits::text LIKE '%"for":"halt"%'
"""

LOCKED = """
SELECT id, waits FROM runs
WHERE id = ANY(:ids::text[]) AND status IN ('waiting', 'awaiting_approval', 'awaiting_input') AND NOT hold
ORDER BY id FOR NO KEY UPDATE
"""

QUEUE = """
UPDATE runs SET status = 'queued', waits = '[]', wake_at = NULL, updated_at = :now WHERE id = ANY(:ids::text[])
"""


class StoredHalts:
    """`ports.Halts`."""

    def __init__(self, frames: Frames) -> None:
        self._frames = frames

    async def all(self) -> Sequence[Halt]:
        return await self._frames.read(_all)

    async def halt(self, tenant: str, scope: str, reason: str, by: str) -> Halt:
        return await self._frames.write(_halt, tenant, scope, reason, by)

    async def lift(self, tenant: str, scope: str, reason: str, by: str) -> Halt:
        return await self._frames.write(_lift, tenant, scope, reason, by)

    async def wake(self) -> int:
        freed = await self._frames.read(_freed)
        slices = [freed[first : first + SLICE] for first in range(0, len(freed), SLICE)]
        return sum([await self._frames.write(_wake, some) for some in slices])


def _all(frame: Frame) -> Work[list[Halt]]:
    return [_halt_of(row) for row in (yield from frame.all(ALL))]


def _halt(frame: Frame, tenant: str, scope: str, reason: str, by: str) -> Work[Halt]:
    (row,) = yield from frame.all(PUT, scope=scope, reason=reason, by=by, now=frame.now)
    yield from audit(frame, (tenant, by), halts.action("HALT", scope), scope, {"reason": reason})
    return _halt_of(row)


def _lift(frame: Frame, tenant: str, scope: str, reason: str, by: str) -> Work[Halt]:
    row = yield from frame.one(LIFT, scope=scope)
    if row is None:
        raise NotFound("halt", scope)
    yield from audit(frame, (tenant, by), halts.action("UNHALT", scope), scope, {"reason": reason})
    return _halt_of(row)


def _freed(frame: Frame) -> Work[list[str]]:
    return (yield from _without_a_halt(frame, (yield from frame.all(HELD))))


def _wake(frame: Frame, ids: Sequence[str]) -> Work[int]:
    freed = yield from _without_a_halt(frame, (yield from frame.all(LOCKED, ids=list(ids))))
    yield from frame.all(QUEUE, ids=freed, now=frame.now)
    for run_id in freed:
        frame.hint(run_id, HintKind.WORK, HintKind.STATUS)
    return len(freed)


def _without_a_halt(frame: Frame, rows: Sequence[Record]) -> Work[list[str]]:
    """The runs among these that wait for a halt which is not in force."""
    current = {row["scope"] for row in (yield from frame.all(ALL))}
    return sorted(row["id"] for row in rows if halts.scopes_of(row.json("waits")) - current)


def _halt_of(row: Record) -> Halt:
    return Halt(row["scope"], row["reason"], row["halted_by"], row.time("halted_at"))
