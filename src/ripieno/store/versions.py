"""Where the migrations are, and the newest of them, known without importing Alembic. A test compares."""

from pathlib import Path

HEAD = "0004"

MIGRATIONS = Path(__file__).parent / "migrations"
