"""What models, tools and events from outside take."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects.postgresql import JSON

revision = "0004"
down_revision = "0003"

STAMP = sa.DateTime(timezone=True).with_variant(sa.BigInteger(), "sqlite")
WORD = sa.Text().with_variant(sa.Text(collation="C"), "postgresql")
BODY = JSON().with_variant(sa.Text(), "sqlite")


def upgrade() -> None:
    """Apply."""
    _model_documents()
    _events()
    _tool_rules()
    _artifacts()
    _mail()
    _mcp()


def downgrade() -> None:
    """Take back."""
    op.drop_index("mail_unacknowledged", "mail")
    op.drop_column("mail", "acknowledged_at")
    for table in (
        "model_documents",
        "mcp_pins",
        "mcp_servers",
        "tool_rules",
        "event_wakes",
        "event_waiters",
        "published_events",
    ):
        op.drop_table(table)
    for table in ("blob_chunks", "blobs", "artifacts"):
        op.drop_table(table)


def _events() -> None:
    op.create_table(
        "published_events",
        sa.Column("tenant", WORD, nullable=False),
        sa.Column("source", WORD, nullable=False),
        sa.Column("id", WORD, nullable=False),
        sa.Column("at", STAMP, nullable=False),
        sa.PrimaryKeyConstraint("tenant", "source", "id"),
    )
    op.create_index("published_events_old", "published_events", ["at"])
    op.create_table(
        "event_waiters",
        sa.Column("run_id", WORD, nullable=False),
        sa.Column("key", WORD, nullable=False),
        sa.Column("topic", WORD, nullable=False),
        sa.Column("tenant", WORD, nullable=False),
        sa.Column("epoch", sa.Integer(), nullable=False),
        sa.PrimaryKeyConstraint("run_id", "key"),
    )
    op.create_index("event_waiters_by_topic", "event_waiters", ["tenant", "topic"])
    op.create_table(
        "event_wakes",
        sa.Column("run_id", WORD, nullable=False),
        sa.Column("key", WORD, nullable=False),
        sa.Column("epoch", sa.Integer(), nullable=False),
        sa.Column("tenant", WORD, nullable=False),
        sa.Column("body", BODY, nullable=False),
        sa.PrimaryKeyConstraint("run_id", "key"),
    )


def _tool_rules() -> None:
    op.create_table(
        "tool_rules",
        sa.Column("tenant", WORD, nullable=False),
        sa.Column("name", WORD, nullable=False),
        sa.Column("rule", BODY, nullable=False),
        sa.Column("updated_by", WORD, nullable=False),
        sa.Column("updated_at", STAMP, nullable=False),
        sa.PrimaryKeyConstraint("tenant", "name"),
    )


def _artifacts() -> None:
    op.create_table(
        "artifacts",
        sa.Column("id", WORD, nullable=False),
        sa.Column("tenant", WORD, nullable=False),
        sa.Column("name", WORD, nullable=False),
        sa.Column("media_type", WORD, nullable=False),
        sa.Column("size", sa.BigInteger(), nullable=False),
        sa.Column("hash", WORD, nullable=False),
        sa.Column("run_id", WORD),
        sa.Column("created_by", WORD, nullable=False),
        sa.Column("created_at", STAMP, nullable=False),
        sa.PrimaryKeyConstraint("id"),
    )
    op.create_index("artifacts_page", "artifacts", ["tenant", "id"])
    op.create_index("artifacts_bytes", "artifacts", ["tenant", "hash"])
    only = sa.text("run_id IS NOT NULL")
    op.create_index("artifacts_run", "artifacts", ["run_id"], sqlite_where=only, postgresql_where=only)
    op.create_table(
        "blobs",
        sa.Column("tenant", WORD, nullable=False),
        sa.Column("hash", WORD, nullable=False),
        sa.Column("size", sa.BigInteger(), nullable=False),
        sa.Column("shelf", WORD, nullable=False),
        sa.Column("place", WORD, nullable=False),
        sa.Column("touched_at", STAMP, nullable=False),
        sa.PrimaryKeyConstraint("tenant", "hash"),
        sa.UniqueConstraint("place"),
    )
    op.create_index("blobs_touched", "blobs", ["touched_at"])
    op.create_table(
        "blob_chunks",
        sa.Column("place", WORD, nullable=False),
        sa.Column("n", sa.Integer(), nullable=False),
        sa.Column("data", sa.LargeBinary(), nullable=False),
        sa.PrimaryKeyConstraint("place", "n"),
    )


def _mail() -> None:
    """What was taken before counts as acknowledged: nobody wrote down whether it was."""
    op.add_column("mail", sa.Column("acknowledged_at", STAMP))
    op.execute("UPDATE mail SET acknowledged_at = taken_at WHERE taken_at IS NOT NULL")
    where = sa.text("taken_at IS NOT NULL AND acknowledged_at IS NULL")
    op.create_index("mail_unacknowledged", "mail", ["taken_by"], sqlite_where=where, postgresql_where=where)


def _mcp() -> None:
    op.create_table(
        "mcp_servers",
        sa.Column("tenant", WORD, nullable=False),
        sa.Column("name", WORD, nullable=False),
        sa.Column("version", WORD, nullable=False),
        sa.Column("config", BODY, nullable=False),
        sa.Column("created_by", WORD, nullable=False),
        sa.Column("created_at", STAMP, nullable=False),
        sa.Column("updated_at", STAMP, nullable=False),
        sa.PrimaryKeyConstraint("tenant", "name"),
    )
    op.create_table(
        "mcp_pins",
        sa.Column("tenant", WORD, nullable=False),
        sa.Column("server", WORD, nullable=False),
        sa.Column("tool", WORD, nullable=False),
        sa.Column("accepted", BODY),
        sa.Column("offered", BODY),
        sa.Column("accepted_by", WORD, nullable=False),
        sa.Column("accepted_at", STAMP),
        sa.Column("offered_at", STAMP),
        sa.PrimaryKeyConstraint("tenant", "server", "tool"),
    )


def _model_documents() -> None:
    op.create_table(
        "model_documents",
        sa.Column("tenant", WORD, nullable=False),
        sa.Column("kind", WORD, nullable=False),
        sa.Column("name", WORD, nullable=False),
        sa.Column("revision", sa.Integer(), nullable=False),
        sa.Column("body", BODY, nullable=False),
        sa.Column("created_by", WORD, nullable=False),
        sa.Column("created_at", STAMP, nullable=False),
        sa.Column("updated_at", STAMP, nullable=False),
        sa.PrimaryKeyConstraint("tenant", "kind", "name"),
    )
