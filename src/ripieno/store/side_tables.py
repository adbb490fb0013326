"""The tables of what lives beside runs: schedules. See `tables` for how columns are kept."""

from sqlalchemy import Boolean, Column, Index, Integer, PrimaryKeyConstraint, Table, UniqueConstraint, text

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
