"""First answers of write requests, in a dictionary."""

from datetime import datetime, timedelta

from ripieno.domain.replies import StoredReply
from ripieno.ports import Clock

KEPT = timedelta(hours=24)


class MemoryReplies:
    """`server.replies.Replies` without a disk."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._kept: dict[tuple[str, str], tuple[datetime, StoredReply]] = {}

    async def begin(self, scope: str, key: str, body_hash: str, resource_id: str) -> StoredReply | None:
        now = self._clock.now()
        self._kept = {place: kept for place, kept in self._kept.items() if kept[0] + KEPT > now}
        if known := self._kept.get((scope, key)):
            return known[1]
        self._kept[scope, key] = (now, StoredReply(body_hash, resource_id))
        return None

    async def complete(self, scope: str, key: str, reply: StoredReply) -> None:
        if known := self._kept.get((scope, key)):
            self._kept[scope, key] = (known[0], reply)

    async def forget(self, scope: str, key: str) -> None:
        self._kept.pop((scope, key), None)
