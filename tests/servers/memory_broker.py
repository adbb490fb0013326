"""A broker in memory that can be away, refuse, swallow and stall: what a link does, without a network."""

import asyncio
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

from ripieno.integrations.brokers.link import Hear, Send


@dataclass
class MemoryBroker:
    """`Link`. Everything that one sends reaches all at once; `frames` keeps it."""

    name: str = "memory://broker"
    carries_deltas: bool = True
    away: bool = False
    deaf: bool = False
    frames: list[bytes] = field(default_factory=list[bytes])
    listeners: list[Hear] = field(default_factory=list[Hear])
    flowing: asyncio.Event = field(default_factory=asyncio.Event)
    swallows: bool = False

    def __post_init__(self) -> None:
        self.flowing.set()

    @asynccontextmanager
    async def open(self, hear: Hear) -> AsyncGenerator[Send]:
        if self.away:
            raise ConnectionError("nobody is there")
        self.listeners.append(hear)
        try:
            yield self.send
        finally:
            self.listeners.remove(hear)

    async def send(self, frame: bytes) -> None:
        """Hand a frame to all, when it flows. With `swallows`, cancelling it is as good as sending it."""
        try:
            await self.flowing.wait()
        except asyncio.CancelledError:
            if not self.swallows:
                raise
        if self.away:
            raise ConnectionError("nobody is there any more")
        self.frames.append(frame)
        if not self.deaf:
            for hear in tuple(self.listeners):
                hear(frame)
