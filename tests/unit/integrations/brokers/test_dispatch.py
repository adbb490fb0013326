"""A dispatch over a broker: gathers, drops, comes back, and never troubles those who publish."""

import asyncio
import logging
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager

import pytest

from ripieno.clock import SystemClock
from ripieno.domain.hints import Hint, HintKind
from ripieno.integrations.brokers.dispatch import BrokerDispatch, Pace
from ripieno.integrations.brokers.frames import Bounds, Frame, decode, encode
from ripieno.ports import Clock
from ripieno.store.dispatch_local import LocalDispatch
from ripieno.testing.fake_clock import FakeClock
from tests.servers.listening import Listener, work
from tests.servers.memory_broker import MemoryBroker

FAST = Pace(gather=0.0, quiet=0.005, retry_first=0.001, retry_most=0.002)
DELTA = Hint(HintKind.DELTA, "run_1", "Hel")


@asynccontextmanager
async def carried(
    broker: MemoryBroker, clock: Clock | None = None, pace: Pace = FAST, bounds: Bounds | None = None
) -> AsyncGenerator[BrokerDispatch]:
    """A dispatch that is linked, or that has found its broker away."""
    dispatch = BrokerDispatch(LocalDispatch(), broker, clock or SystemClock(), pace, bounds)
    async with dispatch.carrying():
        if not broker.away:
            await dispatch.linked.wait()
        yield dispatch


async def until_links(dispatch: BrokerDispatch, count: int) -> None:
    async with asyncio.timeout(20):
        while dispatch.counts.links < count:
            await asyncio.sleep(0.001)


def sent(broker: MemoryBroker) -> list[tuple[Hint, ...]]:
    """What was sent that is no question to the broker."""
    frames = [decode(data) for data in broker.frames]
    return [frame.hints for frame in frames if frame and frame.hints]


def lines(caplog: pytest.LogCaptureFixture) -> list[str]:
    return [record.getMessage() for record in caplog.records if record.levelno >= logging.INFO]


async def test_hints_of_five_milliseconds_leave_together_each_once():
    broker, clock = MemoryBroker(), FakeClock()
    async with carried(broker, clock, Pace(parting=0.01)) as dispatch:
        dispatch.publish([work(1), work(2)])
        await clock.sleepers()
        dispatch.publish([work(1), work(3)])
        assert sent(broker) == []
        clock.advance(0.004)
        await asyncio.sleep(0)
        assert sent(broker) == []
        clock.advance(0.001)
        while not sent(broker):
            await asyncio.sleep(0)
        assert sent(broker) == [(work(1), work(2), work(3))]
        assert dispatch.counts.sent == 3


async def test_own_hints_are_heard_at_once_and_only_once():
    broker = MemoryBroker()
    async with carried(broker) as here, carried(broker) as there:
        own, far = Listener(here), Listener(there)
        here.publish([work(1), DELTA])
        assert own.hints == [work(1), DELTA]
        await far.until(work(1), DELTA)
        assert own.hints == [work(1), DELTA]
        assert (here.counts.heard, there.counts.heard) == (0, 2)


async def test_deltas_stay_where_the_broker_does_not_carry_them():
    broker = MemoryBroker(carries_deltas=False)
    async with carried(broker) as here, carried(broker) as there:
        own, far = Listener(here), Listener(there)
        here.publish([DELTA])
        here.publish([work(1), DELTA])
        await far.until(work(1))
        assert (own.hints, far.hints) == ([DELTA, work(1), DELTA], [work(1)])
        assert here.counts.dropped == 0


async def test_slow_broker_costs_hints_and_one_line(caplog: pytest.LogCaptureFixture):
    broker = MemoryBroker()
    async with carried(broker, bounds=Bounds(hints=2)) as dispatch:
        broker.flowing.clear()
        for number in range(10):
            dispatch.publish([work(number)])
        assert dispatch.counts.dropped == 8
        assert lines(caplog).count("the broker is slow; dropping hints") == 1
        broker.flowing.set()
        while dispatch.counts.sent < 2:
            await asyncio.sleep(0)
        broker.flowing.clear()
        dispatch.publish([work(number) for number in range(10)])
        assert lines(caplog).count("the broker is slow; dropping hints") == 2
        broker.flowing.set()


async def test_broker_away_at_start_is_said_once_and_waited_for(caplog: pytest.LogCaptureFixture):
    caplog.set_level(logging.INFO)
    broker = MemoryBroker(away=True)
    async with carried(broker) as dispatch:
        own = Listener(dispatch)
        dispatch.publish([work(1)])
        assert (own.hints, dispatch.counts.dropped) == ([work(1)], 1)
        await asyncio.sleep(0.05)
        broker.away = False
        await until_links(dispatch, 1)
        assert lines(caplog) == [
            "the broker is away; until it is back, runs are found by polling",
            "the broker is back",
        ]
        dispatch.publish([work(2)])
    assert sent(broker) == [(work(2),)]


async def test_broker_that_dies_is_linked_again(caplog: pytest.LogCaptureFixture):
    caplog.set_level(logging.INFO)
    broker = MemoryBroker()
    async with carried(broker) as here, carried(broker) as there:
        far = Listener(there)
        broker.away = True
        while here.linked.is_set() or there.linked.is_set():
            await asyncio.sleep(0.001)
        here.publish([work(1)])
        broker.away = False
        await until_links(here, 2)
        await until_links(there, 2)
        here.publish([work(2)])
        await far.until(work(2))
        assert far.hints == [work(2)]  # nobody waits for what is older than a poll
    away = [record for record in caplog.records if "away" in record.getMessage()]
    assert len(away) == 2
    assert {record.__dict__["reason"] for record in away} == {"ConnectionError: nobody is there any more"}


async def test_hints_that_wait_for_a_broker_that_dies_are_dropped():
    broker = MemoryBroker()
    async with carried(broker) as dispatch:
        broker.flowing.clear()
        dispatch.publish([work(1)])
        while len(dispatch._outbox):
            await asyncio.sleep(0.001)
        dispatch.publish([work(2), work(3)])
        broker.away = True
        broker.flowing.set()
        while dispatch.linked.is_set():
            await asyncio.sleep(0.001)
        assert dispatch.counts.dropped == 2


async def test_link_that_hands_nothing_back_is_given_up():
    broker = MemoryBroker(deaf=True)
    async with carried(broker) as dispatch:
        await until_links(dispatch, 2)
        broker.deaf = False
        assert sent(broker) == []


async def test_quiet_link_that_answers_is_kept():
    broker = MemoryBroker()
    async with carried(broker) as dispatch:
        while len(broker.frames) < 10:
            await asyncio.sleep(0.001)
        assert dispatch.counts.links == 1
        assert sent(broker) == []


async def test_one_that_asks_spares_the_others():
    broker, clock, pace = MemoryBroker(), SystemClock(), Pace(quiet=0.02)
    async with carried(broker, clock, pace), carried(broker, clock, pace), carried(broker, clock, pace):
        began = clock.monotonic()
        while len(broker.frames) < 10:
            await asyncio.sleep(0.001)
        assert clock.monotonic() - began > 9 * pace.quiet  # each on its own would take a third of that


async def test_frame_that_does_not_leave_in_time_breaks_the_link():
    broker = MemoryBroker()
    async with carried(broker, pace=Pace(gather=0.0, quiet=0.005, patience=0.01, retry_first=0.001)) as dispatch:
        broker.flowing.clear()
        while dispatch.linked.is_set():
            await asyncio.sleep(0.001)
        broker.flowing.set()
        await until_links(dispatch, 2)


async def test_garbage_and_a_failing_listener_harm_nobody(caplog: pytest.LogCaptureFixture):
    broker = MemoryBroker()
    async with carried(broker) as dispatch:

        def fail(hint: Hint) -> None:
            raise RuntimeError(hint.run_id)

        leave = dispatch.subscribe(fail)
        await broker.send(b"garbage")
        await broker.send(encode(Frame("wrk_other", (work(1),))))
        leave()
        listener = Listener(dispatch)
        await broker.send(encode(Frame("wrk_other", (work(2),))))
        assert listener.hints == [work(2)]
        assert (dispatch.counts.garbage, dispatch.counts.heard, dispatch.counts.links) == (1, 2, 1)
    assert "a listener failed on a hint from another process" in lines(caplog)


async def test_last_hints_leave_before_the_end():
    broker = MemoryBroker()
    async with carried(broker) as dispatch:
        dispatch.publish([work(1)])
    assert sent(broker) == [(work(1),)]
    assert broker.listeners == []


async def test_end_does_not_wait_for_a_broker_that_stalls():
    broker = MemoryBroker()
    async with carried(broker, pace=Pace(gather=0.0, parting=0.01)) as dispatch:
        broker.flowing.clear()
        dispatch.publish([work(1)])
    assert sent(broker) == []


async def test_end_comes_though_a_driver_swallows_the_cancellation():
    broker = MemoryBroker(swallows=True)
    async with asyncio.timeout(20), carried(broker, pace=Pace(gather=0.0, parting=0.01)) as dispatch:
        broker.flowing.clear()
        dispatch.publish([work(1)])
        await asyncio.sleep(0.01)
    assert broker.listeners == []


async def test_publishing_after_the_end_is_heard_here():
    broker = MemoryBroker()
    async with carried(broker) as dispatch:
        pass
    listener = Listener(dispatch)
    dispatch.publish([work(1)])
    assert (listener.hints, sent(broker), dispatch.counts.dropped) == ([work(1)], [], 1)


async def test_attempts_become_rarer():
    broker, clock = MemoryBroker(away=True), FakeClock()
    async with carried(broker, clock, Pace()):
        for pause in (0.2, 0.4, 0.8, 1.6, 2.0, 2.0):
            await clock.sleepers()
            assert clock._asleep[0][0].total_seconds() - clock.monotonic() == pytest.approx(pause)
            clock.advance(pause)
            await asyncio.sleep(0)
