"""Housekeeping that one process does for all: whoever gets the advisory lock.

It numbers the outbox, makes partitions before they are needed, and deletes what is too old.
"""

import re
from datetime import UTC, datetime, timedelta

import asyncpg

from ripieno.domain import ids
from ripieno.domain.errors import StoreBusy
from ripieno.ports import Clock
from ripieno.store.postgres.database import Database, Transaction
from ripieno.store.postgres.verbs import reap

LOCK = 0x52495049454E4F
"""The letters of RIPIENO."""

NUMBERED_AT_ONCE = 5000
EVERY_SECONDS = 600.0
"""How often partitions and old rows are looked at."""

TRY_LOCK = "SELECT pg_try_advisory_xact_lock($1) AS mine"

# Sequence numbers of concurrent transactions do not commit in order. Here committed rows alone are visible, and there
# is one who numbers: a reader by `pos` misses no row. The lock is held until the numbers are committed.
NUMBER = """
UPDATE outbox SET pos = numbered.pos FROM (
  SELECT id, nextval('outbox_pos') AS pos FROM (
    SELECT id FROM outbox WHERE pos IS NULL ORDER BY id LIMIT $1
  ) AS unnumbered
) AS numbered
WHERE outbox.id = numbered.id RETURNING outbox.id
"""

FORGET_REPLIES = """
DELETE FROM replies WHERE at <= coalesce($1::timestamptz, clock_timestamp()) - interval '24 hours'
"""

PARTITIONS = """
SELECT child.relname AS name FROM pg_inherits JOIN pg_class AS child ON child.oid = inhrelid
WHERE inhparent = 'entries'::regclass
"""

PAST = re.compile(r"entries_(\d{4})_(\d{2})")

ANY_RUN = "SELECT id FROM runs WHERE id >= $1 AND id < $2 LIMIT 1"


class House:
    """The house and when it was last kept, by this process."""

    def __init__(self, database: Database, clock: Clock) -> None:
        self._database = database
        self._clock = clock
        self._kept: float | None = None

    async def number(self) -> int | None:
        """Give the outbox's committed rows their positions; answers how many, None when another process does it.

        Raises `StoreBusy`.
        """
        total = 0
        while (numbered := await self._database.transact(_number)) == NUMBERED_AT_ONCE:
            total += numbered
        return None if numbered is None else total + numbered

    async def keep(self) -> None:
        """Look after partitions and old rows, once in a while. Raises `StoreBusy`."""
        at = self._clock.monotonic()
        if self._kept is not None and at - self._kept < EVERY_SECONDS:
            return
        self._kept = at
        await self._database.transact(_forget)
        await self._database.transact(add_partitions, self._clock.now())
        await self._drop(self._clock.now())

    async def _drop(self, today: datetime) -> None:
        """Drop the partitions of past months that have no runs left; one that is in use is looked at next time."""
        for row in await self._database.fetch(PARTITIONS):
            month = PAST.fullmatch(row["name"])
            if month is not None and (first := datetime(int(month[1]), int(month[2]), 1, tzinfo=UTC)) < _month(today):
                try:
                    await self._database.transact_once(drop_partition, row["name"], first)
                except StoreBusy:
                    continue


async def add_partitions(tx: Transaction, today: datetime) -> list[str]:
    """Make the partitions of `entries` for this month and the next, where they are missing; answers their names."""
    if not await _locked(tx):
        return []
    there = {row["name"] for row in await tx.all(PARTITIONS)}
    this = _month(today)
    wanted = {f"entries_{first:%Y_%m}": first for first in (this, _next(this))}
    return [name for name, first in wanted.items() if name not in there and await _make(tx, name, first)]


async def drop_partition(tx: Transaction, name: str, first: datetime) -> bool:
    """Drop the partition of a month; False when there are runs whose journals are in it.

    Raises:
        StoreBusy: Others are at work on it.
    """
    bounds = _first_id(first), _first_id(_next(first))
    if await tx.one(ANY_RUN, *bounds) is not None:
        return False
    await tx.connection.execute("SET LOCAL lock_timeout = '500ms'")
    # In the order in which writers lock. Runs are looked for again when nobody can write to the journal any more.
    await tx.connection.execute("LOCK TABLE ONLY entries IN ACCESS EXCLUSIVE MODE")
    await tx.connection.execute(f"LOCK TABLE {name} IN ACCESS EXCLUSIVE MODE")
    if await tx.one(ANY_RUN, *bounds) is not None:
        return False
    await tx.connection.execute(f"DROP TABLE {name}")
    return True


async def _make(tx: Transaction, name: str, first: datetime) -> bool:
    """False when the partition for everything else already holds rows that belong into it: they stay there."""
    bounds = f"FROM ('{_first_id(first)}') TO ('{_first_id(_next(first))}')"
    try:
        async with tx.connection.transaction():
            await tx.connection.execute(f"CREATE TABLE {name} PARTITION OF entries FOR VALUES {bounds}")
    except asyncpg.CheckViolationError:
        return False
    return True


async def _locked(tx: Transaction) -> bool:
    row = await tx.one(TRY_LOCK, LOCK)
    return row is not None and row["mine"]


async def _number(tx: Transaction) -> int | None:
    return len(await tx.all(NUMBER, NUMBERED_AT_ONCE)) if await _locked(tx) else None


async def _forget(tx: Transaction) -> None:
    if await _locked(tx):
        await tx.all(FORGET_REPLIES, tx.now)
        await tx.all(reap.BURY)


def _month(day: datetime) -> datetime:
    return day.replace(day=1, hour=0, minute=0, second=0, microsecond=0)


def _next(month: datetime) -> datetime:
    return _month(month + timedelta(days=32))


def _first_id(at: datetime) -> str:
    """What the ids of runs of that moment begin with."""
    return f"{ids.RUN}_{int(at.timestamp() * 1000):012x}"
