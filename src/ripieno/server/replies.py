"""What the idempotency of the HTTP door asks of a store."""

from typing import Protocol

from ripieno.domain.replies import StoredReply


class Replies(Protocol):
    """First answers of write requests, kept for 24 hours by (scope, key)."""

    async def begin(self, scope: str, key: str, body_hash: str, resource_id: str) -> StoredReply | None:
        """Reserve the key. None when it is new; otherwise what is there.

        `resource_id` is the id that the request will give to what it creates: a request that a crash cut off is
        tried again under the same id and so creates it once.
        """
        ...

    async def complete(self, scope: str, key: str, reply: StoredReply) -> None:
        """Keep the answer."""
        ...

    async def forget(self, scope: str, key: str) -> None:
        """Free the key, because the request was refused before it did anything."""
        ...
