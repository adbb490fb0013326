"""What operating takes, from secrets to fair claims."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects.postgresql import JSON

revision = "0003"
down_revision = "0002"

STAMP = sa.DateTime(timezone=True).with_variant(sa.BigInteger(), "sqlite")
WORD = sa.Text().with_variant(sa.Text(collation="C"), "postgresql")
BODY = JSON().with_variant(sa.Text(), "sqlite")

PLACE = "lane_rank, priority DESC, created_at, id"
READY = "status = 'queued' AND NOT hold AND after_id IS NULL AND deaths = 0"
SUSPECT = "status = 'queued' AND NOT hold AND after_id IS NULL AND deaths > 0"


def upgrade() -> None:
    """Apply."""
    _secrets()
    _dead_letters()
    _halts()
    _retention()
    _budgets()
    _people()
    _breakers()
    _schedules()
    _sessions()
    _queue()
    _workers()
    _mail()
    _apis()


def downgrade() -> None:
    """Take back."""
    _without_workers()
    _unqueue()
    _without_sessions()
    _without_people()
    for index in ("runs_old", "runs_family"):
        op.drop_index(index, "runs")
    op.drop_index("outbox_audit", "outbox")
    for table in ("leftovers", "halts", "dead_letters"):
        op.drop_table(table)
    for name in ("reservations", "budget_raises", "budget_chunks", "budget_accounts", "budgets"):
        op.drop_table(name)
    for name in ("mail_waiters", "mail", "mailboxes"):
        op.drop_table(name)
    op.drop_table("schedule_ticks")
    op.drop_table("schedules")
    op.drop_table("apis")
    op.drop_table("secrets")
    op.drop_table("breakers")


def _secrets() -> None:
    op.create_table(
        "secrets",
        sa.Column("tenant", WORD, nullable=False),
        sa.Column("name", WORD, nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("key_id", WORD, nullable=False),
        sa.Column("sealed", WORD, nullable=False),
        sa.Column("created_by", WORD, nullable=False),
        sa.Column("created_at", STAMP, nullable=False),
        sa.Column("updated_at", STAMP, nullable=False),
        sa.PrimaryKeyConstraint("tenant", "name"),
    )


def _dead_letters() -> None:
    op.create_table(
        "dead_letters",
        sa.Column("id", WORD, nullable=False),
        sa.Column("tenant", WORD, nullable=False),
        sa.Column("kind", WORD, nullable=False),
        sa.Column("state", WORD, nullable=False),
        sa.Column("run_id", WORD, nullable=False),
        sa.Column("subject", WORD, nullable=False),
        sa.Column("cause", WORD, nullable=False),
        sa.Column("detail", WORD, nullable=False),
        sa.Column("attempts", sa.Integer(), nullable=False),
        sa.Column("payload", BODY, nullable=False),
        sa.Column("created_at", STAMP, nullable=False),
        sa.Column("settled_at", STAMP),
        sa.Column("settled_by", WORD),
        sa.Column("outcome", BODY),
        sa.PrimaryKeyConstraint("id"),
    )
    op.create_index("dead_letters_by_tenant", "dead_letters", ["tenant", "created_at", "id"])
    op.create_index("dead_letters_by_run", "dead_letters", ["run_id"])


def _halts() -> None:
    op.create_table(
        "halts",
        sa.Column("scope", WORD, nullable=False),
        sa.Column("reason", WORD, nullable=False),
        sa.Column("halted_by", WORD, nullable=False),
        sa.Column("halted_at", STAMP, nullable=False),
        sa.PrimaryKeyConstraint("scope"),
    )


def _retention() -> None:
    op.create_table("leftovers", sa.Column("run_id", WORD, nullable=False), sa.PrimaryKeyConstraint("run_id"))
    _partial("runs_old", "runs", ["ended_at"], "ended_at IS NOT NULL AND parent_id IS NULL")
    _partial("runs_family", "runs", ["root_id"], "parent_id IS NOT NULL")
    _partial("outbox_audit", "outbox", ["tenant", "id"], "type = 'audit'")


def _schedules() -> None:
    op.create_table(
        "schedules",
        sa.Column("id", WORD, nullable=False),
        sa.Column("tenant", WORD, nullable=False),
        sa.Column("name", WORD, nullable=False),
        sa.Column("agent", WORD, nullable=False),
        sa.Column("spec", BODY, nullable=False),
        sa.Column("managed_by", WORD, nullable=False),
        sa.Column("paused", sa.Boolean(), nullable=False),
        sa.Column("problem", WORD),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("anchor", STAMP, nullable=False),
        sa.Column("next_tick", STAMP),
        sa.Column("next_at", STAMP),
        sa.Column("last_tick", STAMP),
        sa.Column("ticks", sa.Integer(), nullable=False),
        sa.Column("waiting", sa.Integer(), nullable=False),
        sa.Column("created_by", WORD, nullable=False),
        sa.Column("created_at", STAMP, nullable=False),
        sa.Column("updated_at", STAMP, nullable=False),
        sa.PrimaryKeyConstraint("id"),
        sa.UniqueConstraint("tenant", "name"),
    )
    _partial("schedules_due", "schedules", ["next_at"], "NOT paused AND problem IS NULL")
    _partial("schedules_waiting", "schedules", ["id"], "waiting > 0")
    op.create_table(
        "schedule_ticks",
        sa.Column("schedule_id", WORD, nullable=False),
        sa.Column("n", sa.Integer(), nullable=False),
        sa.Column("at", STAMP, nullable=False),
        sa.Column("outcome", WORD, nullable=False),
        sa.Column("triggered_by", WORD),
        sa.Column("reason", WORD, nullable=False),
        sa.Column("run_id", WORD),
        sa.Column("open", sa.Boolean(), nullable=False),
        sa.Column("decided_at", STAMP, nullable=False),
        sa.PrimaryKeyConstraint("schedule_id", "n"),
    )
    _partial("schedule_ticks_open", "schedule_ticks", ["schedule_id"], "open")
    _partial("schedule_ticks_waiting", "schedule_ticks", ["schedule_id", "n"], "outcome = 'waiting'")


def _partial(name: str, table: str, columns: list[str], where: str) -> None:
    op.create_index(name, table, columns, sqlite_where=sa.text(where), postgresql_where=sa.text(where))


def _amounts(prefix: str = "", *, nullable: bool = False) -> "list[sa.Column[int]]":
    names = ("usd", "tokens", "seconds", "effects")
    return [sa.Column(f"{prefix}{name}", sa.BigInteger(), nullable=nullable) for name in names]


def _account() -> "list[sa.Column[str]]":
    return [sa.Column(name, WORD, nullable=False) for name in ("tenant", "scope", "period")]


def _budgets() -> None:
    op.create_table(
        "budgets",
        *_account(),
        *_amounts(nullable=True),
        sa.Column("on_exceeded", WORD, nullable=False),
        sa.Column("warn_at", sa.Float(), nullable=False),
        sa.Column("set_by", WORD, nullable=False),
        sa.Column("set_at", STAMP, nullable=False),
        sa.PrimaryKeyConstraint("tenant", "scope", "period"),
    )
    op.create_table(
        "budget_accounts",
        *_account(),
        sa.Column("since", STAMP, nullable=False),
        *_amounts("spent_"),
        *_amounts("leased_"),
        *_amounts("raised_"),
        sa.Column("warned", sa.Boolean(), nullable=False),
        sa.Column("wanted_at", STAMP),
        sa.PrimaryKeyConstraint("tenant", "scope", "period", "since"),
    )
    op.create_table(
        "budget_chunks",
        sa.Column("id", WORD, nullable=False),
        *_account(),
        sa.Column("since", STAMP, nullable=False),
        sa.Column("holder", WORD, nullable=False),
        sa.Column("seen_at", STAMP, nullable=False),
        *_amounts(),
        sa.PrimaryKeyConstraint("id"),
    )
    op.create_index("budget_chunks_by_account", "budget_chunks", ["tenant", "scope", "period"])
    op.create_index("budget_chunks_by_age", "budget_chunks", ["seen_at"])
    op.create_table(
        "budget_raises",
        sa.Column("id", WORD, nullable=False),
        *_account(),
        sa.Column("since", STAMP, nullable=False),
        sa.Column("measure", WORD, nullable=False),
        sa.Column("amount", sa.BigInteger(), nullable=False),
        sa.Column("raised_by", WORD, nullable=False),
        sa.Column("at", STAMP, nullable=False),
        sa.PrimaryKeyConstraint("id"),
    )
    _reservations()


def _reservations() -> None:
    op.create_table(
        "reservations",
        sa.Column("run_id", WORD, nullable=False),
        sa.Column("key", WORD, nullable=False),
        sa.Column("scope", WORD, nullable=False),
        sa.Column("period", WORD, nullable=False),
        sa.Column("tenant", WORD, nullable=False),
        sa.Column("since", STAMP, nullable=False),
        sa.Column("chunk_id", WORD, nullable=False),
        sa.Column("state", WORD, nullable=False),
        *_amounts(),
        sa.Column("at", STAMP, nullable=False),
        sa.PrimaryKeyConstraint("run_id", "key", "scope", "period"),
    )
    op.create_index("reservations_by_chunk", "reservations", ["chunk_id"])
    op.create_index("reservations_by_scope", "reservations", ["tenant", "scope"])


def _people() -> None:
    op.add_column("interrupts", sa.Column("terms", BODY, nullable=False, server_default=sa.text("'{}'")))
    op.add_column("interrupts", sa.Column("assignees", BODY, nullable=False, server_default=sa.text("'[]'")))
    op.add_column("interrupts", sa.Column("escalated_at", STAMP))
    op.create_table(
        "votes",
        sa.Column("interrupt_id", WORD, nullable=False),
        sa.Column("voter", WORD, nullable=False),
        sa.Column("n", sa.Integer(), nullable=False),
        sa.Column("body", BODY, nullable=False),
        sa.PrimaryKeyConstraint("interrupt_id", "voter"),
    )


def _without_people() -> None:
    op.drop_table("votes")
    for column in ("escalated_at", "assignees", "terms"):
        op.drop_column("interrupts", column)


def _breakers() -> None:
    op.create_table(
        "breakers",
        sa.Column("key", WORD, nullable=False),
        sa.Column("failures", sa.Integer(), nullable=False),
        sa.Column("openings", sa.Integer(), nullable=False),
        sa.Column("rests_until", STAMP),
        sa.Column("probe_until", STAMP),
        sa.Column("updated_at", STAMP, nullable=False),
        sa.PrimaryKeyConstraint("key"),
    )


def _workers() -> None:
    for name in ("slots", "busy"):
        op.add_column("workers", sa.Column(name, sa.Integer(), nullable=False, server_default=sa.text("0")))
    op.add_column("workers", sa.Column("draining", sa.Boolean(), nullable=False, server_default=sa.text("false")))


def _without_workers() -> None:
    for name in ("draining", "busy", "slots"):
        op.drop_column("workers", name)


def _sessions() -> None:
    for name in ("after_id", "next_id", "superseded"):
        op.add_column("runs", sa.Column(name, WORD))
    place = ["tenant", "session_id", "created_at", "id"]
    _partial("runs_of_session", "runs", place, "parent_id IS NULL AND ended_at IS NULL")
    _partial("runs_paused", "runs", ["deadline"], "status = 'paused' AND deadline IS NOT NULL")


def _without_sessions() -> None:
    op.drop_index("runs_paused", "runs")
    op.drop_index("runs_of_session", "runs")
    for name in ("superseded", "next_id", "after_id"):
        op.drop_column("runs", name)


def _queue() -> None:
    if op.get_context().dialect.name == "postgresql":
        op.execute("DROP INDEX runs_load")
        op.execute("DROP INDEX runs_turn")
        op.execute(f"CREATE INDEX runs_turn ON runs (tenant, {PLACE}) WHERE {READY}")
    else:
        op.execute("DROP INDEX runs_queue")
    op.execute(f"CREATE INDEX runs_agents ON runs (tenant, target, {PLACE}) WHERE {READY}")
    op.execute(f"CREATE INDEX runs_suspects ON runs (tenant, target, {PLACE}) WHERE {SUSPECT}")
    op.execute("CREATE INDEX runs_load ON runs (tenant, target) WHERE status = 'running'")


def _unqueue() -> None:
    op.execute("DROP INDEX runs_load")
    op.execute("DROP INDEX runs_suspects")
    op.execute("DROP INDEX runs_agents")
    if op.get_context().dialect.name == "postgresql":
        op.execute("DROP INDEX runs_turn")
        op.execute(f"CREATE INDEX runs_turn ON runs (tenant, {PLACE}) WHERE status = 'queued' AND NOT hold")
        op.execute("CREATE INDEX runs_load ON runs (tenant) WHERE status = 'running'")
    else:
        op.execute(f"CREATE INDEX runs_queue ON runs ({PLACE}) WHERE status = 'queued' AND NOT hold")


def _mail() -> None:
    op.create_table(
        "mailboxes",
        sa.Column("tenant", WORD, nullable=False),
        sa.Column("box", WORD, nullable=False),
        sa.Column("seq", sa.Integer(), nullable=False),
        sa.PrimaryKeyConstraint("tenant", "box"),
    )
    op.create_table(
        "mail",
        sa.Column("id", WORD, nullable=False),
        sa.Column("tenant", WORD, nullable=False),
        sa.Column("box", WORD, nullable=False),
        sa.Column("n", sa.Integer(), nullable=False),
        sa.Column("sender", WORD, nullable=False),
        sa.Column("from_run", WORD),
        sa.Column("body", BODY, nullable=False),
        sa.Column("reply_to", WORD),
        sa.Column("sent_at", STAMP, nullable=False),
        sa.Column("taken_by", WORD),
        sa.Column("taken_key", WORD),
        sa.Column("taken_at", STAMP),
        sa.PrimaryKeyConstraint("id"),
    )
    _partial("mail_unread", "mail", ["tenant", "box", "n"], "taken_at IS NULL")
    _partial("mail_taken", "mail", ["taken_by", "taken_key"], "taken_by IS NOT NULL")
    _partial("mail_old", "mail", ["taken_at"], "taken_at IS NOT NULL")
    op.create_table(
        "mail_waiters",
        sa.Column("run_id", WORD, nullable=False),
        sa.Column("key", WORD, nullable=False),
        sa.Column("box", WORD, nullable=False),
        sa.Column("tenant", WORD, nullable=False),
        sa.Column("since", STAMP, nullable=False),
        sa.PrimaryKeyConstraint("run_id", "key", "box"),
    )
    op.create_index("mail_waiters_by_box", "mail_waiters", ["tenant", "box", "since"])


def _apis() -> None:
    op.create_table(
        "apis",
        sa.Column("tenant", WORD, nullable=False),
        sa.Column("name", WORD, nullable=False),
        sa.Column("version", WORD, nullable=False),
        sa.Column("source", WORD, nullable=False),
        sa.Column("document", sa.Text(), nullable=False),
        sa.Column("config", BODY, nullable=False),
        sa.Column("created_by", WORD, nullable=False),
        sa.Column("created_at", STAMP, nullable=False),
        sa.Column("updated_at", STAMP, nullable=False),
        sa.PrimaryKeyConstraint("tenant", "name"),
    )
