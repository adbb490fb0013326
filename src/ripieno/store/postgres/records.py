"""Reading without owning, on PostgreSQL."""

from collections.abc import Sequence
from functools import partial

from ripieno.domain.effects import Effect
from ripieno.domain.entries import Entry
from ripieno.domain.errors import NotFound
from ripieno.domain.filters import Counts, InterruptFilter, RunFilter
from ripieno.domain.interrupts import Interrupt
from ripieno.domain.runs import ALIVE, PARKED, Run, RunStatus
from ripieno.domain.sessions import Exchange, Session
from ripieno.store.bodies import load
from ripieno.store.columns import EFFECT_COLUMNS, ENTRY_COLUMNS, RUN_COLUMNS
from ripieno.store.postgres.database import Database
from ripieno.store.postgres.rows import INTERRUPT_READ, effect_of, entry_of, interrupt_of, run_of, session_of
from ripieno.store.postgres.together import Together
from ripieno.store.postgres.verbs.read_runs import read_runs

# The tenant is part of every statement that serves one.
INTERRUPT = f"SELECT {INTERRUPT_READ} FROM interrupts WHERE tenant = $1 AND id = $2"  # noqa: S608 - constants
SESSION = "SELECT id, tenant, created_by, created_at, updated_at FROM sessions WHERE tenant = $1 AND id = $2"
ENTRIES = f"""
SELECT {ENTRY_COLUMNS} FROM entries
WHERE run_id = $2 AND seq > $3 AND EXISTS (SELECT FROM runs WHERE tenant = $1 AND id = $2) ORDER BY seq LIMIT $4
"""  # noqa: S608
EFFECTS = f"""
SELECT {EFFECT_COLUMNS} FROM effects
WHERE run_id = $2 AND EXISTS (SELECT FROM runs WHERE tenant = $1 AND id = $2) ORDER BY seq, key, attempt
"""  # noqa: S608
HISTORY = """
SELECT id, input, result, status FROM runs
WHERE tenant = $1 AND session_id = $2 AND parent_id IS NULL AND (
  (status = 'completed' AND coalesce(superseded, '') <> 'rollback')
  OR (status = 'cancelled' AND superseded = 'interrupt')
)
ORDER BY created_at DESC, id DESC LIMIT $3
"""
COUNT = f"""
SELECT status, count(*) AS many FROM runs
WHERE status IN ({", ".join(f"'{status}'" for status in ALIVE)}) GROUP BY status
"""  # noqa: S608
QUEUED = "SELECT count(*) AS many FROM (SELECT FROM runs WHERE status = 'queued' LIMIT $1) AS first"
QUEUED_OF = "SELECT count(*) AS many FROM (SELECT FROM runs WHERE status = 'queued' AND tenant = $2 LIMIT $1) AS first"


class PostgresRecords:
    """`ports.Records` on the pool."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self.reading = Together(partial(database.do, read_runs))

    async def run(self, tenant: str, run_id: str) -> Run:
        row = await self.reading.ask((tenant, run_id))
        if row is None:
            raise NotFound("run", run_id)
        return run_of(row)

    async def runs(self, tenant: str, which: RunFilter, limit: int, before: str | None = None) -> Sequence[Run]:
        wanted = _Page("runs", RUN_COLUMNS, tenant, before)
        wanted.equal("status", which.status)
        wanted.equal("target", which.target)
        wanted.equal("session_id", which.session_id)
        wanted.equal("parent_id", which.parent_id)
        if which.created_after is not None:
            wanted.where("created_at > {}", which.created_after)
        sql, parameters = wanted.statement(limit)
        return [run_of(row) for row in await self._database.fetch(sql, *parameters)]

    async def entries(self, tenant: str, run_id: str, after: int = 0, limit: int = 1000) -> Sequence[Entry]:
        return [entry_of(row) for row in await self._database.fetch(ENTRIES, tenant, run_id, after, limit)]

    async def effects(self, tenant: str, run_id: str) -> Sequence[Effect]:
        return [effect_of(row) for row in await self._database.fetch(EFFECTS, tenant, run_id)]

    async def interrupt(self, tenant: str, interrupt_id: str) -> Interrupt:
        rows = await self._database.fetch(INTERRUPT, tenant, interrupt_id)
        if not rows:
            raise NotFound("interrupt", interrupt_id)
        return interrupt_of(rows[0])

    async def interrupts(
        self, tenant: str, which: InterruptFilter, limit: int, before: str | None = None
    ) -> Sequence[Interrupt]:
        wanted = _Page("interrupts", INTERRUPT_READ, tenant, before)
        wanted.equal("kind", which.kind)
        wanted.equal("status", which.status)
        wanted.equal("run_id", which.run_id)
        if which.assignee is not None:
            wanted.where("assignees::jsonb ? {}", which.assignee)
        sql, parameters = wanted.statement(limit)
        return [interrupt_of(row) for row in await self._database.fetch(sql, *parameters)]

    async def session(self, tenant: str, session_id: str) -> Session:
        rows = await self._database.fetch(SESSION, tenant, session_id)
        if not rows:
            raise NotFound("session", session_id)
        return session_of(rows[0])

    async def history(self, tenant: str, session_id: str, limit: int) -> Sequence[Exchange]:
        rows = await self._database.fetch(HISTORY, tenant, session_id, limit)
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
        if tenant is None:
            rows = await self._database.fetch(QUEUED, at_most)
        else:
            rows = await self._database.fetch(QUEUED_OF, at_most, tenant)
        return rows[0]["many"]

    async def counts(self) -> Counts:
        by_status: dict[str, int] = {row["status"]: row["many"] for row in await self._database.fetch(COUNT)}
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
        self._conditions: list[str] = []
        self._parameters: list[object] = []
        self.where("tenant = {}", tenant)
        if before is not None:
            older = f"SELECT created_at, id FROM {table} WHERE tenant = {{}} AND id = {{}}"  # noqa: S608
            self.where(f"(created_at, id) < ({older})", tenant, before)

    def where(self, condition: str, *parameters: object) -> None:
        """Add a condition, with {} for each of its parameters."""
        numbers = range(len(self._parameters) + 1, len(self._parameters) + len(parameters) + 1)
        self._conditions.append(condition.format(*(f"${number}" for number in numbers)))
        self._parameters.extend(parameters)

    def equal(self, column: str, value: object | None) -> None:
        if value is not None:
            self.where(f"{column} = {{}}", value)

    def statement(self, limit: int) -> tuple[str, list[object]]:
        sql = (
            f"SELECT {self._columns} FROM {self._table} WHERE {' AND '.join(self._conditions)} "  # noqa: S608
            f"ORDER BY created_at DESC, id DESC LIMIT ${len(self._parameters) + 1}"
        )
        return sql, [*self._parameters, limit]
