"""Migrations, the metadata and the schema written down say the same."""

import sqlite3
import subprocess
import sys
from pathlib import Path

import pytest
import sqlalchemy
from alembic import command
from alembic.config import Config
from alembic.script import ScriptDirectory

from ripieno.domain.errors import StoreBusy
from ripieno.store import migrate
from ripieno.store.side_tables import metadata


def objects(path: Path) -> dict[str, str]:
    """Every table and index of a file with its definition, white space apart."""
    connection = sqlite3.connect(path)
    rows = connection.execute("SELECT name, coalesce(sql, tbl_name) FROM sqlite_master WHERE name != 'alembic_version'")
    found = {name: " ".join(sql.split()) for name, sql in rows if "alembic_version" not in sql}
    connection.close()
    return found


def test_migrated_schema_equals_the_metadata(tmp_path: Path):
    migrate.apply(tmp_path / "migrated.db")
    engine = sqlalchemy.create_engine(f"sqlite:///{tmp_path}/made.db", poolclass=sqlalchemy.NullPool)
    metadata.create_all(engine)
    assert objects(tmp_path / "migrated.db") == objects(tmp_path / "made.db")
    assert "runs_agents" in objects(tmp_path / "made.db")


def test_schema_written_down_is_what_the_migrations_lead_to(tmp_path: Path):
    migrate.apply(tmp_path / "migrated.db")
    assert migrate.SCHEMA.read_text() == migrate.describe(tmp_path / "migrated.db")
    assert ScriptDirectory(str(migrate.MIGRATIONS)).get_current_head() == migrate.HEAD


def test_new_file_is_made_once(tmp_path: Path):
    assert migrate.upgrade(tmp_path / "new.db")
    assert migrate.version(tmp_path / "new.db") == migrate.HEAD
    assert not migrate.upgrade(tmp_path / "new.db")


def test_migrations_can_be_taken_back(tmp_path: Path):
    path = tmp_path / "back.db"
    migrate.apply(path)
    engine = sqlalchemy.create_engine(f"sqlite:///{path}", poolclass=sqlalchemy.NullPool)
    config = Config()
    config.set_main_option("script_location", str(migrate.MIGRATIONS))
    with engine.connect() as connection:
        config.attributes["connection"] = connection
        command.downgrade(config, "base")
    assert {name for name in objects(path) if not name.startswith("sqlite_")} == set()


def test_file_of_a_newer_version_is_refused(tmp_path: Path):
    path = tmp_path / "newer.db"
    migrate.upgrade(path)
    connection = sqlite3.connect(path)
    connection.execute("UPDATE alembic_version SET version_num = '9999'")
    connection.commit()
    connection.close()
    with pytest.raises(StoreBusy, match="another version of Ripieno"):
        migrate.upgrade(path)


def test_what_is_no_database_is_refused(tmp_path: Path):
    (tmp_path / "text.db").write_text("to whom it may concern\n" * 100)
    with pytest.raises(StoreBusy, match="cannot be opened: file is not a database"):
        migrate.upgrade(tmp_path / "text.db")


def test_database_of_somebody_else_is_refused_and_left_alone(tmp_path: Path):
    path = tmp_path / "foreign.db"
    connection = sqlite3.connect(path)
    connection.execute("CREATE TABLE runs (distance)")
    connection.close()
    with pytest.raises(StoreBusy, match="runs already exists"):
        migrate.upgrade(path)
    assert list(objects(path)) == ["runs"]


def test_start_imports_neither_alembic_nor_sqlalchemy(tmp_path: Path):
    program = f"""
import asyncio, pathlib, sys
from ripieno.clock import SystemClock
from ripieno.store.dispatch_local import LocalDispatch
from ripieno.store.embedded import open_store

async def main():
    store = await open_store(pathlib.Path({str(tmp_path)!r}), SystemClock(), LocalDispatch())
    await store.close()

asyncio.run(main())
print(sorted({{name.partition(".")[0] for name in sys.modules}} & {{"alembic", "sqlalchemy"}}))
"""
    for _ in ("a new folder", "an old one"):
        ended = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
        assert ended.stdout == "[]\n"
