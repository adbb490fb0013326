"""What operating takes: secrets."""

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"

STAMP = sa.DateTime(timezone=True).with_variant(sa.BigInteger(), "sqlite")
WORD = sa.Text().with_variant(sa.Text(collation="C"), "postgresql")


def upgrade() -> None:
    """Apply."""
    _secrets()


def downgrade() -> None:
    """Take back."""
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
