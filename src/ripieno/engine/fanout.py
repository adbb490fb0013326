"""Tells those who wait for a run that something happened: one subscription, fanned out by run id in memory."""

import asyncio
from collections.abc import AsyncIterator, Generator
from contextlib import contextmanager
from typing import TypeVar

from ripieno.domain.hints import Hint, HintKind
from ripieno.ports import Dispatch

T = TypeVar("T")


class Fanout:
    """Waiters hold an event or a queue, never a connection."""

    def __init__(self, dispatch: Dispatch) -> None:
        self._events: dict[str, list[tuple[frozenset[HintKind], asyncio.Event]]] = {}
        self._queues: dict[str, list[asyncio.Queue[str]]] = {}
        dispatch.subscribe(self._hear)

    @contextmanager
    def waiting(self, run_id: str, *kinds: HintKind) -> Generator[asyncio.Event]:
        """An event that is set by each such hint for the run. Clear it, read, then wait: so nothing is missed."""
        event = asyncio.Event()
        waiter = (frozenset(kinds), event)
        self._events.setdefault(run_id, []).append(waiter)
        try:
            yield event
        finally:
            _remove(self._events, run_id, waiter)

    @contextmanager
    def deltas(self, run_id: str) -> Generator[AsyncIterator[str]]:
        """The pieces of the run's answers, from now on."""
        queue: asyncio.Queue[str] = asyncio.Queue()
        self._queues.setdefault(run_id, []).append(queue)
        try:
            yield _pieces(queue)
        finally:
            _remove(self._queues, run_id, queue)

    def _hear(self, hint: Hint) -> None:
        if hint.kind is HintKind.DELTA:
            for queue in self._queues.get(hint.run_id, ()):
                queue.put_nowait(hint.text)
            return
        for kinds, event in self._events.get(hint.run_id, ()):
            if hint.kind in kinds:
                event.set()


async def heard(event: asyncio.Event, seconds: float) -> bool:
    """Wait for the event; False when the time is up first."""
    try:
        async with asyncio.timeout(seconds):
            return await event.wait()
    except TimeoutError:
        return False


async def _pieces(queue: asyncio.Queue[str]) -> AsyncIterator[str]:
    while True:
        yield await queue.get()


def _remove(table: dict[str, list[T]], run_id: str, item: T) -> None:
    table[run_id].remove(item)
    if not table[run_id]:
        del table[run_id]
