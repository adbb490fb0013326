"""Runs that many ask for at the same time, read together.

Whoever waits for a run reads its row at each change. What is asked for while one statement is under way goes into the
next: alone, a run is read at once; among many, they share the trip.
"""

import asyncio
from collections.abc import Sequence

from ripieno.domain.errors import RipienoError, StoreBusy
from ripieno.store.postgres.connections import Row
from ripieno.store.postgres.database import Database
from ripieno.store.postgres.rows import RUN_OF_RUNS

MOST_RUNS = 500

# The tenant is part of what is asked for, one by one.
RUNS = f"""
SELECT {RUN_OF_RUNS} FROM unnest($1::text[], $2::text[]) AS asked (tenant, id)
JOIN runs ON runs.id = asked.id AND runs.tenant = asked.tenant
"""  # noqa: S608 - constants

Key = tuple[str, str]
"""Tenant and id of a run."""


class RunReader:
    """Reads runs by tenant and id. `run` it beside everything else."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._asked: dict[Key, list[asyncio.Future[Row | None]]] = {}
        self._news = asyncio.Event()
        self._closed = False

    async def read(self, tenant: str, run_id: str) -> Row | None:
        """The row of a run, as it is after this was called; None where the tenant has no such run.

        Raises:
            StoreBusy: The database is away or refuses, or the store is closed.
            Invalid: Nothing can have such an id.
        """
        if self._closed:
            raise StoreBusy("the store is closed")
        future: asyncio.Future[Row | None] = asyncio.get_running_loop().create_future()
        self._asked.setdefault((tenant, run_id), []).append(future)
        self._news.set()
        return await future

    async def run(self) -> None:
        """Read until cancelled."""
        taken: dict[Key, list[asyncio.Future[Row | None]]] = {}
        try:
            while True:
                await self._news.wait()
                self._news.clear()
                while self._asked:
                    taken = {key: self._asked.pop(key) for key in list(self._asked)[:MOST_RUNS]}
                    await self._answer(taken)
        finally:
            self._closed = True
            for futures in (*taken.values(), *self._asked.values()):
                _fail(futures, StoreBusy("the store is closed"))

    async def _answer(self, taken: dict[Key, list[asyncio.Future[Row | None]]]) -> None:
        """Read what was taken; where that is refused, one after the other, so that a bad id harms no other."""
        try:
            found = await self._fetch(list(taken))
        except RipienoError as error:
            if len(taken) == 1 or isinstance(error, StoreBusy):
                for futures in taken.values():
                    _fail(futures, error)
                return
            for key, futures in taken.items():
                await self._answer({key: futures})
            return
        for key, futures in taken.items():
            for future in futures:
                if not future.done():
                    future.set_result(found.get(key))

    async def _fetch(self, keys: Sequence[Key]) -> dict[Key, Row]:
        tenants, ids = zip(*keys, strict=True)
        return {(row["tenant"], row["id"]): row for row in await self._database.fetch(RUNS, tenants, ids)}


def _fail(futures: Sequence[asyncio.Future[Row | None]], error: Exception) -> None:
    for future in futures:
        if not future.done():  # its caller may have been cancelled
            future.set_exception(error)
