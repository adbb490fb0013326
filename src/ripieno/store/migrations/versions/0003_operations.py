"""What operating takes: secrets, dead letters, halts, retention."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects.postgresql import JSON

revision = "0003"
down_revision = "0002"

STAMP = sa.DateTime(timezone=True).with_variant(sa.BigInteger(), "sqlite")
WORD = sa.Text().with_variant(sa.Text(collation="C"), "postgresql")
BODY = JSON().with_variant(sa.Text(), "sqlite")


def upgrade() -> None:
    """Apply."""
    _secrets()
    _dead_letters()
    _halts()
    _retention()


def downgrade() -> None:
    """Take back."""
    for index in ("runs_old", "runs_family"):
        op.drop_index(index, "runs")
    op.drop_index("outbox_audit", "outbox")
    for table in ("leftovers", "halts", "dead_letters"):
        op.drop_table(table)
    op.drop_table("secrets")


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


def _partial(name: str, table: str, columns: list[str], where: str) -> None:
    op.create_index(name, table, columns, sqlite_where=sa.text(where), postgresql_where=sa.text(where))
