"""A private PostgreSQL for tests: a cluster in a temporary folder, on a Unix socket, gone with its process.

    with PostgresServer() as server:
        url = server.create("name")

`fsync` is on: what is committed must survive `restart(immediate=True)`. Tests that need it carry `NEEDS`.
"""

import atexit
import ctypes
import os
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import pytest

NEEDS = pytest.mark.needs("pg_ctlcluster")
PATIENCE_SECONDS = 60.0

SETTINGS: Mapping[str, str] = {
    "listen_addresses": "",
    "fsync": "on",
    "synchronous_commit": "on",
    "full_page_writes": "on",
    "max_connections": "200",
    "shared_buffers": "128MB",
    "deadlock_timeout": "200ms",
    "log_min_messages": "warning",
    "max_wal_size": "1GB",
}


class PostgresServer:
    """A running cluster; `restart` and `stop` as one likes."""

    def __init__(self) -> None:
        self._programs = programs()
        self.folder = Path(tempfile.mkdtemp(prefix="ripieno-pg-", dir="/tmp"))
        self._log = self.folder / "log"
        self._process: subprocess.Popen[Any] | None = None
        if os.geteuid() == 0:
            shutil.chown(self.folder, "postgres")
        initdb = [self._programs / "initdb", "-D", self.folder / "data", "-U", "postgres", "-A", "trust"]
        subprocess.run(
            [*initdb, "--no-sync", "-E", "UTF8", "--locale=C.UTF-8"], check=True, capture_output=True, **_as_postgres()
        )
        self.start()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Stop, and leave nothing behind."""
        self.stop()
        shutil.rmtree(self.folder, ignore_errors=True)

    def url(self, database: str = "postgres") -> str:
        return f"postgresql://postgres@/{database}?host={self.folder}"

    def start(self) -> None:
        """Start, and wait until it answers."""
        settings = [part for name, value in SETTINGS.items() for part in ("-c", f"{name}={value}")]
        with self._log.open("ab") as log:
            process = subprocess.Popen(
                [self._programs / "postgres", "-D", self.folder / "data", "-k", self.folder, *settings],
                stdout=log,
                stderr=log,
                preexec_fn=_die_with_parent,  # noqa: PLW1509 - one system call, no lock
                **_as_postgres(),
            )
        self._process = process
        deadline = time.monotonic() + PATIENCE_SECONDS
        ready = [self._programs / "pg_isready", "-q", "-h", self.folder]
        while subprocess.run(ready, check=False).returncode:
            assert process.poll() is None, self._log.read_text()
            assert time.monotonic() < deadline, self._log.read_text()
            time.sleep(0.02)

    def stop(self, *, immediate: bool = True) -> None:
        """Stop; `immediate` is as good as pulling the plug: no checkpoint, recovery at the next start."""
        if self._process is not None:
            self._process.send_signal(signal.SIGQUIT if immediate else signal.SIGINT)
            self._process.wait(PATIENCE_SECONDS)

    def restart(self, *, immediate: bool = True) -> None:
        """Pull the plug, or shut down as an administrator does, and start again."""
        self.stop(immediate=immediate)
        self.start()

    @property
    def socket(self) -> Path:
        """Where it listens."""
        return self.folder / ".s.PGSQL.5432"

    def create(self, database: str, template: str = "template0") -> str:
        """A new database; answers its URL."""
        self.sql(f'CREATE DATABASE "{database}" TEMPLATE "{template}"')
        return self.url(database)

    def log(self) -> str:
        """All that the server said."""
        return self._log.read_text()

    def sql(self, statement: str, database: str = "postgres") -> str:
        """Execute something, from outside of every connection of the tests; answers what psql prints, unaligned."""
        psql = [self._programs / "psql", "-h", self.folder, "-U", "postgres", "-d", database]
        asked = [*psql, "-v", "ON_ERROR_STOP=1", "-qAtX", "-c", statement]
        done = subprocess.run(asked, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr
        return done.stdout.strip()


@cache
def shared() -> PostgresServer:
    """One server for all tests of this process; it dies with the process."""
    server = PostgresServer()
    atexit.register(server.close)
    return server


def programs() -> Path:
    """The folder of the newest PostgreSQL's programs."""
    found = sorted(Path("/usr/lib/postgresql").glob("*/bin/postgres"), key=lambda path: int(path.parts[-3]))
    on_path = shutil.which("postgres")
    if not found and on_path is None:
        pytest.skip("PostgreSQL's programs are not installed (scripts/debian-packages.txt)")
    return found[-1].parent if found else Path(str(on_path)).parent


def _as_postgres() -> dict[str, Any]:
    """PostgreSQL refuses to run as root."""
    return {"user": "postgres", "group": "postgres", "extra_groups": []} if os.geteuid() == 0 else {}


def _die_with_parent() -> None:
    libc = ctypes.CDLL(None)
    libc.prctl(1, signal.SIGQUIT)  # PR_SET_PDEATHSIG
