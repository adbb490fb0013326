"""Chores that come round."""

import asyncio

from ripieno.domain.errors import StoreBusy
from ripieno.engine.rounds import make_rounds
from ripieno.testing.fake_clock import FakeClock


async def test_each_chore_goes_on_whatever_became_of_it_and_of_the_others():
    clock, done = FakeClock(), list[str]()

    async def good() -> None:
        done.append("good")

    async def waits() -> None:
        done.append("waits")
        raise StoreBusy("away")

    async def broken() -> None:
        done.append("broken")
        raise ZeroDivisionError

    rounds = asyncio.create_task(make_rounds({"a": good, "b": waits, "c": broken}, clock))
    for _ in range(3):
        await clock.sleepers(3)
        clock.advance(1)
    await clock.sleepers(3)
    rounds.cancel()
    assert {name: done.count(name) for name in ("good", "waits", "broken")} == {"good": 4, "waits": 4, "broken": 4}
