"""Circuit breakers, in memory and shared by the processes of a database."""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

import pytest

from ripieno.domain.breakers import BreakerRules
from ripieno.models.broken import Breakers
from ripieno.store.breakers import FRESH, StoredBreakers
from ripieno.store.dispatch_local import LocalDispatch
from ripieno.store.embedded import EmbeddedStore
from ripieno.store.postgres.opening import PostgresStore
from ripieno.testing.fake_clock import FakeClock
from ripieno.testing.memory_breakers import MemoryBreakers
from tests.contracts.bed import STORES
from tests.servers import postgres

RULES = BreakerRules(failures=3, first_rest=timedelta(seconds=10))
KEY = "model:openai:x"


@dataclass
class Bench:
    """Breakers as two processes see them; in memory it is one process twice."""

    one: Breakers
    two: Breakers
    clock: FakeClock


@pytest.fixture(params=["memory", "sqlite", pytest.param("postgres", marks=postgres.NEEDS)])
async def bench(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Bench]:
    clock = FakeClock()
    if request.param == "memory":
        only = MemoryBreakers(clock, RULES)
        yield Bench(only, only, clock)
        return
    async with STORES[request.param](tmp_path / "data", clock, LocalDispatch()) as store:
        assert isinstance(store, EmbeddedStore | PostgresStore)
        yield Bench(*(StoredBreakers(store.frames, clock, RULES) for _ in range(2)), clock=clock)


async def open_it(bench: Bench) -> None:
    for _ in range(3):
        assert await bench.one.admit(KEY) is None
        await bench.one.failed(KEY)


async def test_it_opens_for_all_and_names_the_time(bench: Bench):
    await open_it(bench)
    assert await bench.one.admit(KEY) == 10
    assert await bench.two.admit(KEY) == 10
    assert await bench.one.admit("model:other") is None
    assert [breaker.key for breaker in await bench.two.all()] == [KEY]


async def test_failures_of_all_processes_count_together(bench: Bench):
    await bench.one.failed(KEY)
    await bench.two.failed(KEY)
    breaker = await bench.one.failed(KEY)
    assert breaker.failures == 3
    assert breaker.rests_until is not None


async def test_one_probe_is_let_through_and_its_success_closes(bench: Bench):
    await open_it(bench)
    bench.clock.advance(10)
    answers = await asyncio.gather(*(each.admit(KEY) for each in (bench.one, bench.two) for _ in range(5)))
    assert answers.count(None) == 1
    assert min(wait for wait in answers if wait is not None) >= 1
    await bench.one.succeeded(KEY)
    bench.clock.advance(FRESH)
    assert await bench.two.admit(KEY) is None
    assert await bench.two.all() == []


async def test_a_failed_probe_opens_it_for_twice_as_long(bench: Bench):
    await open_it(bench)
    bench.clock.advance(10)
    assert await bench.one.admit(KEY) is None
    await bench.one.failed(KEY)
    bench.clock.advance(FRESH)
    assert await bench.two.admit(KEY) == 20 - FRESH


async def test_a_probe_learns_that_another_has_closed_it(bench: Bench):
    await open_it(bench)
    await bench.two.admit(KEY)
    await bench.one.succeeded(KEY)
    assert await bench.one.admit(KEY) is None
    bench.clock.advance(FRESH)
    assert await bench.two.admit(KEY) is None


async def test_successes_alone_leave_nothing_behind(bench: Bench):
    assert await bench.one.admit(KEY) is None
    await bench.one.succeeded(KEY)
    assert await bench.one.all() == []
