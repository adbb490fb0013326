"""Brings an SQLite file to the schema of this version.

An older file goes through the migrations. A new one is made from `schema.sql`, which is what the migrations lead to,
written down: importing Alembic takes longer than everything else at the start of a server. After a new migration write
it again with `python -m ripieno.store.migrate`; a test compares.
"""

import sqlite3
import tempfile
from pathlib import Path

from ripieno.domain.errors import StoreBusy

HEAD = "0001"
"""The newest version in `migrations/versions`, known here for the same reason and under the same test."""

MIGRATIONS = Path(__file__).parent / "migrations"
SCHEMA = Path(__file__).parent / "schema.sql"


def upgrade(path: Path) -> bool:
    """Apply what is missing; False when nothing was.

    Raises:
        StoreBusy: The file cannot be read, or it was written by a newer version.
    """
    try:
        found = version(path)
        if found == HEAD:
            return False
        if found is None:
            create(path)
        else:
            apply(path)
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


def create(path: Path) -> None:
    """Make a new file from `schema.sql`. Raises `sqlite3.Error`."""
    connection = sqlite3.connect(path, isolation_level=None)
    try:
        connection.executescript(f"BEGIN; {SCHEMA.read_text()} COMMIT;")
    finally:
        connection.close()


def describe(path: Path) -> str:
    """The statements that make a file's schema and version."""
    connection = sqlite3.connect(path)
    try:
        made = connection.execute(
            "SELECT sql FROM sqlite_master WHERE sql IS NOT NULL AND name NOT LIKE 'sqlite_%' ORDER BY tbl_name, rowid"
        )
        statements = [f"{sql};\n" for (sql,) in made]
        (found,) = connection.execute("SELECT version_num FROM alembic_version").fetchone()
    finally:
        connection.close()
    return "\n".join([*statements, f"INSERT INTO alembic_version (version_num) VALUES ('{found}');\n"])  # noqa: S608 - our own file


def apply(path: Path) -> None:
    """Run the migrations that a file lacks. Raises `StoreBusy`."""
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


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as folder:
        apply(Path(folder) / "new.db")
        SCHEMA.write_text(describe(Path(folder) / "new.db"))
