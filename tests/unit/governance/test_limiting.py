"""What is special about limits in one process; the rest is in the contract suite."""

import asyncio

import pytest

from ripieno.domain.limits import Rate
from ripieno.governance import limiting
from ripieno.governance.limiting import LocalLimiter
from ripieno.testing.fake_clock import FakeClock


async def test_windows_slide_and_empty_after_two():
    clock = FakeClock()
    limiter, rate = LocalLimiter(clock), [Rate(2, 10)]
    assert [await limiter.acquire("k", rate) for _ in range(2)] == [None, None]
    clock.advance(11)
    assert await limiter.acquire("k", rate) is None
    assert await limiter.acquire("k", rate) is not None
    clock.advance(40)
    assert [await limiter.acquire("k", rate) for _ in range(2)] == [None, None]


async def test_counters_that_count_nothing_are_thrown_away(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(limiting, "MANY", 3)
    clock = FakeClock()
    limiter, rate = LocalLimiter(clock), [Rate(1, 10)]
    for key in ("a", "b", "c"):
        await limiter.acquire(key, rate)
    clock.advance(30)
    await limiter.acquire("d", rate)
    assert [key for key, _ in limiter._counters] == ["d"]


async def test_a_permit_that_is_given_while_its_waiter_is_cancelled_goes_on_to_the_next():
    limiter = LocalLimiter(FakeClock())

    async def hold(entered: list[str], name: str) -> None:
        async with limiter.slot("k", 1, 5):
            entered.append(name)

    entered: list[str] = []
    first = limiter.slot("k", 1, 0)
    await first.__aenter__()
    given = asyncio.ensure_future(hold(entered, "given"))
    gone = asyncio.ensure_future(hold(entered, "gone"))
    last = asyncio.ensure_future(hold(entered, "last"))
    await asyncio.sleep(0)
    await first.__aexit__(None, None, None)
    given.cancel()  # in the moment in which it was given the permit
    gone.cancel()
    await asyncio.gather(given, gone, last, return_exceptions=True)
    assert entered == ["last"]
    assert not limiter._slots
