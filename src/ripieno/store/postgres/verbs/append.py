"""Append: one statement that commits what many legs did, each by itself or not at all. The hot path.

Nothing in it depends on what another transaction did since it began: rows of a run are changed only under that run's
lock, and the locked row is read as it is when the lock is had. So one round trip is enough.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import chain

from ripieno.domain.batches import Append
from ripieno.domain.entries import Entry
from ripieno.domain.interrupts import NewInterrupt
from ripieno.domain.jsons import encode
from ripieno.domain.runs import NewRun
from ripieno.store.bodies import dump
from ripieno.store.postgres.verbs import spend
from ripieno.store.postgres.verbs.start import INSERT as START_CHILDREN
from ripieno.store.postgres.verbs.start import NEW_RUN, parameters

RUN = "run_id text, epoch int, first int, last int, intends bool"
ENTRY = "run_id text, seq int, key text, type text, body json, epoch int"
INTENT = (
    "run_id text, key text, attempt int, seq int, tool text, effect text, idempotency_key text, arguments_hash text"
)
CLOSE = "run_id text, key text, attempt int, state text"
CONSUMED = "run_id text, n int"
INTERRUPT = (
    "run_id text, id text, key text, kind text, subject_hash text, request json, risk text, reasons json, "
    "requested_by text, expires_at timestamptz, terms json, assignees json"
)
CHILD = f"parent text, {NEW_RUN}"
MAIL = "run_id text, id text"
"""Sections of a batch: the columns of each, with types. A section is passed as one array for each column."""

SECTIONS = (RUN, ENTRY, INTENT, CLOSE, CONSUMED)
MORE_SECTIONS = (INTERRUPT, CHILD, MAIL)
MONEY_SECTIONS = (spend.RESERVED, spend.SETTLED)


def _unnested(section: str, first: int) -> str:
    """A section as a table expression over the parameters from number `first` on."""
    columns = section.split(", ")
    arrays = ", ".join(f"${number}::{column.split()[1]}[]" for number, column in enumerate(columns, start=first))
    return f"unnest({arrays}) AS given ({', '.join(column.split()[0] for column in columns)})"


def _tables(sections: Sequence[str]) -> dict[str, str]:
    tables: dict[str, str] = {}
    first = 2
    for section in sections:
        tables[section] = _unnested(section, first)
        first += len(section.split(", "))
    return tables


_TABLE = _tables((*SECTIONS, *MORE_SECTIONS, *MONEY_SECTIONS))

# The run as it is once it is locked decides. What is to be closed or consumed must be open: a run with anything else
# in its part of the batch is left out, and looked at alone.
KEPT = f"""
WITH asked AS MATERIALIZED (SELECT * FROM {_TABLE[RUN]}),
locked AS MATERIALIZED (
  SELECT id, tenant, status, epoch, last_seq, hold, cancel_at FROM runs WHERE id = ANY($2::text[])
  ORDER BY id FOR NO KEY UPDATE
),
stamp AS MATERIALIZED (
  SELECT coalesce($1::timestamptz, clock_timestamp()) AS now FROM (SELECT count(*) FROM locked) AS after_the_locks
),
closing AS MATERIALIZED (SELECT * FROM {_TABLE[CLOSE]}),
consuming AS MATERIALIZED (SELECT * FROM {_TABLE[CONSUMED]}),
unfit AS (
  SELECT run_id FROM closing WHERE NOT EXISTS (
    SELECT FROM effects
    WHERE effects.run_id = closing.run_id AND effects.key = closing.key AND effects.attempt = closing.attempt
  )
  UNION ALL
  SELECT run_id FROM consuming WHERE NOT EXISTS (
    SELECT FROM inbox WHERE inbox.run_id = consuming.run_id AND inbox.n = consuming.n AND inbox.state = 'unread'
  )
),
kept AS MATERIALIZED (
  SELECT asked.run_id, asked.last, locked.tenant FROM asked JOIN locked ON locked.id = asked.run_id
  WHERE locked.status = 'running' AND locked.epoch = asked.epoch AND locked.last_seq = asked.first - 1
    AND NOT (asked.intends AND (locked.hold OR locked.cancel_at IS NOT NULL))
    AND asked.run_id NOT IN (SELECT run_id FROM unfit)
)
"""  # noqa: S608 - constants

WRITE = f"""
advanced AS (
  UPDATE runs SET last_seq = kept.last, updated_at = stamp.now FROM kept, stamp WHERE runs.id = kept.run_id
),
written AS (
  INSERT INTO entries (run_id, seq, key, type, v, body, at, epoch)
  SELECT given.run_id, given.seq, given.key, given.type, 1, given.body, stamp.now, given.epoch
  FROM {_TABLE[ENTRY]} JOIN kept ON kept.run_id = given.run_id CROSS JOIN stamp
),
intended AS (
  INSERT INTO effects (
    run_id, key, attempt, seq, tool, effect, state, idempotency_key, arguments_hash, intended_at
  )
  SELECT given.run_id, given.key, given.attempt, given.seq, given.tool, given.effect, 'intended',
    given.idempotency_key, given.arguments_hash, stamp.now
  FROM {_TABLE[INTENT]} JOIN kept ON kept.run_id = given.run_id CROSS JOIN stamp
),
closed AS (
  UPDATE effects SET state = closing.state, closed_at = stamp.now
  FROM closing JOIN kept ON kept.run_id = closing.run_id CROSS JOIN stamp
  WHERE effects.run_id = closing.run_id AND effects.key = closing.key AND effects.attempt = closing.attempt
    AND effects.state IN ('intended', 'unknown')
),
consumed AS (
  UPDATE inbox SET state = 'consumed', body = '{{}}'
  FROM consuming JOIN kept ON kept.run_id = consuming.run_id
  WHERE inbox.run_id = consuming.run_id AND inbox.n = consuming.n
)
"""  # noqa: S608

REACH_OUT = f"""
opened AS (
  INSERT INTO interrupts (
    id, tenant, run_id, key, kind, status, subject_hash, request, risk, reasons, requested_by, created_at, expires_at,
    terms, assignees, decisions
  )
  SELECT given.id, kept.tenant, given.run_id, given.key, given.kind, 'pending', given.subject_hash, given.request,
    given.risk, given.reasons, given.requested_by, stamp.now, given.expires_at, given.terms, given.assignees, '[]'
  FROM {_TABLE[INTERRUPT]} JOIN kept ON kept.run_id = given.run_id CROSS JOIN stamp
  RETURNING id, tenant, run_id, kind
),
announced AS (
  INSERT INTO outbox (tenant, type, run_id, body, at)
  SELECT tenant, 'interrupt.opened', run_id, json_build_object('interrupt_id', id, 'kind', kind), now FROM opened, stamp
),
acknowledged AS (
  UPDATE mail SET acknowledged_at = stamp.now
  FROM {_TABLE[MAIL]} JOIN kept ON kept.run_id = given.run_id CROSS JOIN stamp
  WHERE mail.id = given.id AND mail.taken_by = given.run_id
),
new AS (SELECT given.* FROM {_TABLE[CHILD]} JOIN kept ON kept.run_id = given.parent),
{START_CHILDREN}
"""  # noqa: S608

APPEND = f"{KEPT}, {WRITE} SELECT kept.run_id, stamp.now, ''::text AS child FROM kept, stamp"  # noqa: S608
"""For batches without interrupts, children and mail: nearly all."""

_ALL_KEPT = """
SELECT kept.run_id, stamp.now, ''::text AS child FROM kept, stamp
UNION ALL SELECT inserted.parent_id, stamp.now, inserted.id FROM inserted, stamp
"""
"""The rows without a child are the runs that were kept, the others the children that are new."""

APPEND_MORE = f"{KEPT}, {WRITE}, {REACH_OUT} {_ALL_KEPT}"

BOOK = spend.book(_TABLE[spend.RESERVED], _TABLE[spend.SETTLED])

APPEND_ALL = f"{KEPT}, {WRITE}, {REACH_OUT}, {BOOK} {_ALL_KEPT}"
"""For batches in which a run spends from a budget."""


@dataclass(frozen=True, slots=True)
class Part:
    """One append, its bodies as text. `weight` is in bytes."""

    batch: Append
    bodies: tuple[str, ...]
    interrupts: tuple[tuple[object, ...], ...]
    children: tuple[tuple[object, ...], ...]
    weight: int


def part(batch: Append) -> Part:
    """Write the bodies. Raises `Invalid`."""
    bodies = tuple(dump(entry.body) for entry in batch.entries)
    return Part(
        batch,
        bodies,
        tuple(_interrupt(batch.run_id, interrupt) for interrupt in batch.interrupts),
        tuple(_child(batch.run_id, child) for child in batch.children),
        sum(map(len, bodies)),
    )


def _interrupt(run_id: str, new: NewInterrupt) -> tuple[object, ...]:
    return (
        run_id,
        new.id,
        new.key,
        new.kind,
        new.subject_hash,
        dump(new.request),
        new.risk,
        dump(new.reasons),
        new.requested_by,
        new.expires_at,
        dump(encode(new.terms)),
        dump(new.terms.assignees),
    )


def _child(parent: str, new: NewRun) -> tuple[object, ...]:
    return (parent, *parameters(new))


def statement(numbered: Sequence[tuple[Part, int]], now: datetime | None) -> tuple[str, list[object]]:
    """The statement and its parameters for some parts, each with the `seq` of its first entry."""
    rows: list[list[tuple[object, ...]]] = [
        _runs(numbered),
        [row for one, first in numbered for row in _entries(one, first)],
        [row for one, first in numbered for row in _intents(one, first)],
        [(one.batch.run_id, c.key, c.attempt, c.state) for one, _ in numbered for c in one.batch.closes],
        [(one.batch.run_id, n) for one, _ in numbered for n in one.batch.consumed],
    ]
    sections, sql = SECTIONS, APPEND
    spends = any(one.batch.reserves or one.batch.settles for one, _ in numbered)
    if spends or any(one.interrupts or one.children or one.batch.acknowledged for one, _ in numbered):
        sections, sql = (*sections, *MORE_SECTIONS), APPEND_MORE
        rows.append([row for one, _ in numbered for row in one.interrupts])
        rows.append([row for one, _ in numbered for row in one.children])
        rows.append([(one.batch.run_id, mail_id) for one, _ in numbered for mail_id in one.batch.acknowledged])
    if spends:
        sections, sql = (*sections, *MONEY_SECTIONS), APPEND_ALL
        rows.append([row for one, _ in numbered for row in spend.reserved(one.batch)])
        rows.append([row for one, _ in numbered for row in spend.settled(one.batch)])
    columns = (_columns(part, section) for part, section in zip(rows, sections, strict=True))
    return sql, [now, *chain.from_iterable(columns)]


def _runs(numbered: Sequence[tuple[Part, int]]) -> list[tuple[object, ...]]:
    """One row a run, though several of its parts may be in the batch."""
    spans: dict[str, tuple[int, int, int, bool]] = {}
    for one, first in numbered:
        batch = one.batch
        last = first + len(batch.entries) - 1
        _, begun, _, intends = spans.get(batch.run_id, (0, first, 0, False))
        spans[batch.run_id] = (batch.epoch, begun, last, intends or bool(batch.intents))
    return [(run_id, *span) for run_id, span in spans.items()]


def _entries(one: Part, first: int) -> list[tuple[object, ...]]:
    batch = one.batch
    return [
        (batch.run_id, seq, new.key, new.type, body, batch.epoch)
        for seq, (new, body) in enumerate(zip(batch.entries, one.bodies, strict=True), start=first)
    ]


def _intents(one: Part, first: int) -> list[tuple[object, ...]]:
    return [
        (
            one.batch.run_id,
            intent.effect.key,
            intent.effect.attempt,
            seq,
            intent.effect.tool,
            intent.effect.effect,
            intent.effect.idempotency_key,
            intent.effect.arguments_hash,
        )
        for seq, intent in enumerate(one.batch.intents, start=first)
    ]


def _columns(rows: list[tuple[object, ...]], section: str) -> list[Sequence[object]]:
    if not rows:
        return [()] * (section.count(", ") + 1)
    return list(zip(*rows, strict=True))


def committed(one: Part, first: int, at: datetime) -> list[Entry]:
    """The entries of a part as they were written."""
    batch = one.batch
    return [
        Entry(batch.run_id, seq, new.key, new.type, new.body, at, batch.epoch)
        for seq, new in enumerate(batch.entries, start=first)
    ]
