"""What administrators say about models, in a dictionary."""

import json
from collections.abc import Sequence
from dataclasses import replace

from ripieno.domain import jsons
from ripieno.domain.errors import Conflict, NameTaken, NotFound
from ripieno.domain.jsons import JsonObject
from ripieno.domain.model_documents import (
    Deed,
    DocumentChange,
    DocumentKind,
    DocumentMark,
    ModelDocument,
    is_made,
)
from ripieno.domain.principals import Principal
from ripieno.ports import Clock

Place = tuple[str, DocumentKind, str]


class MemoryModelDocuments:
    """`StoredModelDocuments` without a database. `deeds` is what an audit would have."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._kept: dict[Place, ModelDocument] = {}
        self.deeds: list[Deed] = []

    async def marks(self) -> Sequence[DocumentMark]:
        return [DocumentMark(*place, one.revision, one.updated_at) for place, one in self._at_hand()]

    async def at_hand(self) -> Sequence[ModelDocument]:
        return [document for _, document in self._at_hand()]

    async def get(self, tenant: str, kind: DocumentKind, name: str) -> ModelDocument:
        if known := self._kept.get((tenant, kind, name)):
            return known
        raise NotFound(kind.value.replace("_", " "), name)

    async def all(self, tenant: str, kind: DocumentKind, limit: int) -> Sequence[ModelDocument]:
        found = [one for (owner, of_kind, _), one in self._kept.items() if (owner, of_kind) == (tenant, kind)]
        return sorted(found, key=lambda one: (one.created_at, one.name), reverse=True)[:limit]

    async def change(self, principal: Principal, changes: Sequence[DocumentChange], deed: Deed) -> None:
        kept = dict(self._kept)
        if all(self._is_made(principal, change) for change in changes):
            return
        for change in changes:
            self._put(kept, principal, change)
        self._kept = kept
        self.deeds.append(deed)

    def _put(self, kept: dict[Place, ModelDocument], by: Principal, change: DocumentChange) -> None:
        place, now = (by.tenant, change.kind, change.name), self._clock.now()
        known = kept.get(place)
        kind = change.kind.value.replace("_", " ")
        if (known.revision if known else 0) != change.revision:
            if change.revision == 0:
                raise NameTaken(kind, change.name)
            raise Conflict(f"somebody else changed the {kind} {change.name!r} meanwhile; look again")
        if change.body is None:
            kept.pop(place, None)
            return
        body: JsonObject = json.loads(jsons.canonical(change.body))
        new = ModelDocument(*place, 1, body, by.id, now, now)
        kept[place] = replace(known, revision=known.revision + 1, body=body, updated_at=now) if known else new

    def _is_made(self, by: Principal, change: DocumentChange) -> bool:
        known = self._kept.get((by.tenant, change.kind, change.name))
        return is_made(change, known.revision if known else 0, known.body if known else None)

    def _at_hand(self) -> list[tuple[Place, ModelDocument]]:
        found = [item for item in self._kept.items() if item[0][1] is not DocumentKind.ROUTING_VERSION]
        return sorted(found)
