"""Brings an SQLite file to the schema of this version."""

import sqlite3
from pathlib import Path

from ripieno.domain.errors import StoreBusy

HEAD = "0001"
"""The newest version in `migrations/versions`, known here so that a start that needs no migration imports no Alembic
(0.3 s). A test compares."""

MIGRATIONS = Path(__file__).parent / "migrations"


def upgrade(path: Path) -> bool:
    """Apply what is missing; False when nothing was.

    Raises:
        StoreBusy: The file cannot be read, or it was written by a newer version.
    """
    try:
        found = version(path)
        if found == HEAD:
            return False
        _apply(path)
    except sqlite3.Error as error:
        raise StoreBusy(f"{path} cannot be opened: {error}") from error
    return True


def version(path: Path) -> str | None:
    """The version of a file; None for a new one."""
    connection = sqlite3.connect(path)
    try:
        known = connection.execute("SELECT 1 FROM sqlite_master WHERE name = 'alembic_version'").fetchone()
        row = connection.execute("SELECT version_num FROM alembic_version").fetchone() if known else None
        return row[0] if row else None
    finally:
        connection.close()


def _apply(path: Path) -> None:
    import sqlalchemy  # noqa: PLC0415 - heavy, and needed once in the life of a file
    from alembic import command  # noqa: PLC0415
    from alembic.config import Config  # noqa: PLC0415
    from alembic.util import CommandError  # noqa: PLC0415
    from sqlalchemy.exc import DatabaseError  # noqa: PLC0415

    engine = sqlalchemy.create_engine(f"sqlite:///{path}", poolclass=sqlalchemy.NullPool)
    config = Config()
    config.set_main_option("script_location", str(MIGRATIONS))
    try:
        with engine.connect() as connection:
            config.attributes["connection"] = connection
            command.upgrade(config, "head")
    except CommandError as error:
        raise StoreBusy(f"{path} was written by another version of Ripieno: {error}") from error
    except DatabaseError as error:
        raise StoreBusy(f"{path} cannot be migrated: {error.orig}") from error
