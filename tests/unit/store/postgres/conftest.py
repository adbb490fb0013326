"""Two stores on one PostgreSQL, as two processes have them: their own connections, legs, names and beats."""

from collections.abc import AsyncGenerator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass
from typing import Any, TypeAlias

import asyncpg
import pytest

from ripieno.store.dispatch_local import LocalDispatch
from ripieno.store.postgres.lease import LeaseTimes
from ripieno.store.postgres.opening import PostgresStore, open_postgres
from ripieno.testing.fake_clock import FakeClock
from tests.contracts.bed import Bed
from tests.servers import postgres_database

QUICK = LeaseTimes(beat=0.1, lease=3.0)


@dataclass
class Cluster:
    """Beds on the stores `a` and `b`, and a way into the database past both."""

    url: str
    clock: FakeClock
    stores: tuple[PostgresStore, PostgresStore]
    beds: tuple[Bed, Bed]

    async def sql(self, statement: str, *parameters: Any) -> list[Any]:
        connection = await asyncpg.connect(self.url)
        try:
            return [tuple(row) for row in await connection.fetch(statement, *parameters)]
        finally:
            await connection.close()


OpenCluster: TypeAlias = Callable[..., AbstractAsyncContextManager[Cluster]]


@pytest.fixture
def cluster() -> OpenCluster:
    """To be entered by the test, because stores have tasks."""

    @asynccontextmanager
    async def opened(times: LeaseTimes | None = None) -> AsyncGenerator[Cluster]:
        url, clock = await postgres_database.empty(), FakeClock()
        stores = [await open_postgres(url, clock, times, now=clock.now) for _ in range(2)]
        beds = [Bed(store, clock, LocalDispatch()) for store in stores]
        try:
            yield Cluster(url, clock, (stores[0], stores[1]), (beds[0], beds[1]))
        finally:
            for store in stores:
                await store.close()

    return opened
