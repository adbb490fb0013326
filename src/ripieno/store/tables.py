"""The tables, the same on SQLite and PostgreSQL. Statements live with the journals; this is what migrations answer to.

Times are microseconds since 1970 on SQLite and `timestamptz` on PostgreSQL. JSON is text on SQLite and `json` on
PostgreSQL, which keeps it as it was written: `jsonb` would refuse a NUL in a string and make 1e300 an integer. Text is
compared byte by byte on both.

What is different: PostgreSQL keeps `entries` in partitions by run id (run ids begin with their time), finds the runs of
a dead worker, and has one more index of the queue, for claims that many workers do at once.
"""

from typing import Any

from sqlalchemy import (
    DDL,
    BigInteger,
    Boolean,
    Column,
    DateTime,
    Float,
    Index,
    Integer,
    MetaData,
    PrimaryKeyConstraint,
    Sequence,
    Table,
    Text,
    UniqueConstraint,
    event,
    text,
)
from sqlalchemy.dialects.postgresql import JSON
from sqlalchemy.types import TypeEngine

from ripieno.store import queue

metadata = MetaData()

Stamp: TypeEngine[Any] = DateTime(timezone=True).with_variant(BigInteger(), "sqlite")
Word: TypeEngine[Any] = Text().with_variant(Text(collation="C"), "postgresql")
Body: TypeEngine[Any] = JSON().with_variant(Text(), "sqlite")
Serial: TypeEngine[Any] = BigInteger().with_variant(Integer(), "sqlite")
"""SQLite numbers only columns that are exactly INTEGER PRIMARY KEY."""


def _partial(name: str, *columns: object, where: str) -> Index:
    """An index of the rows of which a condition is true."""
    return Index(name, *columns, sqlite_where=text(where), postgresql_where=text(where))  # pyright: ignore[reportArgumentType]


runs = Table(
    "runs",
    metadata,
    Column("id", Word, primary_key=True),
    Column("tenant", Word, nullable=False),
    Column("kind", Word, nullable=False),
    Column("target", Word, nullable=False),
    Column("target_version", Word, nullable=False),
    Column("session_id", Word, nullable=False),
    Column("root_id", Word, nullable=False),
    Column("parent_id", Word),
    Column("parent_key", Word),
    Column("status", Word, nullable=False),
    Column("exit_reason", Word),
    Column("input", Body, nullable=False),
    Column("result", Body),
    Column("created_by", Word, nullable=False),
    Column("created_at", Stamp, nullable=False),
    Column("updated_at", Stamp, nullable=False),
    Column("started_at", Stamp),
    Column("ended_at", Stamp),
    Column("deadline", Stamp),
    # Ownership: `epoch` is the fence, `claimed_seq` what `last_seq` was when the leg began.
    Column("owner", Word),
    Column("epoch", Integer, nullable=False),
    Column("claimed_seq", Integer, nullable=False),
    Column("deaths", Integer, nullable=False),
    Column("last_seq", Integer, nullable=False),
    Column("inbox_seq", Integer, nullable=False),
    Column("generation", Integer, nullable=False),
    Column("format", Integer, nullable=False),
    # Control.
    Column("hold", Boolean, nullable=False),
    Column("cancel_at", Stamp),
    Column("cancel_by", Word),
    Column("cancel_reason", Word),
    # Waiting and queueing. `lane_rank` orders lanes, small first.
    Column("waits", Body, nullable=False),
    Column("wake_at", Stamp),
    Column("lane", Word, nullable=False),
    Column("lane_rank", Integer, nullable=False),
    Column("priority", Integer, nullable=False),
    Column("dry_run", Boolean, nullable=False),
    Column("metadata", Body, nullable=False),
    # A run of a session may wait for the one before it: both know each other. `superseded`: how a later one ended it.
    Column("after_id", Word),
    Column("next_id", Word),
    Column("superseded", Word),
    # Free room in each page lets a step change its run without touching an index.
    postgresql_with={"fillfactor": 70},
)
# What can be claimed, in the order in which it is: by tenant and, for the limits of agents, by agent within a tenant.
_queue = (runs.c.lane_rank, runs.c.priority.desc(), runs.c.created_at, runs.c.id)
_partial("runs_turn", runs.c.tenant, *_queue, where=queue.READY).ddl_if(dialect="postgresql")
_partial("runs_agents", runs.c.tenant, runs.c.target, *_queue, where=queue.READY)
_partial("runs_suspects", runs.c.tenant, runs.c.target, *_queue, where=queue.SUSPECT)
_partial("runs_load", runs.c.tenant, runs.c.target, where="status = 'running'")
_partial("runs_owner", runs.c.owner, where="status = 'running'").ddl_if(dialect="postgresql")
_partial("runs_running", runs.c.cancel_at, where="status = 'running'")
_partial("runs_wake", runs.c.wake_at, where="wake_at IS NOT NULL AND NOT hold")
_partial("runs_paused", runs.c.deadline, where="status = 'paused' AND deadline IS NOT NULL")
_partial("runs_children", runs.c.parent_id, where="parent_id IS NOT NULL")
_partial("runs_live_children", runs.c.parent_id, where="parent_id IS NOT NULL AND ended_at IS NULL")
# What retention looks for: families that have ended.
_partial("runs_old", runs.c.ended_at, where="ended_at IS NOT NULL AND parent_id IS NULL")
_partial("runs_family", runs.c.root_id, where="parent_id IS NOT NULL")
_partial(
    "runs_of_session",
    runs.c.tenant,
    runs.c.session_id,
    runs.c.created_at,
    runs.c.id,
    where="parent_id IS NULL AND ended_at IS NULL",
)
Index("runs_by_tenant", runs.c.tenant, runs.c.created_at, runs.c.id)
Index("runs_by_session", runs.c.tenant, runs.c.session_id, runs.c.created_at, runs.c.id)
Index("runs_by_target", runs.c.tenant, runs.c.target, runs.c.created_at, runs.c.id)
Index("runs_by_status", runs.c.status, runs.c.tenant, runs.c.created_at, runs.c.id)

entries = Table(
    "entries",
    metadata,
    Column("run_id", Word, nullable=False),
    Column("seq", Integer, nullable=False),
    Column("key", Word, nullable=False),
    Column("type", Word, nullable=False),
    Column("v", Integer, nullable=False),
    Column("body", Body, nullable=False),
    Column("at", Stamp, nullable=False),
    Column("epoch", Integer, nullable=False),
    PrimaryKeyConstraint("run_id", "seq"),
    UniqueConstraint("run_id", "key"),
    postgresql_partition_by="RANGE (run_id)",
)
event.listen(
    entries,
    "after_create",
    # Takes what no month's partition is there for.
    DDL("CREATE TABLE entries_rest PARTITION OF entries DEFAULT").execute_if(dialect="postgresql"),
)

inbox = Table(
    "inbox",
    metadata,
    Column("run_id", Word, nullable=False),
    Column("n", Integer, nullable=False),
    Column("topic", Word, nullable=False),
    Column("dedupe", Word, nullable=False),
    Column("body", Body, nullable=False),
    # unread, consumed or undelivered. Rows stay, so that a late double is still known as one.
    Column("state", Word, nullable=False),
    Column("at", Stamp, nullable=False),
    PrimaryKeyConstraint("run_id", "n"),
    UniqueConstraint("run_id", "dedupe"),
)

effects = Table(
    "effects",
    metadata,
    Column("run_id", Word, nullable=False),
    Column("key", Word, nullable=False),
    Column("attempt", Integer, nullable=False),
    Column("seq", Integer, nullable=False),
    Column("tool", Word, nullable=False),
    Column("effect", Word, nullable=False),
    Column("state", Word, nullable=False),
    Column("idempotency_key", Word, nullable=False),
    Column("arguments_hash", Word, nullable=False),
    Column("intended_at", Stamp, nullable=False),
    Column("closed_at", Stamp),
    PrimaryKeyConstraint("run_id", "key", "attempt"),
)

interrupts = Table(
    "interrupts",
    metadata,
    Column("id", Word, primary_key=True),
    Column("tenant", Word, nullable=False),
    Column("run_id", Word, nullable=False),
    Column("key", Word, nullable=False),
    Column("kind", Word, nullable=False),
    Column("status", Word, nullable=False),
    Column("subject_hash", Word, nullable=False),
    Column("request", Body, nullable=False),
    Column("risk", Word, nullable=False),
    Column("reasons", Body, nullable=False),
    Column("requested_by", Word, nullable=False),
    Column("created_at", Stamp, nullable=False),
    Column("expires_at", Stamp),
    Column("decisions", Body, nullable=False),
    # How it may be decided: as it was opened, and who is asked now.
    Column("terms", Body, nullable=False, server_default=text("'{}'")),
    Column("assignees", Body, nullable=False, server_default=text("'[]'")),
    Column("escalated_at", Stamp),
    UniqueConstraint("run_id", "key"),
)
Index("interrupts_by_tenant", interrupts.c.tenant, interrupts.c.created_at, interrupts.c.id)
_partial("interrupts_pending", interrupts.c.tenant, interrupts.c.created_at, where="status = 'pending'")
_partial("interrupts_expiring", interrupts.c.expires_at, where="status = 'pending'")

votes = Table(
    "votes",
    metadata,
    Column("interrupt_id", Word, nullable=False),
    Column("voter", Word, nullable=False),
    Column("n", Integer, nullable=False),
    Column("body", Body, nullable=False),
    PrimaryKeyConstraint("interrupt_id", "voter"),
)

sessions = Table(
    "sessions",
    metadata,
    Column("tenant", Word, nullable=False),
    Column("id", Word, nullable=False),
    Column("created_by", Word, nullable=False),
    Column("created_at", Stamp, nullable=False),
    Column("updated_at", Stamp, nullable=False),
    PrimaryKeyConstraint("tenant", "id"),
)

outbox = Table(
    "outbox",
    metadata,
    Column("id", Serial, primary_key=True),
    # Readers follow `pos`, not `id`: one sequencer gives it to committed rows, so that no cursor passes a late commit.
    Column("pos", BigInteger),
    Column("tenant", Word, nullable=False),
    Column("type", Word, nullable=False),
    Column("run_id", Word, nullable=False),
    Column("body", Body, nullable=False),
    Column("at", Stamp, nullable=False),
    UniqueConstraint("pos"),
    sqlite_autoincrement=True,  # a number is never given twice, even after old rows are deleted
)
outbox_pos = Sequence("outbox_pos", metadata=metadata)
_partial("outbox_unnumbered", outbox.c.id, where="pos IS NULL")
_partial("outbox_audit", outbox.c.tenant, outbox.c.id, where="type = 'audit'")

workers = Table(
    "workers",
    metadata,
    Column("id", Word, primary_key=True),
    Column("seen_at", Stamp, nullable=False),
    Column("dead", Boolean, nullable=False),
    # What it reported last.
    Column("slots", Integer, nullable=False, server_default=text("0")),
    Column("busy", Integer, nullable=False, server_default=text("0")),
    Column("draining", Boolean, nullable=False, server_default=text("false")),
)

tenants = Table(
    "tenants",
    metadata,
    Column("id", Word, primary_key=True),
    # How many of the tenant's runs may be under way at once; NULL means any number.
    Column("max_running", Integer),
)

replies = Table(
    "replies",
    metadata,
    Column("scope", Word, nullable=False),
    Column("key", Word, nullable=False),
    Column("body_hash", Word, nullable=False),
    Column("resource_id", Word, nullable=False),
    Column("status", Integer, nullable=False),
    Column("headers", Body, nullable=False),
    Column("body", Word, nullable=False),
    Column("at", Stamp, nullable=False),
    PrimaryKeyConstraint("scope", "key"),
)
Index("replies_by_age", replies.c.at)

secrets = Table(
    "secrets",
    metadata,
    Column("tenant", Word, nullable=False),
    Column("name", Word, nullable=False),
    Column("version", Integer, nullable=False),
    # The master key that opens `sealed`; it is not in the database.
    Column("key_id", Word, nullable=False),
    Column("sealed", Word, nullable=False),
    Column("created_by", Word, nullable=False),
    Column("created_at", Stamp, nullable=False),
    Column("updated_at", Stamp, nullable=False),
    PrimaryKeyConstraint("tenant", "name"),
)

dead_letters = Table(
    "dead_letters",
    metadata,
    Column("id", Word, primary_key=True),
    Column("tenant", Word, nullable=False),
    Column("kind", Word, nullable=False),
    Column("state", Word, nullable=False),
    Column("run_id", Word, nullable=False),
    Column("subject", Word, nullable=False),
    Column("cause", Word, nullable=False),
    Column("detail", Word, nullable=False),
    Column("attempts", Integer, nullable=False),
    Column("payload", Body, nullable=False),
    Column("created_at", Stamp, nullable=False),
    Column("settled_at", Stamp),
    Column("settled_by", Word),
    Column("outcome", Body),
)
Index("dead_letters_by_tenant", dead_letters.c.tenant, dead_letters.c.created_at, dead_letters.c.id)
Index("dead_letters_by_run", dead_letters.c.run_id)

halts = Table(
    "halts",
    metadata,
    # What is stopped: all, tenant:NAME, agent:NAME, tool:PATTERN, model:NAME, run:ID.
    Column("scope", Word, primary_key=True),
    Column("reason", Word, nullable=False),
    Column("halted_by", Word, nullable=False),
    Column("halted_at", Stamp, nullable=False),
)

leftovers = Table(
    "leftovers",
    metadata,
    # A run that was deleted, and of which rows in other tables may still be there.
    Column("run_id", Word, primary_key=True),
)


def _amounts(prefix: str = "", *, nullable: bool = False) -> list[Column[Any]]:
    """One column for each measure, in whole units."""
    return [
        Column(f"{prefix}{measure}", BigInteger, nullable=nullable)
        for measure in ("usd", "tokens", "seconds", "effects")
    ]


budgets = Table(
    "budgets",
    metadata,
    Column("tenant", Word, nullable=False),
    Column("scope", Word, nullable=False),
    Column("period", Word, nullable=False),
    *_amounts(nullable=True),
    Column("on_exceeded", Word, nullable=False),
    Column("warn_at", Float, nullable=False),
    Column("set_by", Word, nullable=False),
    Column("set_at", Stamp, nullable=False),
    PrimaryKeyConstraint("tenant", "scope", "period"),
)

# The sums of a budget in one window: settled, out with workers, allowed on top. No journal transaction touches them.
budget_accounts = Table(
    "budget_accounts",
    metadata,
    Column("tenant", Word, nullable=False),
    Column("scope", Word, nullable=False),
    Column("period", Word, nullable=False),
    Column("since", Stamp, nullable=False),
    *_amounts("spent_"),
    *_amounts("leased_"),
    *_amounts("raised_"),
    Column("warned", Boolean, nullable=False),
    # Somebody found too little: workers give back what they do not need.
    Column("wanted_at", Stamp),
    PrimaryKeyConstraint("tenant", "scope", "period", "since"),
)

budget_chunks = Table(
    "budget_chunks",
    metadata,
    Column("id", Word, primary_key=True),
    Column("tenant", Word, nullable=False),
    Column("scope", Word, nullable=False),
    Column("period", Word, nullable=False),
    Column("since", Stamp, nullable=False),
    Column("holder", Word, nullable=False),
    Column("seen_at", Stamp, nullable=False),
    *_amounts(),
)
Index("budget_chunks_by_account", budget_chunks.c.tenant, budget_chunks.c.scope, budget_chunks.c.period)
Index("budget_chunks_by_age", budget_chunks.c.seen_at)

budget_raises = Table(
    "budget_raises",
    metadata,
    Column("id", Word, primary_key=True),
    Column("tenant", Word, nullable=False),
    Column("scope", Word, nullable=False),
    Column("period", Word, nullable=False),
    Column("since", Stamp, nullable=False),
    Column("measure", Word, nullable=False),
    Column("amount", BigInteger, nullable=False),
    Column("raised_by", Word, nullable=False),
    Column("at", Stamp, nullable=False),
)

# Written and settled with the entries of their run. Settled, the amounts are what was really used.
reservations = Table(
    "reservations",
    metadata,
    Column("run_id", Word, nullable=False),
    Column("key", Word, nullable=False),
    Column("scope", Word, nullable=False),
    Column("period", Word, nullable=False),
    Column("tenant", Word, nullable=False),
    Column("since", Stamp, nullable=False),
    Column("chunk_id", Word, nullable=False),
    Column("state", Word, nullable=False),
    *_amounts(),
    Column("at", Stamp, nullable=False),
    PrimaryKeyConstraint("run_id", "key", "scope", "period"),
)
Index("reservations_by_chunk", reservations.c.chunk_id)
Index("reservations_by_scope", reservations.c.tenant, reservations.c.scope)

breakers = Table(
    "breakers",
    metadata,
    Column("key", Word, primary_key=True),
    Column("failures", Integer, nullable=False),
    Column("openings", Integer, nullable=False),
    Column("rests_until", Stamp),
    Column("probe_until", Stamp),
    Column("updated_at", Stamp, nullable=False),
)
