"""Limits, counted by one process or shared by several over Redis; rates are short, for Redis has a clock of its own."""

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack
from dataclasses import dataclass

import pytest

from ripieno.clock import SystemClock
from ripieno.domain.errors import RateLimited
from ripieno.domain.limits import Rate
from ripieno.governance.limiting import LocalLimiter
from ripieno.integrations.limits.opening import open_limiter
from ripieno.ports import Limiter
from tests.servers.brokers import Brokers

MINUTE = Rate(3)


@dataclass
class Bench:
    """A limiter as two processes see it; in memory it is one process twice."""

    one: Limiter
    two: Limiter
    key: str


@pytest.fixture(params=["local", pytest.param("redis", marks=pytest.mark.needs("redis-server"))])
async def bench(request: pytest.FixtureRequest) -> AsyncIterator[Bench]:
    clock = SystemClock()
    key = clock.new_id("test")
    if request.param == "local":
        only = LocalLimiter(clock)
        yield Bench(only, only, key)
        return
    brokers: Brokers = request.getfixturevalue("brokers")
    async with AsyncExitStack() as stack:
        one, two = [await stack.enter_async_context(open_limiter(brokers("redis").url, clock)) for _ in range(2)]
        yield Bench(one, two, key)


async def eventually(ask: Callable[[], Awaitable[float | None]]) -> None:
    """Ask until the answer is yes, waiting as long as each answer says."""
    give_up = time.monotonic() + 20
    while wait := await ask():
        assert time.monotonic() < give_up
        await asyncio.sleep(wait)


async def test_all_processes_count_together(bench: Bench):
    assert [await each.acquire(bench.key, [MINUTE]) for each in (bench.one, bench.two, bench.one)] == [None] * 3
    wait = await bench.two.acquire(bench.key, [MINUTE])
    assert wait is not None
    assert 59 < wait < 61
    assert await bench.two.acquire(f"{bench.key}/other", [MINUTE]) is None


async def test_after_the_wait_there_is_room(bench: Bench):
    rate = Rate(4, 1)
    for _ in range(12):
        await eventually(lambda: bench.one.acquire(bench.key, [rate]))


async def test_no_window_lets_more_through_than_one_and_its_neighbour(bench: Bench):
    rate, passed = Rate(4, 1), list[float]()
    for _ in range(16):
        await eventually(lambda: bench.two.acquire(bench.key, [rate]))
        passed.append(time.monotonic())
    assert passed[-1] - passed[0] > 2.0


async def test_costs_count_and_one_that_is_too_great_passes_alone(bench: Bench):
    rate = Rate(100)
    assert await bench.one.acquire(bench.key, [rate], 60) is None
    assert await bench.one.acquire(bench.key, [rate], 60) is not None
    assert await bench.one.acquire(bench.key, [rate], 40) is None
    assert await bench.one.acquire(f"{bench.key}/b", [rate], 1_000) is None
    assert await bench.one.acquire(f"{bench.key}/b", [rate], 1_000) is not None


async def test_of_several_rates_the_narrowest_decides_and_nothing_is_counted_in_vain(bench: Bench):
    wide, narrow = Rate(10), Rate(1, 30)
    assert await bench.one.acquire(bench.key, [wide, narrow]) is None
    for _ in range(20):
        assert await bench.one.acquire(bench.key, [wide, narrow]) is not None
    for _ in range(9):
        assert await bench.two.acquire(bench.key, [wide]) is None
    assert await bench.two.acquire(bench.key, [wide]) is not None


async def test_what_was_used_is_counted_beyond_the_limit(bench: Bench):
    rate = Rate(100)
    assert await bench.one.acquire(bench.key, [rate], 10) is None
    await bench.two.charge(bench.key, [rate], 95)
    assert await bench.one.acquire(bench.key, [rate], 1) is not None


async def test_a_pause_holds_for_all_and_the_longer_one_wins(bench: Bench):
    await bench.one.pause(bench.key, 30)
    await bench.two.pause(bench.key, 0.05)
    wait = await bench.two.acquire(bench.key, [])
    assert wait is not None
    assert 25 < wait <= 30
    await bench.one.pause(f"{bench.key}/short", 0.05)
    await eventually(lambda: bench.two.acquire(f"{bench.key}/short", [MINUTE]))


async def test_permits_are_held_together_and_given_back(bench: Bench):
    async with bench.one.slot(bench.key, 2, 0), bench.two.slot(bench.key, 2, 0):
        with pytest.raises(RateLimited) as caught:
            async with bench.two.slot(bench.key, 2, 0.05):
                pass
        assert caught.value.retry_after == 0.05
    async with bench.one.slot(bench.key, 1, 0):
        pass


async def test_who_waits_gets_the_permit_in_turn(bench: Bench):
    served: list[int] = []

    async def wait(number: int) -> None:
        async with bench.one.slot(bench.key, 1, 30):
            served.append(number)

    async with asyncio.TaskGroup() as group, bench.one.slot(bench.key, 1, 0):
        for number in range(4):
            group.create_task(wait(number))
            await asyncio.sleep(0)
        assert served == []
    assert served == [0, 1, 2, 3]


async def test_an_error_or_a_cancellation_gives_the_permit_back(bench: Bench):
    with pytest.raises(ZeroDivisionError):
        async with bench.one.slot(bench.key, 1, 0):
            _ = 1 / 0
    entered = asyncio.Event()

    async def hold() -> None:
        async with bench.one.slot(bench.key, 1, 5):
            entered.set()
            await asyncio.Event().wait()

    holder = asyncio.ensure_future(hold())
    await entered.wait()
    waiter = asyncio.ensure_future(hold())
    await asyncio.sleep(0)
    waiter.cancel()
    holder.cancel()
    await asyncio.gather(holder, waiter, return_exceptions=True)
    async with bench.two.slot(bench.key, 1, 0):
        pass
