"""What administrators say about models, at hand in every process: read at the start, and again when it has changed."""

import asyncio
import logging
from collections.abc import AsyncGenerator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from typing import Protocol

from ripieno.domain.errors import RipienoError
from ripieno.domain.model_documents import Deed, DocumentChange, DocumentKind, DocumentMark, ModelDocument
from ripieno.domain.principals import Principal
from ripieno.ports import Clock

log = logging.getLogger(__name__)

POLL_SECONDS = 2.0


class Documents(Protocol):
    """Where documents are kept; each change is audited."""

    async def marks(self) -> Sequence[DocumentMark]:
        """Which are at hand, of all tenants."""
        ...

    async def at_hand(self) -> Sequence[ModelDocument]:
        """Those of all tenants, but for versions of routings."""
        ...

    async def get(self, tenant: str, kind: DocumentKind, name: str) -> ModelDocument:
        """One of them. Raises `NotFound`."""
        ...

    async def all(self, tenant: str, kind: DocumentKind, limit: int) -> Sequence[ModelDocument]:
        """Those of a kind, newest first."""
        ...

    async def change(self, principal: Principal, changes: Sequence[DocumentChange], deed: Deed) -> None:
        """Make all of these changes, or none.

        Raises:
            NameTaken, Conflict: A document is not at the revision that was named.
        """
        ...


Shelf = Mapping[str, ModelDocument]
"""The documents of one kind and tenant, by name."""


class DocumentsAtHand:
    """The documents as this process knows them: no more than two seconds old, and its own changes at once."""

    def __init__(self, kept: Documents) -> None:
        self.kept = kept
        self._marks: Sequence[DocumentMark] = ()
        self._shelves: dict[tuple[str, DocumentKind], dict[str, ModelDocument]] = {}
        self._listeners: list[Callable[[], None]] = []
        self._reading = asyncio.Lock()

    def of(self, tenant: str, kind: DocumentKind) -> Shelf:
        """Those of a tenant."""
        return self._shelves.get((tenant, kind), {})

    def every(self, kind: DocumentKind) -> Sequence[ModelDocument]:
        """Those of all tenants."""
        return [one for (_, of_kind), shelf in self._shelves.items() if of_kind is kind for one in shelf.values()]

    def on_change(self, listener: Callable[[], None]) -> None:
        """Be told whenever anything is different."""
        self._listeners.append(listener)

    async def change(self, principal: Principal, changes: Sequence[DocumentChange], deed: Deed) -> None:
        """Change documents; here that is known at once. Raises as `Documents.change`."""
        try:
            await self.kept.change(principal, changes, deed)
        finally:
            await self.refresh()

    async def refresh(self) -> None:
        """Read what has changed anywhere since the last time."""
        async with self._reading:
            marks = list(await self.kept.marks())
            if marks == self._marks:
                return
            shelves: dict[tuple[str, DocumentKind], dict[str, ModelDocument]] = {}
            for one in await self.kept.at_hand():
                shelves.setdefault((one.tenant, one.kind), {})[one.name] = one
            self._marks, self._shelves = marks, shelves
            for listener in self._listeners:
                listener()

    @asynccontextmanager
    async def watched(self, clock: Clock) -> AsyncGenerator["DocumentsAtHand"]:
        """Read, and kept up to date until the block ends."""
        await self.refresh()
        async with asyncio.TaskGroup() as group:
            task = group.create_task(self._watch(clock), name="model documents")
            try:
                yield self
            finally:
                task.cancel()

    async def _watch(self, clock: Clock) -> None:
        while True:
            await clock.sleep(POLL_SECONDS)
            try:
                await self.refresh()
            except RipienoError as error:  # the database is away; the next round may be better
                log.warning("providers and routes cannot be looked up: %s", error.detail)
