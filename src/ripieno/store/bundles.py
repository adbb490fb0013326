"""Bundles: everything about one run that has ended, in one compressed file that describes itself.

JSON lines in gzip. The first line says what it is, then comes one line a row, table by table, and the last has the
number of lines before it and the SHA-256 of their bytes: a file without that line is not whole.
"""

import gzip
import hashlib
import json
import os
from collections.abc import Iterator, Sequence
from pathlib import Path
from types import TracebackType
from typing import Self

from ripieno.domain.errors import Invalid
from ripieno.domain.jsons import JsonObject

FORMAT = 1
ENDING = ".jsonl.gz"


class Bundle:
    """A bundle being written. It gets its name when it is whole and on the disk; before, it ends in `.part`."""

    def __init__(self, path: Path, about: JsonObject) -> None:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        self._path = path
        self._part = path.with_name(f"{path.name}.{os.getpid()}.part")
        self._file = os.fdopen(os.open(self._part, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "wb")
        self._zip = gzip.GzipFile(filename="", mode="wb", fileobj=self._file, mtime=0)
        self._hash = hashlib.sha256()
        self._lines = 0
        self.add([{"type": "bundle", "format": FORMAT, **about}])

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self._zip.close()
        self._file.close()
        self._part.unlink(missing_ok=True)

    def add(self, rows: Sequence[JsonObject]) -> None:
        """Write lines."""
        for row in rows:
            line = (json.dumps(row, ensure_ascii=False, separators=(",", ":")) + "\n").encode()
            self._zip.write(line)
            self._hash.update(line)
            self._lines += 1

    def finish(self) -> None:
        """Make it whole, wait until it is on the disk, and give it its name."""
        end = {"type": "end", "lines": self._lines, "sha256": self._hash.hexdigest()}
        self._zip.write((json.dumps(end) + "\n").encode())
        self._zip.close()
        self._file.flush()
        os.fsync(self._file.fileno())
        self._file.close()
        self._part.replace(self._path)
        folder = os.open(self._path.parent, os.O_RDONLY)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)


def read(path: Path) -> Iterator[JsonObject]:
    """The lines of a bundle but its last.

    Raises:
        Invalid: It is cut off, damaged, or something else.
    """
    digest, lines = hashlib.sha256(), 0
    try:
        with gzip.open(path, "rb") as unzipped:
            for line in unzipped:
                row: JsonObject = json.loads(line)
                if row["type"] == "end":
                    if (row["lines"], row["sha256"]) != (lines, digest.hexdigest()):
                        raise Invalid(f"{path} is damaged: its lines are not those that were written")
                    return
                digest.update(line)
                lines += 1
                yield row
    except (OSError, EOFError, ValueError, KeyError, TypeError) as error:
        raise Invalid(f"{path} is no bundle, or is damaged: {error}") from error
    raise Invalid(f"{path} is cut off")


def holds(path: Path, about: JsonObject) -> bool:
    """Whether there is a whole bundle about exactly this."""
    if not path.exists():
        return False
    try:
        first, *_ = read(path)
    except Invalid:
        return False
    return first == {"type": "bundle", "format": FORMAT, **about}
