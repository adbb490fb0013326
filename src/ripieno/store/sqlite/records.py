"""Reading without owning, on SQLite."""

import sqlite3
from collections.abc import Sequence
from typing import Any

from ripieno.domain.effects import Effect
from ripieno.domain.entries import Entry
from ripieno.domain.errors import NotFound
from ripieno.domain.filters import Counts, InterruptFilter, RunFilter
from ripieno.domain.interrupts import Interrupt
from ripieno.domain.runs import ALIVE, PARKED, Run, RunStatus
from ripieno.domain.sessions import Exchange, Session
from ripieno.store.bodies import load
from ripieno.store.columns import EFFECT_COLUMNS, ENTRY_COLUMNS, RUN_COLUMNS
from ripieno.store.sqlite.readers import Readers
from ripieno.store.sqlite.rows import INTERRUPT_READ, effect_of, entries_of, interrupt_of, micros, run_of, session_of

# The tenant is part of every statement that serves one.
RUN = f"SELECT {RUN_COLUMNS} FROM runs WHERE tenant = ? AND id = ?"  # noqa: S608 - constants
INTERRUPT = f"SELECT {INTERRUPT_READ} FROM interrupts WHERE tenant = ? AND id = ?"  # noqa: S608
SESSION = "SELECT id, tenant, created_by, created_at, updated_at FROM sessions WHERE tenant = ? AND id = ?"
ENTRIES = f"""
SELECT {ENTRY_COLUMNS} FROM entries
WHERE run_id = (SELECT id FROM runs WHERE tenant = ? AND id = ?) AND seq > ? ORDER BY seq LIMIT ?
"""  # noqa: S608
EFFECTS = f"""
SELECT {EFFECT_COLUMNS} FROM effects
WHERE run_id = (SELECT id FROM runs WHERE tenant = ? AND id = ?) ORDER BY seq, key, attempt
"""  # noqa: S608
HISTORY = """
SELECT id, input, result, status FROM runs
WHERE tenant = ? AND session_id = ? AND parent_id IS NULL AND (
  (+status = 'completed' AND coalesce(superseded, '') <> 'rollback')
  OR (+status = 'cancelled' AND superseded = 'interrupt')
)
ORDER BY created_at DESC, id DESC LIMIT ?
"""
COUNT = f"""
SELECT status, count(*) FROM runs WHERE status IN ({", ".join(f"'{status}'" for status in ALIVE)}) GROUP BY status
"""  # noqa: S608 - constants
QUEUED = "SELECT count(*) AS many FROM (SELECT 1 FROM runs WHERE status = 'queued' LIMIT ?)"
QUEUED_OF = "SELECT count(*) AS many FROM (SELECT 1 FROM runs WHERE status = 'queued' AND tenant = ? LIMIT ?)"


class SqliteRecords:
    """`ports.Records` beside the writer."""

    def __init__(self, readers: Readers) -> None:
        self._readers = readers

    async def run(self, tenant: str, run_id: str) -> Run:
        return await self._readers.read(_run, tenant, run_id)

    async def runs(self, tenant: str, which: RunFilter, limit: int, before: str | None = None) -> Sequence[Run]:
        wanted = _Page("runs", RUN_COLUMNS, tenant, before)
        wanted.equal("status", which.status)
        wanted.equal("target", which.target)
        wanted.equal("session_id", which.session_id, index="runs_by_session")
        wanted.equal("parent_id", which.parent_id, index="runs_children")
        if which.created_after is not None:
            wanted.where("created_at > ?", micros(which.created_after))
        return [run_of(row) for row in await self._readers.read(_fetch, *wanted.statement(limit))]

    async def entries(self, tenant: str, run_id: str, after: int = 0, limit: int = 1000) -> Sequence[Entry]:
        return await self._readers.read(_entries, tenant, run_id, after, limit)

    async def effects(self, tenant: str, run_id: str) -> Sequence[Effect]:
        return [effect_of(row) for row in await self._readers.read(_fetch, EFFECTS, (tenant, run_id))]

    async def interrupt(self, tenant: str, interrupt_id: str) -> Interrupt:
        rows = await self._readers.read(_fetch, INTERRUPT, (tenant, interrupt_id))
        if not rows:
            raise NotFound("interrupt", interrupt_id)
        return interrupt_of(rows[0])

    async def interrupts(
        self, tenant: str, which: InterruptFilter, limit: int, before: str | None = None
    ) -> Sequence[Interrupt]:
        wanted = _Page("interrupts", INTERRUPT_READ, tenant, before)
        wanted.equal("kind", which.kind)
        wanted.equal("status", which.status)
        wanted.equal("run_id", which.run_id, index="sqlite_autoindex_interrupts_2")
        if which.assignee is not None:
            wanted.where("EXISTS (SELECT 1 FROM json_each(assignees) WHERE value = ?)", which.assignee)
        return [interrupt_of(row) for row in await self._readers.read(_fetch, *wanted.statement(limit))]

    async def session(self, tenant: str, session_id: str) -> Session:
        rows = await self._readers.read(_fetch, SESSION, (tenant, session_id))
        if not rows:
            raise NotFound("session", session_id)
        return session_of(rows[0])

    async def history(self, tenant: str, session_id: str, limit: int) -> Sequence[Exchange]:
        rows = await self._readers.read(_fetch, HISTORY, (tenant, session_id, limit))
        return [
            Exchange(
                row["id"],
                load(row["input"])["goal"],
                load(row["result"])["answer"],
                interrupted=row["status"] == RunStatus.CANCELLED,
            )
            for row in rows[::-1]
        ]

    async def queued(self, tenant: str | None, at_most: int) -> int:
        of = (QUEUED, (at_most,)) if tenant is None else (QUEUED_OF, (tenant, at_most))
        rows = await self._readers.read(_fetch, *of)
        return rows[0]["many"]

    async def counts(self) -> Counts:
        rows = await self._readers.read(_fetch, COUNT, ())
        by_status: dict[str, int] = {status: count for status, count in rows}  # noqa: C416 - rows, not pairs
        return Counts(
            queued=by_status.get(RunStatus.QUEUED, 0),
            running=by_status.get(RunStatus.RUNNING, 0),
            parked=sum(by_status.get(status, 0) for status in PARKED),
        )


class _Page:
    """One page of a table, newest first, as a statement of constant parts and parameters."""

    def __init__(self, table: str, columns: str, tenant: str, before: str | None) -> None:
        self._table = table
        self._columns = columns
        self._conditions = ["tenant = ?"]
        self._parameters: list[object] = [tenant]
        self._indexed = ""
        if before is not None:
            older = f"(created_at, id) < (SELECT created_at, id FROM {table} WHERE tenant = ? AND id = ?)"  # noqa: S608
            self.where(older, tenant, before)

    def where(self, condition: str, *parameters: object) -> None:
        self._conditions.append(condition)
        self._parameters.extend(parameters)

    def equal(self, column: str, value: object | None, index: str | None = None) -> None:
        """Narrow the page down; `index` is named where few rows fit, because SQLite prefers one that is in order."""
        if value is not None:
            self.where(f"{column} = ?", value)
            if index is not None:
                self._indexed = f"INDEXED BY {index} "

    def statement(self, limit: int) -> tuple[str, tuple[object, ...]]:
        sql = (
            f"SELECT {self._columns} FROM {self._table} {self._indexed}WHERE {' AND '.join(self._conditions)} "  # noqa: S608
            "ORDER BY created_at DESC, id DESC LIMIT ?"
        )
        return sql, (*self._parameters, limit)


def _fetch(connection: sqlite3.Connection, sql: str, parameters: tuple[Any, ...]) -> list[sqlite3.Row]:
    return connection.execute(sql, parameters).fetchall()


def _run(connection: sqlite3.Connection, tenant: str, run_id: str) -> Run:
    row = connection.execute(RUN, (tenant, run_id)).fetchone()
    if row is None:
        raise NotFound("run", run_id)
    return run_of(row)


def _entries(connection: sqlite3.Connection, tenant: str, run_id: str, after: int, limit: int) -> tuple[Entry, ...]:
    return entries_of(connection.execute(ENTRIES, (tenant, run_id, after, limit)).fetchall())
