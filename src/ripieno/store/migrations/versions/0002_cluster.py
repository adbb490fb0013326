"""What many processes on one database need: limits of tenants and, on PostgreSQL, ways to find each other's runs."""

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"

WORD = sa.Text().with_variant(sa.Text(collation="C"), "postgresql")

FOR_POSTGRES = (
    "CREATE TABLE IF NOT EXISTS entries_rest PARTITION OF entries DEFAULT",
    "CREATE SEQUENCE outbox_pos",
    "CREATE INDEX runs_load ON runs (tenant) WHERE status = 'running'",
    "CREATE INDEX runs_owner ON runs (owner) WHERE status = 'running'",
    "DROP INDEX runs_queue",
    """
    CREATE INDEX runs_turn ON runs (tenant, lane_rank, priority DESC, created_at, id)
    WHERE status = 'queued' AND NOT hold
    """,
)

BACK_ON_POSTGRES = (
    "DROP INDEX runs_turn",
    "CREATE INDEX runs_queue ON runs (lane_rank, priority DESC, created_at, id) WHERE status = 'queued' AND NOT hold",
    "DROP INDEX runs_owner",
    "DROP INDEX runs_load",
    "DROP SEQUENCE outbox_pos",
)


def upgrade() -> None:
    """Apply."""
    op.create_table(
        "tenants",
        sa.Column("id", WORD, nullable=False),
        sa.Column("max_running", sa.Integer()),
        sa.PrimaryKeyConstraint("id"),
    )
    if op.get_context().dialect.name == "postgresql":
        for statement in FOR_POSTGRES:
            op.execute(statement)


def downgrade() -> None:
    """Take back. The partitions of entries stay: they are where the entries are."""
    if op.get_context().dialect.name == "postgresql":
        for statement in BACK_ON_POSTGRES:
            op.execute(statement)
    op.drop_table("tenants")
