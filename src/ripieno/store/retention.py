"""Retention on both databases: ended runs go, family by family, and with them all that is theirs.

Nothing is deleted in a long transaction, and a crash anywhere leaves something that the next turn completes. A run goes
in three steps: its bundle is written (where that is wanted) and is on the disk; its row is deleted, with those of its
family, and noted among the leftovers, in one transaction; its rows in other tables follow in small ones.
"""

import asyncio
import logging
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from pathlib import Path

from ripieno.domain import ids
from ripieno.domain.errors import StoreBusy
from ripieno.domain.jsons import Json, JsonObject
from ripieno.domain.principals import SYSTEM, Principal
from ripieno.domain.retention import Kept, Place, Pruned
from ripieno.ports import Clock
from ripieno.store import bundles
from ripieno.store.artifacts import StoredArtifacts
from ripieno.store.bodies import load
from ripieno.store.bundles import Bundle
from ripieno.store.portable.audit import audit
from ripieno.store.portable.frame import Frame, Frames, Record, Work

log = logging.getLogger(__name__)

EVERY_SECONDS = 600.0
FAMILIES = 50
SLICE = 200
ROWS = 500
CLEARED_AT_ONCE = 10

BELONGINGS: Mapping[str, str] = {
    "entries": "seq",
    "effects": "seq, key, attempt",
    "votes": "interrupt_id, n",
    "interrupts": "id",
    "inbox": "n",
    "mail_waiters": "key, box",
    "event_waiters": "key",
    "event_wakes": "key",
    "artifacts": "id",
}
"""The tables whose rows are a run's own, and the order in which they are written away. Votes come before what they are
found by."""

BY_RUN = "run_id = ANY(:ids::text[])"
BY_INTERRUPT = f"interrupt_id IN (SELECT id FROM interrupts WHERE {BY_RUN})"  # noqa: S608 - constants

ACCOUNTS = timedelta(days=62)
"""Reservations outlive their runs by this: the sums of budgets are counted from them, the longest over a month."""

TIMES = frozenset(
    {
        *("created_at", "updated_at", "started_at", "ended_at", "deadline", "cancel_at", "wake_at"),
        *("at", "intended_at", "closed_at", "expires_at", "escalated_at", "since"),
    }
)
BODIES = frozenset(
    {
        *("input", "result", "waits", "metadata", "body"),
        *("request", "reasons", "decisions", "terms", "assignees"),
    }
)
FLAGS = frozenset({"hold", "dry_run"})
"""How the columns of these tables are read."""

OLD = """
SELECT id, tenant, ended_at FROM runs
WHERE ended_at IS NOT NULL AND parent_id IS NULL AND ended_at < :before
  AND (NOT :bounded::boolean OR (ended_at, id) > (:from_at, :from_id))
  AND NOT EXISTS (
    SELECT 1 FROM runs AS below
    WHERE below.root_id = runs.id AND below.parent_id IS NOT NULL
      AND (below.ended_at IS NULL OR below.ended_at >= :before)
  )
ORDER BY ended_at, id LIMIT :limit::int
"""

# The root comes last: as long as it is there, the family is found again.
FAMILY = """
SELECT id, tenant, created_at, last_seq, epoch FROM runs
WHERE id = :root OR (root_id = :root AND parent_id IS NOT NULL) ORDER BY parent_id IS NULL, id
"""

LOCKED = """
SELECT id FROM runs WHERE id = ANY(:ids::text[]) AND ended_at < :before ORDER BY id FOR UPDATE
"""

NOTE = """
INSERT INTO leftovers (run_id) SELECT id FROM runs WHERE id = ANY(:ids::text[]) ON CONFLICT (run_id) DO NOTHING
"""

DELETE = "DELETE FROM runs WHERE id = ANY(:ids::text[])"

LEFT = "SELECT run_id FROM leftovers ORDER BY run_id LIMIT :limit::int"

LAST = "SELECT coalesce(max(seq), 0) AS last FROM entries WHERE run_id = ANY(:ids::text[])"

CUT = "DELETE FROM entries WHERE run_id = ANY(:ids::text[]) AND seq <= :upto::int"

FORGET = "DELETE FROM leftovers WHERE run_id = ANY(:ids::text[])"

# What is oldest has the smallest number: each look is at the first few rows alone.
OUTBOX = """
DELETE FROM outbox WHERE id IN (
  SELECT id FROM (SELECT id, at FROM outbox WHERE (type = 'audit') = :audit::boolean AND pos IS NOT NULL
    ORDER BY id LIMIT :limit::int) AS oldest WHERE at < :before
) RETURNING id
"""

DEAD_LETTERS = """
DELETE FROM dead_letters WHERE id IN (
  SELECT id FROM dead_letters WHERE created_at < :before ORDER BY created_at LIMIT :limit::int
) RETURNING id
"""

SESSIONS = """
DELETE FROM sessions WHERE (tenant, id) IN (
  SELECT tenant, id FROM sessions WHERE updated_at < :before AND NOT EXISTS (
    SELECT 1 FROM runs WHERE runs.tenant = sessions.tenant AND runs.session_id = sessions.id
  ) LIMIT :limit::int
) AND updated_at < :before RETURNING id
"""

RESERVATIONS = """
DELETE FROM reservations WHERE run_id IN (
  SELECT DISTINCT run_id FROM reservations WHERE run_id < :before AND NOT EXISTS (
    SELECT 1 FROM runs WHERE runs.id = reservations.run_id
  ) LIMIT :limit::int
) RETURNING run_id
"""


class Retention:
    """Prunes and archives. `folder` is where bundles go; of `artifacts` the bytes go that nothing names any more."""

    def __init__(
        self, frames: Frames, clock: Clock, kept: Kept, folder: Path, artifacts: StoredArtifacts | None = None
    ) -> None:
        self._frames = frames
        self._clock = clock
        self._kept = kept
        self._folder = folder
        self._artifacts = artifacts

    # -- by hand and by the clock --------------------------------------------------------------------------------

    async def prune(self, by: Principal, days: float, *, archive: bool | None = None, dry_run: bool = False) -> Pruned:
        """Delete some of the families that ended more than `days` ago; `more` says whether there are others.

        A dry run counts the runs of those that would be first.
        """
        before = self._clock.now() - timedelta(days=days)
        roots = await self._frames.read(_old, before, None)
        runs = archived = 0
        for root in roots:
            family = await self._frames.read(_family, root.run_id)
            if not dry_run:
                archived += await self._write_away(family) if self._archives(archive) else 0
                runs += await self._delete([run["id"] for run in family], before)
            else:
                runs += len(family)
        if not dry_run:
            await self._clear()
            await self._tell(by, Pruned(runs, archived), days)
        return Pruned(runs, archived, roots[-1] if len(roots) == FAMILIES else None)

    async def archive(self, days: float, after: Place | None = None) -> Pruned:
        """Write away some of those families and delete nothing. What has its bundle already is passed over."""
        roots = await self._frames.read(_old, self._clock.now() - timedelta(days=days), after)
        archived = 0
        for root in roots:
            archived += await self._write_away(await self._frames.read(_family, root.run_id))
        return Pruned(archived=archived, more=roots[-1] if len(roots) == FAMILIES else None)

    async def keep_up(self) -> None:
        """Prune what is older than it may be, for ever."""
        while True:
            try:
                await self.turn()
            except (StoreBusy, OSError) as error:
                log.warning("pruning must wait", extra={"reason": str(error)})
            await self._clock.sleep(EVERY_SECONDS)

    async def turn(self) -> None:
        """Do all that is due now, and complete what a crash cut off. Raises `StoreBusy`, `OSError`."""
        kept = self._kept
        await self._clear()
        while kept.runs and (await self.prune(SYSTEM, kept.runs)).more:
            pass
        await self._sweep(OUTBOX, kept.outbox, audit=False)
        await self._sweep(OUTBOX, kept.audit, audit=True)
        await self._sweep(DEAD_LETTERS, kept.dead_letters)
        await self._sweep(SESSIONS, kept.sessions)
        oldest = int((self._clock.now() - ACCOUNTS).timestamp() * 1000)
        while await self._frames.write(_some, RESERVATIONS, {"before": f"{ids.RUN}_{oldest:012x}"}):
            pass
        if self._artifacts is not None:
            await self._artifacts.sweep()

    # -- inside --------------------------------------------------------------------------------------------------

    def _archives(self, wanted: bool | None) -> bool:
        return self._kept.archive if wanted is None else wanted

    async def _write_away(self, family: Sequence[Record]) -> int:
        return sum([await self._bundle(run) for run in family])

    async def _bundle(self, run: Record) -> bool:
        """Write the run's bundle; False when it is there."""
        created = run.time("created_at")
        path = self._folder / f"{created:%Y-%m}" / f"{run['id']}{bundles.ENDING}"
        about = {"run_id": run["id"], "tenant": run["tenant"], "last_seq": run["last_seq"], "epoch": run["epoch"]}
        if await asyncio.to_thread(bundles.holds, path, about):
            return False
        with await asyncio.to_thread(Bundle, path, about) as bundle:
            await asyncio.to_thread(bundle.add, await self._frames.read(_rows, "runs", run["id"], 0))
            for table in BELONGINGS:
                first = 0
                while rows := await self._frames.read(_rows, table, run["id"], first):
                    await asyncio.to_thread(bundle.add, rows)
                    first += len(rows)
            await asyncio.to_thread(bundle.finish)
        return True

    async def _delete(self, family: Sequence[str], before: datetime) -> int:
        deleted = 0
        for first in range(0, len(family), SLICE):
            some = await self._frames.write(_delete_runs, family[first : first + SLICE], before)
            deleted += some
            if some < len(family[first : first + SLICE]):
                break  # somebody has taken it up again
        return deleted

    async def _clear(self) -> None:
        while run_ids := await self._frames.read(_left):
            last = await self._frames.read(_last, run_ids)
            for upto in range(ROWS, last + ROWS, ROWS):
                await self._frames.write(_cut, run_ids, upto)
            await self._frames.write(_forget, run_ids)

    async def _sweep(self, sql: str, days: float, **given: object) -> None:
        if days:
            before = self._clock.now() - timedelta(days=days)
            while await self._frames.write(_some, sql, {"before": before, **given}):
                pass

    async def _tell(self, by: Principal, pruned: Pruned, days: float) -> None:
        if pruned.runs:
            detail = {"runs": pruned.runs, "archived": pruned.archived, "days": days}
            await self._frames.write(audit, (by.tenant, by.id), "PRUNE_RUNS", "", detail)


def _old(frame: Frame, before: datetime, after: Place | None) -> Work[list[Place]]:
    rows = yield from frame.all(
        OLD,
        before=before,
        bounded=after is not None,
        from_at=after.ended_at if after else before,
        from_id=after.run_id if after else "",
        limit=FAMILIES,
    )
    return [Place(row.time("ended_at"), row["id"]) for row in rows]


def _family(frame: Frame, root: str) -> Work[list[Record]]:
    return (yield from frame.all(FAMILY, root=root))


def _rows(frame: Frame, table: str, run_id: str, first: int) -> Work[list[JsonObject]]:
    """A page of a run's rows, each as a line of its bundle."""
    which, order = ("id = ANY(:ids::text[])", "id") if table == "runs" else (_own(table), BELONGINGS[table])
    sql = f"SELECT * FROM {table} WHERE {which} ORDER BY {order} LIMIT {ROWS} OFFSET :first::int"  # noqa: S608 - constants
    rows = yield from frame.all(sql, ids=[run_id], first=first)
    return [{"type": table, "row": _shown(row)} for row in rows]


def _own(table: str) -> str:
    """Which rows of a table are those of some runs."""
    return BY_INTERRUPT if table == "votes" else BY_RUN


def _shown(row: Record) -> JsonObject:
    return {name: _value(row, name) for name in row.names()}


def _value(row: Record, name: str) -> Json:
    value = row[name]
    if value is None:
        return None
    if name in TIMES:
        return row.time(name).isoformat()
    if name in BODIES:
        return load(value)
    return bool(value) if name in FLAGS else value


def _delete_runs(frame: Frame, run_ids: Sequence[str], before: datetime) -> Work[int]:
    locked = yield from frame.all(LOCKED, ids=list(run_ids), before=before)
    if len(locked) < len(run_ids):
        return 0
    yield from frame.all(NOTE, ids=list(run_ids))
    yield from frame.all(DELETE, ids=list(run_ids))
    return len(run_ids)


def _left(frame: Frame) -> Work[list[str]]:
    return [row["run_id"] for row in (yield from frame.all(LEFT, limit=CLEARED_AT_ONCE))]


def _last(frame: Frame, run_ids: Sequence[str]) -> Work[int]:
    (row,) = yield from frame.all(LAST, ids=list(run_ids))
    return row["last"]


def _cut(frame: Frame, run_ids: Sequence[str], upto: int) -> Work[None]:
    yield from frame.all(CUT, ids=list(run_ids), upto=upto)


def _forget(frame: Frame, run_ids: Sequence[str]) -> Work[None]:
    for table in BELONGINGS:
        yield from frame.all(f"DELETE FROM {table} WHERE {_own(table)}", ids=list(run_ids))  # noqa: S608 - constants
    yield from frame.all(FORGET, ids=list(run_ids))


def _some(frame: Frame, sql: str, given: Mapping[str, object]) -> Work[bool]:
    return bool((yield from frame.all(sql, **given, limit=ROWS)))
