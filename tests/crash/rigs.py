"""What the lives of crash tests stand on instead of the ordinary: planted faults, a full disk, agents that delegate."""

import asyncio
import resource
import signal
import threading
from collections.abc import Sequence
from dataclasses import replace
from typing import Any, cast

from ripieno.bootstrap import Ports
from ripieno.domain.batches import ANY_RUN, Append, Claimed, ClaimTerms, Park
from ripieno.domain.entries import Entry, EntryType
from ripieno.domain.messages import ModelRequest, Reply
from ripieno.domain.runs import Run
from ripieno.ports import Journal, Records
from ripieno.store.sqlite.journal import SqliteJournal
from ripieno.testing.crashtest.every_tool import call_every_tool
from ripieno.testing.scripted_model import ScriptedModel, calls, says, turn_of


class _Ring:
    """Passes everything on."""

    def __init__(self, ports: Ports) -> None:
        self._inner = ports.journal
        self._clock = ports.clock

    def __getattr__(self, name: str) -> Any:
        return getattr(self._inner, name)


def _ringed(ports: Ports, ring: type[_Ring]) -> Ports:
    return replace(ports, journal=cast("Journal", ring(ports)))


# -- planted faults --------------------------------------------------------------------------------------------------


class _Forgetful(_Ring):
    """Says that intents are committed, and does not write them."""

    async def append(self, batch: Append) -> Sequence[Entry]:
        if not batch.intents:
            return await self._inner.append(replace(batch, closes=()))
        now = self._clock.now()
        return [Entry(batch.run_id, 0, new.key, new.type, new.body, now, batch.epoch) for new in batch.entries]


class _Blind(_Ring):
    """Does not see what became of calls, nor that they were begun."""

    async def claim(self, worker_id: str, slots: int, terms: ClaimTerms = ANY_RUN) -> Sequence[Claimed]:
        return [_blinded(claimed) for claimed in await self._inner.claim(worker_id, slots, terms)]


def _blinded(claimed: Claimed) -> Claimed:
    hidden = {EntryType.TOOL_RETURNED, EntryType.EFFECT_INTENDED}
    return replace(claimed, entries=tuple(entry for entry in claimed.entries if entry.type not in hidden), effects=())


def forgetful(ports: Ports) -> Ports:
    return _ringed(ports, _Forgetful)


def blind(ports: Ports) -> Ports:
    return _ringed(ports, _Blind)


def broken(ports: Ports) -> Ports:
    """No life gets anywhere."""
    del ports
    raise RuntimeError("planted")


def stuck(ports: Ports) -> Ports:
    """No life ever ends."""
    del ports
    signal.pause()
    raise AssertionError


# -- trouble that the platform must bear -----------------------------------------------------------------------------


class _FullDisk(_Ring):
    """For a second after the 10th append no file of this process may grow beyond what the log of the store has."""

    def __init__(self, ports: Ports) -> None:
        super().__init__(ports)
        self._log = ports.workspaces.parent / "data" / "ripieno.db-wal"
        self._count = 0

    async def append(self, batch: Append) -> Sequence[Entry]:
        self._count += 1
        if self._count == 10:
            _, most = resource.getrlimit(resource.RLIMIT_FSIZE)
            resource.setrlimit(resource.RLIMIT_FSIZE, (self._log.stat().st_size, most))
            again = (resource.RLIMIT_FSIZE, (most, most))
            threading.Timer(1.0, resource.setrlimit, again).start()
        return await self._inner.append(batch)


class _FullFile(_Ring):
    """For a second after the 10th append the database itself may have no more pages."""

    _count = 0

    async def append(self, batch: Append) -> Sequence[Entry]:
        self._count += 1
        if self._count == 10:
            asyncio.get_running_loop().call_later(1.0, self._lift)
            await self._limit(1)  # SQLite makes of it what there are
        return await self._inner.append(batch)

    def _lift(self) -> None:
        """Until it is done: one that shares its transaction with an operation that finds no room is undone."""
        self._limit(2**31).add_done_callback(lambda done: self._lift() if done.exception() else None)

    def _limit(self, pages: int) -> asyncio.Future[object]:
        writer = cast("SqliteJournal", self._inner)._writer
        return writer.submit(lambda tx: tx.connection.execute(f"PRAGMA max_page_count = {pages}").fetchone())


def full_disk(ports: Ports) -> Ports:
    return _ringed(ports, _FullDisk)


def full_file(ports: Ports) -> Ports:
    return _ringed(ports, _FullFile)


class _SlowToTell(_Ring):
    """What it has let go or ended is seen by others before the one who asked for it hears of it."""

    def __init__(self, ports: Ports) -> None:
        super().__init__(ports)
        self._seen = cast("_Seen", ports.records)

    async def park(self, park: Park) -> bool:
        parked = await self._inner.park(park)
        await self._seen.twice()
        return parked

    async def finish(self, *given: Any) -> Entry:
        entry = await self._inner.finish(*given)
        await self._seen.twice()
        return entry


class _Seen:
    """Knows when somebody has looked at the runs."""

    def __init__(self, ports: Ports) -> None:
        self._inner = ports.records
        self._looks: list[asyncio.Event] = []

    def __getattr__(self, name: str) -> Any:
        return getattr(self._inner, name)

    async def runs(self, *given: Any) -> Sequence[Run]:
        looks, self._looks = self._looks, []
        found = await self._inner.runs(*given)
        for look in looks:
            look.set()
        return found

    async def twice(self) -> None:
        """Wait until somebody has looked and looks again."""
        for _ in range(2):
            self._looks.append(look := asyncio.Event())
            await look.wait()


def slow_to_tell(ports: Ports) -> Ports:
    return _ringed(replace(ports, records=cast("Records", _Seen(ports))), _SlowToTell)


def delegating(ports: Ports) -> Ports:
    """Agents give work to the helper first."""
    return replace(ports, model=ScriptedModel(_delegate, record=False))


def _delegate(request: ModelRequest) -> Reply:
    helper = [tool.name for tool in request.tools if tool.name == "agent.helper"]
    if helper and turn_of(request) == 0:
        return calls((helper[0], {"goal": "help"}), ("mail.send", {"n": 1}))
    return says("It is done.") if helper else call_every_tool(request)
