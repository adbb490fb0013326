"""Follows a run with all runs below it until it ends, or until it stands still and nobody here can move it."""

import asyncio
import contextlib
from collections.abc import AsyncGenerator
from dataclasses import dataclass
from typing import TypeAlias

from ripieno.cli import terminal
from ripieno.cli.api import Api
from ripieno.cli.desk import Desk
from ripieno.cli.events import Event, from_cloud
from ripieno.cli.exits import Stop
from ripieno.cli.screens import Screen
from ripieno.cli.story import Story
from ripieno.domain.entries import EntryType
from ripieno.domain.jsons import JsonObject

TICK_SECONDS = 0.25
LAST_TICKS = 20
"""After the run has ended, how long the last events of the runs below it are waited for."""

PAGE = 1000


@dataclass(frozen=True, slots=True)
class _Tick:
    """Time has passed."""


_Item: TypeAlias = Event | str | _Tick | Stop


async def follow(api: Api, run_id: str, screen: Screen, desk: Desk) -> Story:
    """Show a run, get decisions for it, and answer its story.

    Raises:
        Stop: There is no such run, or the server went away for good.
    """
    story = Story(run_id)
    feed = _Feed(api)
    try:
        async with feed.running(run_id, person=desk.person):
            failure = await _attend(feed, story, screen, desk)
    finally:
        screen.close(story)
    if failure is not None:
        raise failure
    return story


async def replayed(api: Api, run_id: str) -> tuple[Story, list[Event]]:
    """The story of a run as far as it has come, and its events in the order of their times."""
    story, events = Story(run_id), list[Event]()
    waiting = [run_id]
    while waiting:
        for event in await _history(api, waiting.pop(0)):
            story.apply(event)
            events.append(event)
            if event.type == EntryType.CHILD_STARTED:
                waiting.append(event.body["child_run_id"])
    return story, sorted(events, key=lambda event: event.at)


async def _history(api: Api, run_id: str) -> list[Event]:
    found: list[Event] = []
    while True:
        after = found[-1].seq if found else 0
        page: JsonObject = await api.get(f"/v1/runs/{run_id}/events", after=after, limit=PAGE)
        found += [from_cloud(event) for event in page["data"]]
        if not page.get("next_cursor"):
            return found


async def _attend(feed: "_Feed", story: Story, screen: Screen, desk: Desk) -> Stop | None:
    """Handle what comes until there is no more; answers what made it impossible to go on."""
    ticks_left = LAST_TICKS
    try:
        while feed.streams and ticks_left and not desk.helpless(story):
            item = await feed.items.get()
            if isinstance(item, _Tick):
                ticks_left -= story.root.ended
            await _handle(item, story, screen, desk)
    except Stop as stop:
        return stop
    return None


async def _handle(item: "_Item", story: Story, screen: Screen, desk: Desk) -> None:
    match item:
        case Stop():
            raise item
        case Event():
            story.apply(item)
            screen.show(item, story)
            await desk.look(story)
        case str():
            await desk.hear(item, story)
        case _Tick():
            screen.tick(story)


class _Feed:
    """Everything that happens, in one queue: events of every run of the family, typed lines, ticks."""

    def __init__(self, api: Api) -> None:
        self.items: asyncio.Queue[_Item] = asyncio.Queue()
        self._api = api
        self._reading: set[str] = set()
        self._tasks: list[asyncio.Task[None]] = []

    @property
    def streams(self) -> bool:
        """Whether more can come from the server, or has come and was not handled yet."""
        return bool(self._reading) or not self.items.empty()

    @contextlib.asynccontextmanager
    async def running(self, run_id: str, *, person: bool) -> AsyncGenerator[None]:
        """Fill the queue while the block lasts."""
        async with asyncio.TaskGroup() as group:
            self._start(group, run_id)
            self._tasks.append(group.create_task(self._tick()))
            typing = terminal.typed(self.items.put_nowait) if person else contextlib.nullcontext()
            try:
                with typing:
                    yield
            finally:
                for task in self._tasks:
                    task.cancel()

    def _start(self, group: asyncio.TaskGroup, run_id: str) -> None:
        self._reading.add(run_id)
        self._tasks.append(group.create_task(self._read(run_id, group)))

    async def _read(self, run_id: str, group: asyncio.TaskGroup) -> None:
        """Queue the events of a run, and see to it that those of the runs below it are queued too."""
        try:
            async for event in self._api.follow(run_id):
                self.items.put_nowait(event)
                if event.type == EntryType.CHILD_STARTED:
                    self._start(group, event.body["child_run_id"])
        except Stop as stop:
            self.items.put_nowait(stop)
        finally:
            self._reading.discard(run_id)

    async def _tick(self) -> None:
        while True:
            await self._api.clock.sleep(TICK_SECONDS)
            self.items.put_nowait(_Tick())
