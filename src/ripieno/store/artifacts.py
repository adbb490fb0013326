"""Artifacts: rows in the database, bytes on a shelf, each content once for each tenant.

Bytes are on the shelf before a row names them, and a row goes before its bytes do; so a crash leaves bytes that nothing
names, never a name without bytes. `sweep` takes away what nothing names: no sooner than a day after it was last
written, because whoever keeps the same content again touches its row first and then relies on it.
"""

import hashlib
from collections.abc import AsyncIterable, AsyncIterator, Mapping, Sequence

from ripieno.domain import ids
from ripieno.domain.artifacts import LARGEST, YOUNG, Artifact, ArtifactFilter, NewArtifact
from ripieno.domain.errors import Defect, NotFound, TooLarge
from ripieno.domain.principals import Principal
from ripieno.ports import Clock
from ripieno.store.portable.audit import audit
from ripieno.store.portable.frame import Frame, Frames, Record, Work
from ripieno.store.shelves import Shelf

SLICE = 200

ONE = "SELECT * FROM artifacts WHERE tenant = :tenant AND id = :id"

WHERE = """
SELECT blobs.size, blobs.shelf, blobs.place FROM artifacts
JOIN blobs ON blobs.tenant = artifacts.tenant AND blobs.hash = artifacts.hash
WHERE artifacts.tenant = :tenant AND artifacts.id = :id
"""

PAGE = """
SELECT * FROM artifacts WHERE tenant = :tenant AND (NOT :bounded::boolean OR id < :before)
ORDER BY id DESC LIMIT :limit::int
"""

PAGE_OF_RUN = """
SELECT * FROM artifacts WHERE run_id = :run_id AND tenant = :tenant AND (NOT :bounded::boolean OR id < :before)
ORDER BY id DESC LIMIT :limit::int
"""

TOUCH = "UPDATE blobs SET touched_at = :now WHERE tenant = :tenant AND hash = :hash RETURNING place"

KEEP_BYTES = """
INSERT INTO blobs (tenant, hash, size, shelf, place, touched_at)
VALUES (:tenant, :hash, :size::bigint, :shelf, :place, :now)
ON CONFLICT (tenant, hash) DO UPDATE SET touched_at = excluded.touched_at
RETURNING place
"""

# An id is never another tenant's: that row stays as it is, and nothing comes back.
KEEP = """
INSERT INTO artifacts (id, tenant, name, media_type, size, hash, run_id, created_by, created_at)
VALUES (:id, :tenant, :name, :media_type, :size::bigint, :hash, :run_id::text, :by, :now)
ON CONFLICT (id) DO UPDATE SET name = excluded.name, media_type = excluded.media_type, size = excluded.size,
  hash = excluded.hash WHERE artifacts.tenant = excluded.tenant
RETURNING *
"""

DELETE = "DELETE FROM artifacts WHERE tenant = :tenant AND id = :id RETURNING id"

UNNAMED = """
touched_at < :before AND NOT EXISTS (
  SELECT 1 FROM artifacts WHERE artifacts.tenant = blobs.tenant AND artifacts.hash = blobs.hash
)
"""

OLD = f"SELECT place FROM blobs WHERE {UNNAMED} ORDER BY touched_at LIMIT :limit::int FOR UPDATE SKIP LOCKED"  # noqa: S608 - constants

# Looked at once more, now that nobody else can touch the rows.
FORGET = f"DELETE FROM blobs WHERE place = ANY(:places::text[]) AND {UNNAMED} RETURNING shelf, place"  # noqa: S608 - constants

KNOWN = "SELECT place FROM blobs WHERE place = ANY(:places::text[])"


class StoredArtifacts:
    """`ports.Artifacts`. New bytes go onto the shelf named `into`; old ones are read from where they are."""

    def __init__(
        self, frames: Frames, clock: Clock, shelves: Mapping[str, Shelf], into: str, largest: int = LARGEST
    ) -> None:
        self._frames = frames
        self._clock = clock
        self._shelves = shelves
        self._into = into
        self._largest = largest

    async def put(self, new: NewArtifact, content: bytes | AsyncIterable[bytes]) -> Artifact:
        if isinstance(content, bytes):
            digest = hashlib.sha256(content).hexdigest()
            if len(content) <= self._largest and await self._frames.write(_touch, new.tenant, digest):
                return await self._name(new, digest, len(content), None)
        place, meter = self._clock.new_id(ids.BLOB), _Metered(content, self._largest)
        shelf = self._shelves[self._into]
        try:
            await shelf.put(place, meter.pieces())
        except BaseException:
            await shelf.delete(place)
            raise
        # From here on a lost connection may hide a commit: then a row names the bytes.
        return await self._name(new, meter.digest, meter.size, place)

    async def get(self, tenant: str, artifact_id: str) -> Artifact:
        return _artifact(await self._frames.read(_one, tenant, artifact_id))

    async def read(self, tenant: str, artifact_id: str, offset: int = 0, length: int | None = None) -> bytes:
        row = await self._frames.read(_where, tenant, artifact_id)
        if row is None:
            raise NotFound("artifact", artifact_id)
        rest = max(0, row["size"] - offset)
        return await self._shelf(row["shelf"]).read(row["place"], offset, rest if length is None else min(rest, length))

    async def page(
        self, tenant: str, which: ArtifactFilter, limit: int, before: str | None = None
    ) -> Sequence[Artifact]:
        return [_artifact(row) for row in await self._frames.read(_page, tenant, which, limit, before)]

    async def delete(self, principal: Principal, artifact_id: str) -> None:
        await self._frames.write(_delete, principal, artifact_id)

    async def sweep(self) -> int:
        """Take away the bytes that nothing names any more; answers how many contents that were."""
        before, gone = self._clock.now() - YOUNG, 0
        while forgotten := await self._frames.write(_forget, before):
            for shelf, place in forgotten:
                await self._shelf(shelf).delete(place)
            gone += len(forgotten)
        youngest = f"{ids.BLOB}_{int(before.timestamp() * 1000):012x}"
        for shelf in self._shelves.values():
            gone += await self._clear(shelf, youngest)
        return gone

    async def _clear(self, shelf: Shelf, youngest: str) -> int:
        """Take away what a crash left without a row."""
        gone, after = 0, ""
        while places := await shelf.older(youngest, after, SLICE):
            known = await self._frames.read(_known, places)
            for place in places:
                if place not in known:
                    await shelf.delete(place)
                    gone += 1
            after = places[-1]
        return gone

    def _shelf(self, name: str) -> Shelf:
        if name not in self._shelves:
            raise Defect("the bytes are in a folder that this process was not given (artifacts.directory)")
        return self._shelves[name]

    async def _name(self, new: NewArtifact, digest: str, size: int, place: str | None) -> Artifact:
        artifact_id = new.id or self._clock.new_id(ids.ARTIFACT)
        put = (new, artifact_id, digest, size)
        row, kept = await self._frames.write(_put, put, self._into, place)
        if place is not None and kept != place:
            await self._shelves[self._into].delete(place)
        return _artifact(row)


class _Metered:
    """Measures what passes through, and stops it where it is too much."""

    def __init__(self, content: bytes | AsyncIterable[bytes], largest: int) -> None:
        self._content = content
        self._largest = largest
        self._hash = hashlib.sha256()
        self.size = 0

    @property
    def digest(self) -> str:
        return self._hash.hexdigest()

    async def pieces(self) -> AsyncIterator[bytes]:
        """The content.

        Raises:
            TooLarge: It has more bytes than an artifact may have.
        """
        if isinstance(self._content, bytes):
            yield self._measured(self._content)
            return
        async for piece in self._content:
            yield self._measured(piece)

    def _measured(self, piece: bytes) -> bytes:
        self.size += len(piece)
        if self.size > self._largest:
            raise TooLarge(f"an artifact may have {self._largest} bytes")
        self._hash.update(piece)
        return piece


def _touch(frame: Frame, tenant: str, digest: str) -> Work[bool]:
    return (yield from frame.one(TOUCH, tenant=tenant, hash=digest, now=frame.now)) is not None


def _put(
    frame: Frame, put: tuple[NewArtifact, str, str, int], shelf: str, place: str | None
) -> Work[tuple[Record, str | None]]:
    new, artifact_id, digest, size = put
    kept = place
    if place is not None:
        blob = {"tenant": new.tenant, "hash": digest, "size": size, "shelf": shelf, "place": place}
        (row,) = yield from frame.all(KEEP_BYTES, **blob, now=frame.now)
        kept = row["place"]
    given = {"id": artifact_id, "tenant": new.tenant, "name": new.name, "media_type": new.media_type}
    given |= {"size": size, "hash": digest, "run_id": new.run_id, "by": new.created_by}
    row = yield from frame.one(KEEP, **given, now=frame.now)
    if row is None:
        raise Defect(f"the id {artifact_id} is taken")
    if new.run_id is None:
        yield from audit(frame, (new.tenant, new.created_by), "CREATE_ARTIFACT", artifact_id)
    return row, kept


def _one(frame: Frame, tenant: str, artifact_id: str) -> Work[Record]:
    row = yield from frame.one(ONE, tenant=tenant, id=artifact_id)
    if row is None:
        raise NotFound("artifact", artifact_id)
    return row


def _where(frame: Frame, tenant: str, artifact_id: str) -> Work[Record | None]:
    return (yield from frame.one(WHERE, tenant=tenant, id=artifact_id))


def _page(frame: Frame, tenant: str, which: ArtifactFilter, limit: int, before: str | None) -> Work[list[Record]]:
    given = {"tenant": tenant, "bounded": before is not None, "before": before or "", "limit": limit}
    if which.run_id is None:
        return (yield from frame.all(PAGE, **given))
    return (yield from frame.all(PAGE_OF_RUN, **given, run_id=which.run_id))


def _delete(frame: Frame, by: Principal, artifact_id: str) -> Work[None]:
    if (yield from frame.one(DELETE, tenant=by.tenant, id=artifact_id)) is None:
        raise NotFound("artifact", artifact_id)
    yield from audit(frame, (by.tenant, by.id), "DELETE_ARTIFACT", artifact_id)


def _forget(frame: Frame, before: object) -> Work[list[tuple[str, str]]]:
    old = yield from frame.all(OLD, before=before, limit=SLICE)
    if not old:
        return []
    gone = yield from frame.all(FORGET, places=[row["place"] for row in old], before=before)
    return [(row["shelf"], row["place"]) for row in gone]


def _known(frame: Frame, places: Sequence[str]) -> Work[set[str]]:
    return {row["place"] for row in (yield from frame.all(KNOWN, places=list(places)))}


def _artifact(row: Record) -> Artifact:
    return Artifact(
        id=row["id"],
        tenant=row["tenant"],
        name=row["name"],
        media_type=row["media_type"],
        size=row["size"],
        sha256=row["hash"],
        created_at=row.time("created_at"),
        created_by=row["created_by"],
        run_id=row["run_id"],
    )
