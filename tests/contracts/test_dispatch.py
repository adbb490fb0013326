"""What every `ports.Dispatch` promises, on two of them that belong together: for the local one, twice the same."""

import asyncio
from collections.abc import AsyncGenerator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import TypeAlias

import pytest

from ripieno.clock import SystemClock
from ripieno.domain.hints import Hint, HintKind
from ripieno.integrations.brokers.dispatch import BrokerDispatch
from ripieno.integrations.brokers.opening import open_dispatch
from ripieno.ports import Dispatch
from ripieno.store.dispatch_local import LocalDispatch
from ripieno.store.postgres.dispatch import PostgresDispatch
from tests.servers import postgres as servers
from tests.servers.brokers import REAL, Brokers
from tests.servers.listening import Listener, repeated, work
from tests.servers.memory_broker import MemoryBroker

HINTS = [Hint(kind, "run_1", "Hel" if kind is HintKind.DELTA else "") for kind in HintKind]

Pair: TypeAlias = tuple[Dispatch, Dispatch]


@asynccontextmanager
async def local() -> AsyncGenerator[Pair]:
    dispatch = LocalDispatch()
    yield dispatch, dispatch


@asynccontextmanager
async def in_memory() -> AsyncGenerator[Pair]:
    broker = MemoryBroker()
    here, there = (BrokerDispatch(LocalDispatch(), broker, SystemClock()) for _ in range(2))
    async with here.carrying(), there.carrying():
        await here.linked.wait()
        await there.linked.wait()
        yield here, there


@asynccontextmanager
async def over(url: str) -> AsyncGenerator[Pair]:
    async with open_dispatch(url, SystemClock()) as here, open_dispatch(url, SystemClock()) as there:
        await here.linked.wait()
        await there.linked.wait()
        yield here, there


@asynccontextmanager
async def postgres() -> AsyncGenerator[Pair]:
    url = servers.shared().url()
    here, there = PostgresDispatch(url), PostgresDispatch(url)
    async with asyncio.TaskGroup() as group:
        tasks = [group.create_task(part) for one in (here, there) for part in (one.tell(), one.listen())]
        await here.linked.wait()
        await there.linked.wait()
        yield here, there
        for task in tasks:
            task.cancel()


OPENERS: dict[str, Callable[[], AbstractAsyncContextManager[Pair]]] = {
    "local": local,
    "memory": in_memory,
    "postgres": postgres,
}


@pytest.fixture(params=["local", "memory", pytest.param("postgres", marks=servers.NEEDS), *REAL])
async def pair(request: pytest.FixtureRequest) -> AbstractAsyncContextManager[Pair]:
    """To be entered by the test, because it has tasks of its own."""
    if request.param in OPENERS:
        return OPENERS[request.param]()
    brokers: Brokers = request.getfixturevalue("brokers")
    return over(f"{brokers(request.param).url}#{request.node.name.partition('[')[0]}")


async def test_all_kinds_reach_the_listeners_here_at_once_and_in_order(pair: AbstractAsyncContextManager[Pair]):
    async with pair as (here, _):
        first, second = Listener(here), Listener(here)
        here.publish(HINTS)
        assert first.hints == second.hints == HINTS


async def test_all_kinds_reach_the_listeners_elsewhere(pair: AbstractAsyncContextManager[Pair]):
    """But deltas of answers do not go through the database."""
    async with pair as (here, there):
        hints = [hint for hint in HINTS if hint.kind is not HintKind.DELTA or not isinstance(here, PostgresDispatch)]
        listener = Listener(there)
        here.publish(HINTS)
        await listener.until(*hints)
        assert listener.hints == hints


async def test_both_ways(pair: AbstractAsyncContextManager[Pair]):
    async with pair as (here, there):
        first, second = Listener(here), Listener(there)
        here.publish([work(1)])
        there.publish([work(2)])
        await first.until(work(1), work(2))
        await second.until(work(1), work(2))
        assert sorted(hint.run_id for hint in first.hints) == ["run_1", "run_2"]
        assert sorted(hint.run_id for hint in second.hints) == ["run_1", "run_2"]


async def test_who_left_hears_no_more_and_may_leave_twice(pair: AbstractAsyncContextManager[Pair]):
    async with pair as (here, there):
        gone, stays = Listener(there), Listener(there)
        gone.leave()
        gone.leave()
        await repeated(here, [work(1)], stays)
        assert gone.hints == []


async def test_nothing_is_no_hint(pair: AbstractAsyncContextManager[Pair]):
    async with pair as (here, there):
        listener = Listener(there)
        here.publish([])
        await repeated(here, [work(1)], listener)
        assert set(listener.hints) == {work(1)}


async def test_thousands_at_once_pass(pair: AbstractAsyncContextManager[Pair]):
    async with pair as (here, there):
        listener = Listener(there)
        hints = [work(number) for number in range(3_000)]
        here.publish(hints)
        await listener.until(*hints)
        assert listener.hints == hints
