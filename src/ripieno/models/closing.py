"""Ending a model's stream as soon as its reader is done with it."""

from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import asynccontextmanager

from ripieno.domain.messages import ModelEvent


@asynccontextmanager
async def closing(events: AsyncIterator[ModelEvent]) -> AsyncGenerator[AsyncIterator[ModelEvent]]:
    """Read a stream and, on the way out, end it: a generator that is left half read would hold its connection."""
    try:
        yield events
    finally:
        if isinstance(events, AsyncGenerator):
            await events.aclose()
