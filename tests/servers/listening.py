"""Somebody who listens to a dispatch, and waits for what is said."""

import asyncio
from collections.abc import Sequence

from ripieno.domain.hints import Hint, HintKind
from ripieno.ports import Dispatch

SECONDS = 30


class Listener:
    """Hears from the moment it is made. `hints` is all so far."""

    def __init__(self, dispatch: Dispatch) -> None:
        self.hints: list[Hint] = []
        self._news = asyncio.Event()
        self.leave = dispatch.subscribe(self._hear)

    async def until(self, *hints: Hint) -> None:
        """Wait until all of these were heard."""
        async with asyncio.timeout(SECONDS):
            while not set(hints) <= set(self.hints):
                self._news.clear()
                await self._news.wait()

    def _hear(self, hint: Hint) -> None:
        self.hints.append(hint)
        self._news.set()


async def repeated(dispatch: Dispatch, hints: Sequence[Hint], listener: Listener) -> None:
    """Say the same until it is heard: hints may be lost."""
    async with asyncio.timeout(SECONDS):
        while not set(hints) <= set(listener.hints):
            dispatch.publish(hints)
            await asyncio.sleep(0.02)


def work(number: int) -> Hint:
    return Hint(HintKind.WORK, f"run_{number}")
