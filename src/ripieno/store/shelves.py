"""Where the bytes of artifacts are: files in a folder, or chunks in the database.

A shelf knows places alone: names that we make, each used once, which begin with the time. What is where, and for whom,
is in the table `blobs`.
"""

import asyncio
import os
import re
from collections.abc import AsyncIterable, Sequence
from pathlib import Path
from typing import IO, Protocol

from ripieno.domain.errors import Defect
from ripieno.store.portable.frame import Frame, Frames, Work

CHUNK = 512 * 1024

PLACE = re.compile(r"blb_[0-9a-f]{32}")

PUT = "INSERT INTO blob_chunks (place, n, data) VALUES (:place, :n, :data) ON CONFLICT (place, n) DO NOTHING"

READ = """
SELECT data FROM blob_chunks WHERE place = :place AND n >= :first::int AND n <= :last::int ORDER BY n
"""

DELETE = "DELETE FROM blob_chunks WHERE place = :place"

OLDER = """
SELECT DISTINCT place FROM blob_chunks WHERE place < :before AND place > :after ORDER BY place LIMIT :limit::int
"""


class Shelf(Protocol):
    """Keeps bytes by place."""

    async def put(self, place: str, pieces: AsyncIterable[bytes]) -> None:
        """Keep what comes; when it returns, a crash loses nothing of it."""
        ...

    async def read(self, place: str, offset: int, length: int) -> bytes:
        """A range, which is within what is kept."""
        ...

    async def delete(self, place: str) -> None:
        """Forget what is there, if anything is."""
        ...

    async def older(self, before: str, after: str, limit: int) -> Sequence[str]:
        """The first places between two, in order."""
        ...


class FolderShelf:
    """A file for each place. It has its name when it is whole and on the disk; before, it ends in `.part`."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    async def put(self, place: str, pieces: AsyncIterable[bytes]) -> None:
        path = self._path(place)
        part = path.with_suffix(".part")
        file = await asyncio.to_thread(_create, part)
        try:
            async for piece in pieces:
                await asyncio.to_thread(file.write, piece)
            await asyncio.to_thread(_complete, file, part, path)
        finally:
            await asyncio.to_thread(file.close)

    async def read(self, place: str, offset: int, length: int) -> bytes:
        return await asyncio.to_thread(_range, self._path(place), offset, length)

    async def delete(self, place: str) -> None:
        path = self._path(place)
        await asyncio.to_thread(path.unlink, missing_ok=True)
        await asyncio.to_thread(path.with_suffix(".part").unlink, missing_ok=True)

    async def older(self, before: str, after: str, limit: int) -> Sequence[str]:
        places = await asyncio.to_thread(self._places)
        return sorted(place for place in places if after < place < before)[:limit]

    def _path(self, place: str) -> Path:
        if not PLACE.fullmatch(place):
            raise Defect(f"no place of bytes: {place!r}")
        return self._folder / place[-2:] / place

    def _places(self) -> set[str]:
        names = (path.name.removesuffix(".part") for path in self._folder.glob("??/*"))
        return {name for name in names if PLACE.fullmatch(name)}


class DatabaseShelf:
    """Rows of half a megabyte each: for processes that share nothing but their database."""

    def __init__(self, frames: Frames) -> None:
        self._frames = frames

    async def put(self, place: str, pieces: AsyncIterable[bytes]) -> None:
        buffer, n = bytearray(), 0
        async for piece in pieces:
            buffer += piece
            while len(buffer) >= CHUNK:
                await self._frames.write(_put, place, n, bytes(buffer[:CHUNK]))
                del buffer[:CHUNK]
                n += 1
        if buffer:
            await self._frames.write(_put, place, n, bytes(buffer))

    async def read(self, place: str, offset: int, length: int) -> bytes:
        if not length:
            return b""
        first, last = offset // CHUNK, (offset + length - 1) // CHUNK
        found = b"".join(await self._frames.read(_read, place, first, last))
        return found[offset - first * CHUNK :][:length]

    async def delete(self, place: str) -> None:
        await self._frames.write(_delete, place)

    async def older(self, before: str, after: str, limit: int) -> Sequence[str]:
        return await self._frames.read(_older, before, after, limit)


def _create(part: Path) -> IO[bytes]:
    part.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    return os.fdopen(os.open(part, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "wb")


def _complete(file: IO[bytes], part: Path, path: Path) -> None:
    file.flush()
    os.fsync(file.fileno())
    part.replace(path)
    # The name too must be on the disk, and that of the folder, which may be new.
    for folder in (path.parent, path.parent.parent):
        number = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(number)
        finally:
            os.close(number)


def _range(path: Path, offset: int, length: int) -> bytes:
    with path.open("rb") as file:
        file.seek(offset)
        return file.read(length)


def _put(frame: Frame, place: str, n: int, data: bytes) -> Work[None]:
    yield from frame.all(PUT, place=place, n=n, data=data)


def _read(frame: Frame, place: str, first: int, last: int) -> Work[list[bytes]]:
    return [bytes(row["data"]) for row in (yield from frame.all(READ, place=place, first=first, last=last))]


def _delete(frame: Frame, place: str) -> Work[None]:
    yield from frame.all(DELETE, place=place)


def _older(frame: Frame, before: str, after: str, limit: int) -> Work[list[str]]:
    return [row["place"] for row in (yield from frame.all(OLDER, before=before, after=after, limit=limit))]
