"""The clock that tests hold."""

import asyncio
from datetime import timedelta

from ripieno.domain import ids
from ripieno.testing.fake_clock import START, FakeClock


async def test_sleepers_wake_in_order_and_only_when_their_time_has_come():
    clock, woken = FakeClock(), list[int]()

    async def nap(seconds: int) -> None:
        await clock.sleep(seconds)
        woken.append(seconds)

    async with asyncio.TaskGroup() as group:
        for seconds in (3, 1, 2, 9):
            group.create_task(nap(seconds))
        await clock.sleepers(4)
        clock.advance(2.5)
        await clock.sleep(0)
        await clock.sleep(0)
        assert woken == [1, 2]
        clock.advance(10)
    assert woken == [1, 2, 3, 9]


async def test_cancelled_sleeper_is_no_sleeper():
    clock = FakeClock()
    async with asyncio.TaskGroup() as group:
        cancelled = group.create_task(clock.sleep(1))
        await clock.sleepers()
        cancelled.cancel()
        late = group.create_task(clock.sleep(1))
        await clock.sleep(0)
        await clock.sleepers(1)
        clock.advance(1)
    assert cancelled.cancelled()
    assert late.done()


def test_time_moves_only_by_hand():
    clock = FakeClock()
    assert (clock.now(), clock.monotonic()) == (START, 0.0)
    clock.advance(1.5)
    assert (clock.now(), clock.monotonic()) == (START + timedelta(seconds=1.5), 1.5)


def test_ids_repeat_between_clocks_and_sort_by_age():
    first, second = FakeClock(), FakeClock()
    made = [first.new_id(ids.RUN) for _ in range(300)]
    assert made == [second.new_id(ids.RUN) for _ in range(300)]
    assert made == sorted(set(made))
    assert ids.milliseconds(made[0]) == int(START.timestamp() * 1000)
