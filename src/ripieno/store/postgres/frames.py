"""Drives portable verbs on PostgreSQL: each in a transaction of its own on a pooled connection."""

import re
from collections.abc import Mapping
from datetime import datetime
from functools import cache
from typing import Any

from ripieno.domain.errors import RipienoError
from ripieno.store.portable.frame import (
    Begin,
    Cancel,
    Frame,
    Guard,
    Lock,
    P,
    Record,
    Send,
    Start,
    Statement,
    Step,
    T,
    Tell,
    Verb,
    begun,
)
from ripieno.store.postgres.database import Database, Transaction
from ripieno.store.postgres.rows import record
from ripieno.store.postgres.verbs import cancel, fenced, send, start

GUARD = "SELECT pg_advisory_xact_lock(hashtextextended($1, 0))"

_NAME = re.compile(r"(?<!:):([a-z_]\w*)")


class PostgresFrames:
    """See `Frames`."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def write(self, verb: Verb[P, T], *given: P.args, **named: P.kwargs) -> T:
        return await self._database.transact(_drive, begun(verb, *given, **named))

    async def read(self, verb: Verb[P, T], *given: P.args, **named: P.kwargs) -> T:
        return await self._database.do(_drive, begun(verb, *given, **named))


@cache
def statement(sql: str) -> tuple[str, tuple[str, ...]]:
    """A statement with numbered parameters, and their names in order."""
    names = tuple(dict.fromkeys(_NAME.findall(sql)))
    return _NAME.sub(lambda found: f"${names.index(found[1]) + 1}", sql), names


async def _drive(tx: Transaction, begin: Begin[T]) -> T:
    now = tx.now or await tx.connection.fetchval(fenced.NOW, None)
    work = begin(Frame(now, tx.hint))
    try:
        step = next(work)
        while True:
            try:
                answer = await _perform(tx, step, now)
            except RipienoError as error:
                step = work.throw(error)
            else:
                step = work.send(answer)
    except StopIteration as end:
        return end.value


async def _perform(tx: Transaction, step: Step, now: datetime) -> Any:
    match step:
        case Statement(sql, given):
            return await _rows(tx, sql, given)
        case Start(run):
            return await start.start(tx, run)
        case Send(tenant, run_id, topic, body, dedupe):
            return (await send.send(tx, tenant, run_id, topic, body, dedupe)).n
        case Cancel(tenant, run_id, by, reason):
            return (await cancel.cancel(tx, tenant, run_id, by, reason))[1]
        case Tell(tenant, kind, run_id, body):
            return await tx.tell(tenant, kind, run_id, body, now)
        case Lock() | Guard():
            return await _hold(tx, step)


async def _hold(tx: Transaction, step: Lock | Guard) -> None:
    if isinstance(step, Lock):
        await fenced.lock(tx, step.run_ids)
    else:
        await tx.one(GUARD, step.name)


async def _rows(tx: Transaction, sql: str, given: Mapping[str, object]) -> list[Record]:
    numbered, names = statement(sql)
    rows = await tx.all(numbered, *(given[name] for name in names))
    return [record(row) for row in rows]
