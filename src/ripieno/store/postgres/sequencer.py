"""Gives news its place in the order of all news, milliseconds after its commit.

Several processes may number at once: one has the lock, the others come
again, because the one that had it may not have seen what they committed. What nobody numbered (a process that died in
between) the pump finds.
"""

import asyncio
import logging

from ripieno.domain.errors import StoreBusy
from ripieno.store.postgres.connections import pause
from ripieno.store.postgres.house import House

log = logging.getLogger(__name__)

COALESCE_SECONDS = 0.005
REST_SECONDS = 0.02
"""From one numbering to the next: under load, news of so long a time shares a commit."""


class Sequencer:
    """`run` it beside everything else. `news` is set by whoever commits."""

    def __init__(self, house: House, news: asyncio.Event) -> None:
        self._house = house
        self._news = news

    async def run(self) -> None:
        """Number until cancelled."""
        while True:
            await self._news.wait()
            await pause(COALESCE_SECONDS)
            self._news.clear()
            try:
                if await self._house.number() is None:
                    self._news.set()
                    continue
            except StoreBusy as error:
                log.warning("news must wait for its place", extra={"reason": error.detail})
            await pause(REST_SECONDS)
