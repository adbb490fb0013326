"""Brings a database to the schema of this version: an SQLite file when it is opened, PostgreSQL when somebody asks.

An older SQLite file goes through the migrations. A new one is made from `schema.sql`, which is what the migrations lead
to, written down: importing Alembic takes longer than everything else at the start of a server. After a new migration
write it again with `python -m ripieno.store.migrate`; a test compares.
"""

import sqlite3
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from ripieno.domain.errors import Invalid, StoreBusy
from ripieno.store.versions import HEAD, MIGRATIONS

if TYPE_CHECKING:
    from alembic.config import Config
    from sqlalchemy import Connection

BEFORE_MIGRATING = (
    # A large table takes its time.
    "SET LOCAL statement_timeout = 0",
    "SET LOCAL idle_in_transaction_session_timeout = 0",
    # Whoever comes second finds everything done.
    "SELECT pg_advisory_xact_lock(7310602937)",
)

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
    from alembic.util import CommandError  # noqa: PLC0415
    from sqlalchemy.exc import DatabaseError  # noqa: PLC0415

    engine = sqlalchemy.create_engine(f"sqlite:///{path}", poolclass=sqlalchemy.NullPool)
    try:
        with engine.connect() as connection:
            command.upgrade(_config(connection), "head")
    except CommandError as error:
        raise StoreBusy(f"{path} was written by another version of Ripieno: {error}") from error
    except DatabaseError as error:
        raise StoreBusy(f"{path} cannot be migrated: {error.orig}") from error


async def upgrade_database(url: str) -> None:
    """Bring a PostgreSQL database to this version's schema; nothing happens where it is there already.

    Raises:
        Invalid: The database cannot be had, or was written by a newer version.
        StoreBusy: The server is away, or refuses.
    """
    from alembic import command  # noqa: PLC0415

    await _migrate(url, command.upgrade, "head")


async def downgrade_database(url: str, revision: str) -> None:
    """Take a PostgreSQL database back to an older schema; "base" leaves no table of ours. Raises as the upgrade."""
    from alembic import command  # noqa: PLC0415

    await _migrate(url, command.downgrade, revision)


async def behind(url: str) -> bool:
    """Whether a PostgreSQL database lacks migrations that this version has. Raises as the upgrade."""
    from ripieno.store.postgres import connections  # noqa: PLC0415 - an extra

    try:
        found = await connections.version(url)
    except connections.GONE as error:
        raise connections.explained(error) from error
    return found is None or found < HEAD


async def _migrate(url: str, step: "Callable[[Config, str], None]", revision: str) -> None:
    import sqlalchemy  # noqa: PLC0415 - heavy
    from alembic.util import CommandError  # noqa: PLC0415
    from sqlalchemy.exc import DBAPIError  # noqa: PLC0415
    from sqlalchemy.ext.asyncio import create_async_engine  # noqa: PLC0415

    from ripieno.store.postgres import connections  # noqa: PLC0415

    def apply_on(connection: "Connection") -> None:
        for statement in BEFORE_MIGRATING:
            connection.execute(sqlalchemy.text(statement))
        step(_config(connection), revision)

    engine = create_async_engine(
        "postgresql+asyncpg://", async_creator=lambda: connections.connect(url), poolclass=sqlalchemy.NullPool
    )
    try:
        async with engine.begin() as connection:
            await connection.run_sync(apply_on)
    except CommandError as error:
        raise Invalid(f"the database was written by another version of Ripieno: {error}") from error
    except (*connections.GONE, DBAPIError) as error:
        raise StoreBusy(f"the database cannot be migrated: {error}") from error
    finally:
        await engine.dispose()


def _config(connection: "Connection") -> "Config":
    from alembic.config import Config  # noqa: PLC0415

    config = Config()
    config.set_main_option("script_location", str(MIGRATIONS))
    config.attributes["connection"] = connection
    return config


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as folder:
        apply(Path(folder) / "new.db")
        SCHEMA.write_text(describe(Path(folder) / "new.db"))
