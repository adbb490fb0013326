"""The tables of what lives beside runs: schedules, mail, APIs, artifacts … `tables` says how columns are kept."""

from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    Index,
    Integer,
    LargeBinary,
    PrimaryKeyConstraint,
    Table,
    Text,
    UniqueConstraint,
    text,
)

from ripieno.store.tables import Body, Stamp, Word, metadata

__all__ = ["metadata"]


def _partial(name: str, *columns: object, where: str) -> Index:
    """An index of the rows of which a condition is true."""
    return Index(name, *columns, sqlite_where=text(where), postgresql_where=text(where))  # pyright: ignore[reportArgumentType]


schedules = Table(
    "schedules",
    metadata,
    Column("id", Word, primary_key=True),
    Column("tenant", Word, nullable=False),
    Column("name", Word, nullable=False),
    Column("agent", Word, nullable=False),
    Column("spec", Body, nullable=False),
    Column("managed_by", Word, nullable=False),
    Column("paused", Boolean, nullable=False),
    # Why it does not tick although nobody paused it: its file is gone, its time zone is not known here.
    Column("problem", Word),
    Column("version", Integer, nullable=False),
    # Intervals count from here. `next_at` is `next_tick` with its jitter.
    Column("anchor", Stamp, nullable=False),
    Column("next_tick", Stamp),
    Column("next_at", Stamp),
    Column("last_tick", Stamp),
    Column("ticks", Integer, nullable=False),
    # How many ticks wait for the runs before them.
    Column("waiting", Integer, nullable=False),
    Column("created_by", Word, nullable=False),
    Column("created_at", Stamp, nullable=False),
    Column("updated_at", Stamp, nullable=False),
    UniqueConstraint("tenant", "name"),
)
_partial("schedules_due", schedules.c.next_at, where="NOT paused AND problem IS NULL")
_partial("schedules_waiting", schedules.c.id, where="waiting > 0")

schedule_ticks = Table(
    "schedule_ticks",
    metadata,
    Column("schedule_id", Word, nullable=False),
    Column("n", Integer, nullable=False),
    Column("at", Stamp, nullable=False),
    Column("outcome", Word, nullable=False),
    Column("triggered_by", Word),
    Column("reason", Word, nullable=False),
    Column("run_id", Word),
    # Whether its run may still be under way.
    Column("open", Boolean, nullable=False),
    Column("decided_at", Stamp, nullable=False),
    PrimaryKeyConstraint("schedule_id", "n"),
)
_partial("schedule_ticks_open", schedule_ticks.c.schedule_id, where="open")
_partial("schedule_ticks_waiting", schedule_ticks.c.schedule_id, schedule_ticks.c.n, where="outcome = 'waiting'")

mailboxes = Table(
    "mailboxes",
    metadata,
    Column("tenant", Word, nullable=False),
    Column("box", Word, nullable=False),
    # How many messages came. The row is locked by whoever sends to the box or takes from it.
    Column("seq", Integer, nullable=False),
    PrimaryKeyConstraint("tenant", "box"),
)

mail = Table(
    "mail",
    metadata,
    Column("id", Word, primary_key=True),
    Column("tenant", Word, nullable=False),
    Column("box", Word, nullable=False),
    Column("n", Integer, nullable=False),
    Column("sender", Word, nullable=False),
    Column("from_run", Word),
    Column("body", Body, nullable=False),
    Column("reply_to", Word),
    Column("sent_at", Stamp, nullable=False),
    # Who has it: a run with the key of its command, or somebody outside.
    Column("taken_by", Word),
    Column("taken_key", Word),
    Column("taken_at", Stamp),
    # When it stood in its receiver's journal, or at once for who receives from outside. Until then it goes back to its
    # box when its receiver ends.
    Column("acknowledged_at", Stamp),
)
_partial("mail_unread", mail.c.tenant, mail.c.box, mail.c.n, where="taken_at IS NULL")
_partial("mail_taken", mail.c.taken_by, mail.c.taken_key, where="taken_by IS NOT NULL")
_partial("mail_unacknowledged", mail.c.taken_by, where="taken_at IS NOT NULL AND acknowledged_at IS NULL")
_partial("mail_old", mail.c.taken_at, where="taken_at IS NOT NULL")

mail_waiters = Table(
    "mail_waiters",
    metadata,
    Column("run_id", Word, nullable=False),
    Column("key", Word, nullable=False),
    Column("box", Word, nullable=False),
    Column("tenant", Word, nullable=False),
    Column("since", Stamp, nullable=False),
    PrimaryKeyConstraint("run_id", "key", "box"),
)
Index("mail_waiters_by_box", mail_waiters.c.tenant, mail_waiters.c.box, mail_waiters.c.since)

# Which events were published lately, so that one that is told twice is known.
published_events = Table(
    "published_events",
    metadata,
    Column("tenant", Word, nullable=False),
    Column("source", Word, nullable=False),
    Column("id", Word, nullable=False),
    Column("at", Stamp, nullable=False),
    PrimaryKeyConstraint("tenant", "source", "id"),
)
Index("published_events_old", published_events.c.at)

event_waiters = Table(
    "event_waiters",
    metadata,
    Column("run_id", Word, nullable=False),
    Column("key", Word, nullable=False),
    Column("topic", Word, nullable=False),
    Column("tenant", Word, nullable=False),
    # That of the leg that began to wait.
    Column("epoch", Integer, nullable=False),
    PrimaryKeyConstraint("run_id", "key"),
)
Index("event_waiters_by_topic", event_waiters.c.tenant, event_waiters.c.topic)

# Whom an event wakes, until they are told.
event_wakes = Table(
    "event_wakes",
    metadata,
    Column("run_id", Word, nullable=False),
    Column("key", Word, nullable=False),
    Column("epoch", Integer, nullable=False),
    Column("tenant", Word, nullable=False),
    Column("body", Body, nullable=False),
    PrimaryKeyConstraint("run_id", "key"),
)

apis = Table(
    "apis",
    metadata,
    Column("tenant", Word, nullable=False),
    Column("name", Word, nullable=False),
    # Another whenever anything else in the row is.
    Column("version", Word, nullable=False),
    Column("source", Word, nullable=False),
    # JSON text, but not the database's: megabytes that nothing looks into.
    Column("document", Text, nullable=False),
    Column("config", Body, nullable=False),
    Column("created_by", Word, nullable=False),
    Column("created_at", Stamp, nullable=False),
    Column("updated_at", Stamp, nullable=False),
    PrimaryKeyConstraint("tenant", "name"),
)

# What administrators say about tools and toolsets.
tool_rules = Table(
    "tool_rules",
    metadata,
    Column("tenant", Word, nullable=False),
    Column("name", Word, nullable=False),
    Column("rule", Body, nullable=False),
    Column("updated_by", Word, nullable=False),
    Column("updated_at", Stamp, nullable=False),
    PrimaryKeyConstraint("tenant", "name"),
)

artifacts = Table(
    "artifacts",
    metadata,
    Column("id", Word, primary_key=True),
    Column("tenant", Word, nullable=False),
    Column("name", Word, nullable=False),
    Column("media_type", Word, nullable=False),
    Column("size", BigInteger, nullable=False),
    Column("hash", Word, nullable=False),
    Column("run_id", Word),
    Column("created_by", Word, nullable=False),
    Column("created_at", Stamp, nullable=False),
)
Index("artifacts_page", artifacts.c.tenant, artifacts.c.id)
Index("artifacts_bytes", artifacts.c.tenant, artifacts.c.hash)
_partial("artifacts_run", artifacts.c.run_id, where="run_id IS NOT NULL")

blobs = Table(
    "blobs",
    metadata,
    Column("tenant", Word, nullable=False),
    Column("hash", Word, nullable=False),
    Column("size", BigInteger, nullable=False),
    # Where the bytes are: on which shelf, and under which name there. A name is never used twice.
    Column("shelf", Word, nullable=False),
    Column("place", Word, nullable=False),
    Column("touched_at", Stamp, nullable=False),
    PrimaryKeyConstraint("tenant", "hash"),
    UniqueConstraint("place"),
)
Index("blobs_touched", blobs.c.touched_at)

blob_chunks = Table(
    "blob_chunks",
    metadata,
    Column("place", Word, nullable=False),
    # Chunks are of one size, but the last: a range is found by counting.
    Column("n", Integer, nullable=False),
    Column("data", LargeBinary, nullable=False),
    PrimaryKeyConstraint("place", "n"),
)

mcp_servers = Table(
    "mcp_servers",
    metadata,
    Column("tenant", Word, nullable=False),
    Column("name", Word, nullable=False),
    # Another whenever the configuration is.
    Column("version", Word, nullable=False),
    Column("config", Body, nullable=False),
    Column("created_by", Word, nullable=False),
    Column("created_at", Stamp, nullable=False),
    Column("updated_at", Stamp, nullable=False),
    PrimaryKeyConstraint("tenant", "name"),
)

# Servers of files have no tenant.
mcp_pins = Table(
    "mcp_pins",
    metadata,
    Column("tenant", Word, nullable=False),
    Column("server", Word, nullable=False),
    Column("tool", Word, nullable=False),
    Column("accepted", Body),
    # What the server offers instead, for somebody to look at.
    Column("offered", Body),
    Column("accepted_by", Word, nullable=False),
    Column("accepted_at", Stamp),
    Column("offered_at", Stamp),
    PrimaryKeyConstraint("tenant", "server", "tool"),
)

model_documents = Table(
    "model_documents",
    metadata,
    Column("tenant", Word, nullable=False),
    Column("kind", Word, nullable=False),
    Column("name", Word, nullable=False),
    Column("revision", Integer, nullable=False),
    Column("body", Body, nullable=False),
    Column("created_by", Word, nullable=False),
    Column("created_at", Stamp, nullable=False),
    Column("updated_at", Stamp, nullable=False),
    PrimaryKeyConstraint("tenant", "kind", "name"),
)
