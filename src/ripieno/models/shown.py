"""The text that a caller has seen of an answer which is tried more than once."""

from collections.abc import AsyncIterator

from ripieno.domain.errors import ModelUnavailable
from ripieno.domain.messages import ModelEvent, Reply, TextDelta


class Shown:
    """What was shown, over all attempts, and how far the present attempt has come.

    What was shown of an attempt that broke off cannot be taken back. A later one shows only what goes beyond it, and
    nothing more from where its text differs.
    """

    def __init__(self) -> None:
        self._seen = ""
        self._now = ""

    async def attempt(self, events: AsyncIterator[ModelEvent]) -> AsyncIterator[ModelEvent]:
        """One attempt's events, without the text that the caller has seen; without a reply, it counts as cut off."""
        self._now = ""
        async for event in events:
            if isinstance(event, Reply):
                yield event
                return
            for piece in self._new(event):
                yield piece
        raise ModelUnavailable("the model ended without an answer")

    def _new(self, delta: TextDelta) -> list[TextDelta]:
        """What of a delta the caller has not seen; nothing when this attempt tells another story."""
        self._now += delta.text
        if len(self._now) <= len(self._seen) or not self._now.startswith(self._seen):
            return []
        surplus = self._now[len(self._seen) :]
        self._seen = self._now
        return [TextDelta(surplus)]
