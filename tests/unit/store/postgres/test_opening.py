"""Opening, and the schema: what is refused and with which words, and that migrations and metadata say the same."""

import asyncio
import subprocess
from collections.abc import Iterator
from datetime import UTC, datetime

import asyncpg
import pytest
from sqlalchemy.ext.asyncio import create_async_engine

from ripieno.clock import SystemClock
from ripieno.domain.errors import Invalid, StoreBusy
from ripieno.store import migrate
from ripieno.store.dispatch_local import LocalDispatch
from ripieno.store.postgres.house import add_partitions, drop_partition
from ripieno.store.postgres.opening import open_postgres
from ripieno.store.side_tables import metadata
from ripieno.testing.fake_clock import FakeClock
from tests.contracts.bed import Bed
from tests.servers import postgres

pytestmark = postgres.NEEDS


@pytest.fixture
def database(request: pytest.FixtureRequest) -> Iterator[str]:
    """The URL of a database without any table."""
    name = request.node.name[:60]
    yield postgres.shared().create(name)
    postgres.shared().sql(f'DROP DATABASE "{name}" WITH (FORCE)')


def schema(url: str) -> list[str]:
    """Every definition in a database, in an order of its own."""
    name = url.partition("/")[2].partition("?")[0].rpartition("/")[2]
    dump = [postgres.programs() / "pg_dump", "-h", postgres.shared().folder, "-U", "postgres", "-sOx", name]
    printed = subprocess.run(dump, capture_output=True, text=True, check=True).stdout
    lines = [line.rstrip(",") for line in printed.splitlines() if line and not line.startswith(("--", "\\", "SET"))]
    return sorted(line for line in lines if "alembic" not in line)


async def refusal(url: str) -> str:
    with pytest.raises(Invalid) as refused:
        await open_postgres(url, SystemClock())
    return refused.value.detail


async def test_migrated_schema_equals_the_metadata(database: str):
    await migrate.upgrade_database(database)
    migrated = schema(database)
    await migrate.downgrade_database(database, "base")
    assert [line for line in schema(database) if line.startswith("CREATE")] == []
    engine = create_async_engine("postgresql+asyncpg://", async_creator=lambda: asyncpg.connect(database))
    async with engine.begin() as connection:
        await connection.run_sync(metadata.create_all)
    await engine.dispose()
    made = schema(database)
    assert [line for line in migrated if "version_num" not in line and line not in made] == []
    assert [line for line in made if line not in migrated] == []
    assert any("PARTITION BY RANGE (run_id)" in line for line in made)


async def test_database_without_tables_is_refused_until_it_is_upgraded(database: str):
    assert await migrate.behind(database)
    assert await refusal(database) == "the database has no tables of Ripieno yet: run `ripieno db upgrade`"
    await asyncio.gather(migrate.upgrade_database(database), migrate.upgrade_database(database))
    assert not await migrate.behind(database)
    store = await open_postgres(database, SystemClock())
    assert await store.records.counts()
    await store.close()


async def test_other_versions_are_refused(database: str):
    await migrate.upgrade_database(database)
    await migrate.downgrade_database(database, "0001")
    assert await migrate.behind(database)
    assert "at version 0001" in await refusal(database)
    assert "ripieno db upgrade" in await refusal(database)
    await migrate.upgrade_database(database)
    connection = await asyncpg.connect(database)
    await connection.execute("UPDATE alembic_version SET version_num = '9999'")
    await connection.close()
    assert "install a newer Ripieno" in await refusal(database)
    with pytest.raises(Invalid, match="another version of Ripieno"):
        await migrate.upgrade_database(database)


async def test_database_that_does_not_exist_is_refused_at_once():
    url = postgres.shared().url("nowhere")
    assert 'database "nowhere" does not exist' in await refusal(url)
    with pytest.raises(Invalid, match="nowhere"):
        await migrate.upgrade_database(url)


async def test_server_that_is_away_is_waited_for(caplog: pytest.LogCaptureFixture):
    with postgres.PostgresServer() as server:
        url = server.create("late")
        await migrate.upgrade_database(url)
        server.stop()
        with pytest.raises(StoreBusy):
            await migrate.behind(url)
        with pytest.raises(StoreBusy, match="cannot be migrated"):
            await migrate.upgrade_database(url)
        async with asyncio.timeout(60), asyncio.TaskGroup() as group:
            opening = group.create_task(open_postgres(url, SystemClock()))
            while "PostgreSQL does not answer" not in caplog.text:
                await asyncio.sleep(0.01)
            server.start()
        await opening.result().close()


async def test_partitions_are_made_ahead_and_once(database: str):
    await migrate.upgrade_database(database)
    store = await open_postgres(database, SystemClock())
    pool = store.journal.upkeep.house._database
    day = datetime(2031, 12, 31, 23, tzinfo=UTC)
    assert await pool.transact(add_partitions, day) == ["entries_2031_12", "entries_2032_01"]
    assert await pool.transact(add_partitions, day) == []
    await store.journal.pump()
    rows = await pool.fetch("SELECT tableoid::regclass::text AS part FROM entries")
    assert rows == []
    await store.close()


async def test_past_months_without_runs_are_dropped(database: str):
    await migrate.upgrade_database(database)
    clock, dispatch = FakeClock(), LocalDispatch()
    store = await open_postgres(database, clock, now=clock.now)
    run_id = await Bed(store, clock, dispatch).start()
    pool = store.journal.upkeep.house._database
    first = clock.now().replace(day=1, hour=0, minute=0, second=0, microsecond=0)
    name = f"entries_{first:%Y_%m}"

    async def there() -> bool:
        return bool(await pool.fetch("SELECT FROM pg_class WHERE relname = $1", name))

    clock.advance(70 * 86400)
    await store.journal.pump()
    assert await there(), "its run is there"
    await pool.fetch("DELETE FROM runs WHERE id = $1", run_id)
    reader = await asyncpg.connect(database)
    async with reader.transaction():
        await reader.execute(f"LOCK TABLE {name} IN ACCESS SHARE MODE")
        clock.advance(700)
        await store.journal.pump()
        assert await there(), "somebody reads it"
    await reader.close()
    clock.advance(700)
    await store.journal.pump()
    assert not await there()
    assert await pool.transact(drop_partition, f"entries_{clock.now():%Y_%m}", clock.now().replace(day=1))
    await store.close()


async def test_the_first_rows_find_the_partition_of_their_month(database: str):
    await migrate.upgrade_database(database)
    store = await open_postgres(database, SystemClock())
    parts = "SELECT count(*) FROM pg_inherits WHERE inhparent = 'entries'::regclass"
    name = database.partition("/")[2].partition("?")[0].rpartition("/")[2]
    assert postgres.shared().sql(parts, name) == "3", "this month, the next, and everything else"
    await store.close()
