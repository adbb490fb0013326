"""How connections to the file are made."""

import sqlite3
from pathlib import Path

from ripieno.domain.errors import StoreBusy

STATEMENTS = 256
"""How many prepared statements a connection keeps: more than there are."""

FOR_WRITING = (
    "PRAGMA journal_mode = WAL",
    # Every commit reaches the disk before anybody hears of it.
    "PRAGMA synchronous = FULL",
    "PRAGMA busy_timeout = 5000",
    "PRAGMA cache_size = -32000",
    # Checkpoint about every 16 MB: each costs two more fsyncs.
    "PRAGMA wal_autocheckpoint = 4000",
    "PRAGMA journal_size_limit = 67108864",
)

FOR_READING = ("PRAGMA busy_timeout = 5000", "PRAGMA query_only = ON")


def for_writing(path: Path) -> sqlite3.Connection:
    """Open the one connection that writes; its transactions are begun and ended by hand.

    Raises:
        StoreBusy: The file cannot be opened.
    """
    return _opened(path, FOR_WRITING)


def for_reading(path: Path) -> sqlite3.Connection:
    """Open a connection that only reads, beside the writer. Raises `StoreBusy`."""
    return _opened(path, FOR_READING)


def _opened(path: Path, pragmas: tuple[str, ...]) -> sqlite3.Connection:
    try:
        connection = sqlite3.connect(path, isolation_level=None, check_same_thread=False, cached_statements=STATEMENTS)
        for pragma in pragmas:
            connection.execute(pragma)
    except sqlite3.Error as error:
        raise StoreBusy(f"{path} cannot be opened: {error}") from error
    connection.row_factory = sqlite3.Row
    return connection
