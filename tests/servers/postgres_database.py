"""A database with Ripieno's schema on the shared private PostgreSQL, made once and emptied for each test."""

from ripieno.store import migrate
from tests.servers import postgres

NAME = "contracts"

EMPTY = """
DO $$ DECLARE name text; BEGIN
  FOR name IN SELECT tablename FROM pg_tables WHERE schemaname = 'public' AND tablename <> 'alembic_version' LOOP
    EXECUTE format('DELETE FROM %I', name);
  END LOOP;
END $$
"""

_made: set[str] = set()


async def empty(name: str = NAME) -> str:
    """The URL of the database, with all tables and no row."""
    server = postgres.shared()
    if name not in _made:
        server.create(name)
        await migrate.upgrade_database(server.url(name))
        _made.add(name)
    server.sql(EMPTY, name)
    return server.url(name)
