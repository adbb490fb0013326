"""A private PostgreSQL for a bench, with fresh databases: empty ones, and ones with Ripieno's tables.

The server is the tests' own (`tests/servers/postgres.py`): durable (`fsync` on), on a Unix socket, gone with the bench.
"""

import asyncio
import shutil
import subprocess
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path
from typing import Self

from bench.programs import BenchFailed
from ripieno.store import migrate
from tests.servers.postgres import PostgresServer

TABLES = "bench_tables"


class Databases:
    """Makes databases on one running server."""

    def __init__(self, server: PostgresServer) -> None:
        self._server = server
        self._made = 0

    @classmethod
    @contextmanager
    def running(cls) -> Generator[Self]:
        """Start a server for the block.

        Raises:
            BenchFailed: PostgreSQL is not installed, or does not start.
        """
        if not installed():
            raise BenchFailed("PostgreSQL's programs are not installed; scripts/debian-packages.txt names them")
        try:
            server = PostgresServer()
        except (OSError, subprocess.CalledProcessError, AssertionError) as error:
            raise BenchFailed(f"a private PostgreSQL did not start: {error}") from None
        with server:
            asyncio.run(migrate.upgrade_database(server.create(TABLES)))
            yield cls(server)

    @contextmanager
    def fresh(self, *, tables: bool) -> Generator[str]:
        """The URL of a new database, with Ripieno's tables or empty; it is dropped after the block."""
        self._made += 1
        name = f"bench_{self._made}"
        url = self._server.create(name, TABLES if tables else "template0")
        try:
            yield url
        finally:
            self._server.sql(f'DROP DATABASE "{name}" WITH (FORCE)')


def installed() -> bool:
    """Whether there are programs to start one with."""
    return any(Path("/usr/lib/postgresql").glob("*/bin/postgres")) or shutil.which("postgres") is not None
