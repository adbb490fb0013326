"""Drives portable verbs on SQLite: writes in the writer's thread, reads beside it."""

import re
import sqlite3
from collections.abc import Callable, Mapping
from datetime import datetime
from functools import cache
from typing import Any

from ripieno.domain.errors import Defect, RipienoError
from ripieno.ports import Clock
from ripieno.store.bodies import dump
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
    Work,
    begun,
)
from ripieno.store.sqlite.readers import Readers
from ripieno.store.sqlite.rows import micros, moment
from ripieno.store.sqlite.transaction import Transaction
from ripieno.store.sqlite.verbs import cancel, send, start
from ripieno.store.sqlite.writer import Writer

_ANY = re.compile(r"= ANY\((:\w+)::\w+\[\]\)")
_CAST = re.compile(r"::\w+(\[\])?")
_LOCK = re.compile(r"\bFOR (NO KEY )?UPDATE( OF \w+)?( SKIP LOCKED)?")


class SqliteFrames:
    """See `Frames`."""

    def __init__(self, writer: Writer, readers: Readers, clock: Clock) -> None:
        self._writer = writer
        self._readers = readers
        self._clock = clock

    async def write(self, verb: Verb[P, T], *given: P.args, **named: P.kwargs) -> T:
        return await self._writer.submit(_written, begun(verb, *given, **named))

    async def read(self, verb: Verb[P, T], *given: P.args, **named: P.kwargs) -> T:
        return await self._readers.read(_read, begun(verb, *given, **named), self._clock.now())


@cache
def statement(sql: str) -> str:
    """A statement of PostgreSQL as SQLite takes it."""
    with_lists = _ANY.sub(r"IN (SELECT value FROM json_each(\1))", sql)
    return _LOCK.sub("", _CAST.sub("", with_lists))


def _written(tx: Transaction, begin: Begin[T]) -> T:
    frame = Frame(tx.now, tx.hint)

    def perform(step: Step) -> Any:
        match step:
            case Statement(sql, given):
                return _rows(tx.connection, sql, given)
            case Start(run):
                return start.start(tx, run)
            case Send(tenant, run_id, topic, body, dedupe):
                return send.send(tx, tenant, run_id, topic, body, dedupe)
            case Cancel(tenant, run_id, by, reason):
                return cancel.cancel(tx, tenant, run_id, by, reason)[1]
            case Tell(tenant, kind, run_id, body):
                return tx.tell(tenant, kind, run_id, body)
            case Guard() | Lock():
                return None  # one writer

    return _drive(begin(frame), perform)


def _read(connection: sqlite3.Connection, begin: Begin[T], now: datetime) -> T:
    def perform(step: Step) -> Any:
        if not isinstance(step, Statement):
            raise Defect(f"a verb that reads cannot {type(step).__name__.lower()}")
        return _rows(connection, step.sql, step.given)

    return _drive(begin(Frame(now, _no_hints)), perform)


def _drive(work: Work[T], perform: Callable[[Step], Any]) -> T:
    try:
        step = next(work)
        while True:
            try:
                answer = perform(step)
            except RipienoError as error:
                step = work.throw(error)
            else:
                step = work.send(answer)
    except StopIteration as end:
        return end.value


def _rows(connection: sqlite3.Connection, sql: str, given: Mapping[str, object]) -> list[Record]:
    found = connection.execute(statement(sql), {name: _kept(value) for name, value in given.items()}).fetchall()
    return [Record(row, moment) for row in found]


def _kept(value: object) -> object:
    if isinstance(value, datetime):
        return micros(value)
    return dump(list(value)) if isinstance(value, list | tuple) else value  # pyright: ignore[reportUnknownArgumentType]


def _no_hints(*_: object) -> None:
    return None
