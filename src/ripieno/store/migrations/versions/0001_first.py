"""The first tables: runs and their journals, people's decisions, sessions, the outbox and kept replies."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects.postgresql import JSON

revision = "0001"
down_revision = None

STAMP = sa.DateTime(timezone=True).with_variant(sa.BigInteger(), "sqlite")
WORD = sa.Text().with_variant(sa.Text(collation="C"), "postgresql")
BODY = JSON().with_variant(sa.Text(), "sqlite")
SERIAL = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def upgrade() -> None:
    """Apply."""
    op.create_table(
        "effects",
        sa.Column("run_id", WORD, nullable=False),
        sa.Column("key", WORD, nullable=False),
        sa.Column("attempt", sa.Integer(), nullable=False),
        sa.Column("seq", sa.Integer(), nullable=False),
        sa.Column("tool", WORD, nullable=False),
        sa.Column("effect", WORD, nullable=False),
        sa.Column("state", WORD, nullable=False),
        sa.Column("idempotency_key", WORD, nullable=False),
        sa.Column("arguments_hash", WORD, nullable=False),
        sa.Column("intended_at", STAMP, nullable=False),
        sa.Column("closed_at", STAMP),
        sa.PrimaryKeyConstraint("run_id", "key", "attempt"),
    )
    op.create_table(
        "entries",
        sa.Column("run_id", WORD, nullable=False),
        sa.Column("seq", sa.Integer(), nullable=False),
        sa.Column("key", WORD, nullable=False),
        sa.Column("type", WORD, nullable=False),
        sa.Column("v", sa.Integer(), nullable=False),
        sa.Column("body", BODY, nullable=False),
        sa.Column("at", STAMP, nullable=False),
        sa.Column("epoch", sa.Integer(), nullable=False),
        sa.PrimaryKeyConstraint("run_id", "seq"),
        sa.UniqueConstraint("run_id", "key"),
        postgresql_partition_by="RANGE (run_id)",
    )
    op.create_table(
        "inbox",
        sa.Column("run_id", WORD, nullable=False),
        sa.Column("n", sa.Integer(), nullable=False),
        sa.Column("topic", WORD, nullable=False),
        sa.Column("dedupe", WORD, nullable=False),
        sa.Column("body", BODY, nullable=False),
        sa.Column("state", WORD, nullable=False),
        sa.Column("at", STAMP, nullable=False),
        sa.PrimaryKeyConstraint("run_id", "n"),
        sa.UniqueConstraint("run_id", "dedupe"),
    )
    op.create_table(
        "interrupts",
        sa.Column("id", WORD, nullable=False),
        sa.Column("tenant", WORD, nullable=False),
        sa.Column("run_id", WORD, nullable=False),
        sa.Column("key", WORD, nullable=False),
        sa.Column("kind", WORD, nullable=False),
        sa.Column("status", WORD, nullable=False),
        sa.Column("subject_hash", WORD, nullable=False),
        sa.Column("request", BODY, nullable=False),
        sa.Column("risk", WORD, nullable=False),
        sa.Column("reasons", BODY, nullable=False),
        sa.Column("requested_by", WORD, nullable=False),
        sa.Column("created_at", STAMP, nullable=False),
        sa.Column("expires_at", STAMP),
        sa.Column("decisions", BODY, nullable=False),
        sa.PrimaryKeyConstraint("id"),
        sa.UniqueConstraint("run_id", "key"),
    )
    op.create_index("interrupts_by_tenant", "interrupts", ["tenant", "created_at", "id"])
    _partial("interrupts_expiring", "interrupts", ["expires_at"], "status = 'pending'")
    _partial("interrupts_pending", "interrupts", ["tenant", "created_at"], "status = 'pending'")
    op.create_table(
        "outbox",
        sa.Column("id", SERIAL, nullable=False),
        sa.Column("pos", sa.BigInteger()),
        sa.Column("tenant", WORD, nullable=False),
        sa.Column("type", WORD, nullable=False),
        sa.Column("run_id", WORD, nullable=False),
        sa.Column("body", BODY, nullable=False),
        sa.Column("at", STAMP, nullable=False),
        sa.PrimaryKeyConstraint("id"),
        sa.UniqueConstraint("pos"),
        sqlite_autoincrement=True,
    )
    _partial("outbox_unnumbered", "outbox", ["id"], "pos IS NULL")
    op.create_table(
        "replies",
        sa.Column("scope", WORD, nullable=False),
        sa.Column("key", WORD, nullable=False),
        sa.Column("body_hash", WORD, nullable=False),
        sa.Column("resource_id", WORD, nullable=False),
        sa.Column("status", sa.Integer(), nullable=False),
        sa.Column("headers", BODY, nullable=False),
        sa.Column("body", WORD, nullable=False),
        sa.Column("at", STAMP, nullable=False),
        sa.PrimaryKeyConstraint("scope", "key"),
    )
    op.create_index("replies_by_age", "replies", ["at"])
    op.create_table(
        "runs",
        sa.Column("id", WORD, nullable=False),
        sa.Column("tenant", WORD, nullable=False),
        sa.Column("kind", WORD, nullable=False),
        sa.Column("target", WORD, nullable=False),
        sa.Column("target_version", WORD, nullable=False),
        sa.Column("session_id", WORD, nullable=False),
        sa.Column("root_id", WORD, nullable=False),
        sa.Column("parent_id", WORD),
        sa.Column("parent_key", WORD),
        sa.Column("status", WORD, nullable=False),
        sa.Column("exit_reason", WORD),
        sa.Column("input", BODY, nullable=False),
        sa.Column("result", BODY),
        sa.Column("created_by", WORD, nullable=False),
        sa.Column("created_at", STAMP, nullable=False),
        sa.Column("updated_at", STAMP, nullable=False),
        sa.Column("started_at", STAMP),
        sa.Column("ended_at", STAMP),
        sa.Column("deadline", STAMP),
        sa.Column("owner", WORD),
        sa.Column("epoch", sa.Integer(), nullable=False),
        sa.Column("claimed_seq", sa.Integer(), nullable=False),
        sa.Column("deaths", sa.Integer(), nullable=False),
        sa.Column("last_seq", sa.Integer(), nullable=False),
        sa.Column("inbox_seq", sa.Integer(), nullable=False),
        sa.Column("generation", sa.Integer(), nullable=False),
        sa.Column("format", sa.Integer(), nullable=False),
        sa.Column("hold", sa.Boolean(), nullable=False),
        sa.Column("cancel_at", STAMP),
        sa.Column("cancel_by", WORD),
        sa.Column("cancel_reason", WORD),
        sa.Column("waits", BODY, nullable=False),
        sa.Column("wake_at", STAMP),
        sa.Column("lane", WORD, nullable=False),
        sa.Column("lane_rank", sa.Integer(), nullable=False),
        sa.Column("priority", sa.Integer(), nullable=False),
        sa.Column("dry_run", sa.Boolean(), nullable=False),
        sa.Column("metadata", BODY, nullable=False),
        sa.PrimaryKeyConstraint("id"),
        postgresql_with={"fillfactor": 70},
    )
    op.create_index("runs_by_session", "runs", ["tenant", "session_id", "created_at", "id"])
    op.create_index("runs_by_status", "runs", ["status", "tenant", "created_at", "id"])
    op.create_index("runs_by_target", "runs", ["tenant", "target", "created_at", "id"])
    op.create_index("runs_by_tenant", "runs", ["tenant", "created_at", "id"])
    _partial("runs_children", "runs", ["parent_id"], "parent_id IS NOT NULL")
    _partial("runs_live_children", "runs", ["parent_id"], "parent_id IS NOT NULL AND ended_at IS NULL")
    _partial(
        "runs_queue",
        "runs",
        ["lane_rank", sa.text("priority DESC"), "created_at", "id"],
        "status = 'queued' AND NOT hold",
    )
    _partial("runs_running", "runs", ["cancel_at"], "status = 'running'")
    _partial("runs_wake", "runs", ["wake_at"], "wake_at IS NOT NULL AND NOT hold")
    op.create_table(
        "sessions",
        sa.Column("tenant", WORD, nullable=False),
        sa.Column("id", WORD, nullable=False),
        sa.Column("created_by", WORD, nullable=False),
        sa.Column("created_at", STAMP, nullable=False),
        sa.Column("updated_at", STAMP, nullable=False),
        sa.PrimaryKeyConstraint("tenant", "id"),
    )
    op.create_table(
        "workers",
        sa.Column("id", WORD, nullable=False),
        sa.Column("seen_at", STAMP, nullable=False),
        sa.Column("dead", sa.Boolean(), nullable=False),
        sa.PrimaryKeyConstraint("id"),
    )


def downgrade() -> None:
    """Take back."""
    for table in ("workers", "sessions", "runs", "replies", "outbox", "interrupts", "inbox", "entries", "effects"):
        op.drop_table(table)


def _partial(name: str, table: str, columns: list[str | sa.TextClause], where: str) -> None:
    op.create_index(name, table, columns, sqlite_where=sa.text(where), postgresql_where=sa.text(where))
