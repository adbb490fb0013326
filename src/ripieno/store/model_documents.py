"""What administrators say about models, in the database."""

from collections.abc import Sequence

from ripieno.domain.errors import Conflict, NameTaken, NotFound
from ripieno.domain.model_documents import (
    Deed,
    DocumentChange,
    DocumentKind,
    DocumentMark,
    ModelDocument,
    is_made,
)
from ripieno.domain.principals import Principal
from ripieno.store.bodies import dump
from ripieno.store.portable.frame import Frame, Frames, Record, Work

MARKS = """
SELECT tenant, kind, name, revision, updated_at FROM model_documents WHERE kind <> 'routing_version'
ORDER BY tenant, kind, name
"""

AT_HAND = "SELECT * FROM model_documents WHERE kind <> 'routing_version' ORDER BY tenant, kind, name"

ONE = "SELECT * FROM model_documents WHERE tenant = :tenant AND kind = :kind AND name = :name"

ALL = """
SELECT * FROM model_documents WHERE tenant = :tenant AND kind = :kind ORDER BY created_at DESC, name DESC LIMIT :limit
"""

LOCKED = f"{ONE} FOR UPDATE"

INSERT = """
INSERT INTO model_documents (tenant, kind, name, revision, body, created_by, created_at, updated_at)
VALUES (:tenant, :kind, :name, 1, :body, :by, :now, :now) ON CONFLICT DO NOTHING RETURNING name
"""

UPDATE = """
UPDATE model_documents SET body = :body, revision = revision + 1, updated_at = :now
WHERE tenant = :tenant AND kind = :kind AND name = :name
"""

DELETE = "DELETE FROM model_documents WHERE tenant = :tenant AND kind = :kind AND name = :name"


class StoredModelDocuments:
    """Keeps documents by tenant, kind and name; each change is audited."""

    def __init__(self, frames: Frames) -> None:
        self._frames = frames

    async def marks(self) -> Sequence[DocumentMark]:
        """Which are at hand, of all tenants."""
        return await self._frames.read(_marks)

    async def at_hand(self) -> Sequence[ModelDocument]:
        """Those of all tenants, but for versions of routings."""
        return await self._frames.read(_at_hand)

    async def get(self, tenant: str, kind: DocumentKind, name: str) -> ModelDocument:
        """One of them. Raises `NotFound`."""
        return await self._frames.read(_get, tenant, kind, name)

    async def all(self, tenant: str, kind: DocumentKind, limit: int) -> Sequence[ModelDocument]:
        """Those of a kind, newest first."""
        return await self._frames.read(_all, tenant, kind, limit)

    async def change(self, principal: Principal, changes: Sequence[DocumentChange], deed: Deed) -> None:
        """Make all of these changes, or none.

        Raises:
            NameTaken, Conflict: A document is not at the revision that was named.
        """
        await self._frames.write(_change, principal, changes, deed)


def _marks(frame: Frame) -> Work[list[DocumentMark]]:
    rows = yield from frame.all(MARKS)
    return [
        DocumentMark(row["tenant"], DocumentKind(row["kind"]), row["name"], row["revision"], row.time("updated_at"))
        for row in rows
    ]


def _at_hand(frame: Frame) -> Work[list[ModelDocument]]:
    rows = yield from frame.all(AT_HAND)
    return [_document(row) for row in rows]


def _get(frame: Frame, tenant: str, kind: DocumentKind, name: str) -> Work[ModelDocument]:
    row = yield from frame.one(ONE, tenant=tenant, kind=kind.value, name=name)
    if row is None:
        raise NotFound(kind.value.replace("_", " "), name)
    return _document(row)


def _all(frame: Frame, tenant: str, kind: DocumentKind, limit: int) -> Work[list[ModelDocument]]:
    rows = yield from frame.all(ALL, tenant=tenant, kind=kind.value, limit=limit)
    return [_document(row) for row in rows]


def _change(frame: Frame, by: Principal, changes: Sequence[DocumentChange], deed: Deed) -> Work[None]:
    standing: list[tuple[DocumentChange, Record | None]] = []
    for change in sorted(changes, key=lambda change: (change.kind, change.name)):
        row = yield from frame.one(LOCKED, tenant=by.tenant, kind=change.kind.value, name=change.name)
        standing.append((change, row))
    if all(is_made(change, _revision(row), row.json("body") if row else None) for change, row in standing):
        return
    for change, row in standing:
        if _revision(row) != change.revision:
            raise _otherwise(change)
        yield from _make(frame, by, change)
    yield from frame.tell(by.tenant, "audit", "", {"action": deed.action, "actor": by.id, "target": deed.target})


def _make(frame: Frame, by: Principal, change: DocumentChange) -> Work[None]:
    place = {"tenant": by.tenant, "kind": change.kind.value, "name": change.name}
    if change.body is None:
        yield from frame.all(DELETE, **place)
    elif change.revision > 0:
        yield from frame.all(UPDATE, **place, body=dump(change.body), now=frame.now)
    elif not (yield from frame.all(INSERT, **place, body=dump(change.body), by=by.id, now=frame.now)):
        raise _otherwise(change)


def _revision(row: Record | None) -> int:
    return row["revision"] if row else 0


def _otherwise(change: DocumentChange) -> Conflict:
    kind = change.kind.value.replace("_", " ")
    if change.revision == 0:
        return NameTaken(kind, change.name)
    return Conflict(f"somebody else changed the {kind} {change.name!r} meanwhile; look again")


def _document(row: Record) -> ModelDocument:
    return ModelDocument(
        row["tenant"],
        DocumentKind(row["kind"]),
        row["name"],
        row["revision"],
        row.json("body"),
        row["created_by"],
        row.time("created_at"),
        row.time("updated_at"),
    )
