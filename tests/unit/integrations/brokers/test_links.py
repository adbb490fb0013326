"""Each broker's few lines, on FastStream's brokers in memory. For Kafka, which Debian does not have, this is all."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import pytest
from faststream.kafka import TestKafkaBroker
from faststream.nats import TestNatsBroker
from faststream.rabbit import TestRabbitBroker
from faststream.redis import TestRedisBroker

from ripieno.integrations.brokers import kafka, nats, rabbitmq, redis
from ripieno.integrations.brokers.frames import Frame, decode, encode
from ripieno.integrations.brokers.link import FastStreamLink, Hear, Send
from tests.servers.listening import work

WIRED: dict[str, tuple[Callable[[Hear], tuple[Any, Send]], Any]] = {
    "kafka": (lambda hear: kafka.wire(["localhost:9092"], "hints", hear), TestKafkaBroker),
    "nats": (lambda hear: nats.wire(["nats://localhost:4222"], "hints", hear), TestNatsBroker),
    "rabbitmq": (lambda hear: rabbitmq.wire("amqp://localhost", "hints", hear), TestRabbitBroker),
    "redis": (lambda hear: redis.wire("redis://localhost", "hints", hear), TestRedisBroker),
}


@pytest.mark.parametrize("kind", WIRED)
async def test_bytes_arrive_as_they_left(kind: str):
    wire, in_memory = WIRED[kind]
    heard: list[bytes] = []
    broker, send = wire(heard.append)
    frames = [encode(Frame("wrk_1", (work(1),))), b"\xff\x00 no JSON", b""]
    async with in_memory(broker):
        for frame in frames:
            await send(frame)
    assert heard[:2] == frames[:2]
    assert decode(heard[0]) == Frame("wrk_1", (work(1),))


class StuckBroker:
    """What a broker of FastStream is when its server is frozen: it starts, and does not stop."""

    def __init__(self, *, closes: bool) -> None:
        self.closed = False
        self.close: Callable[[], Awaitable[None]] | None
        if closes:
            self.close = self._close

    async def connect(self) -> "StuckBroker":
        return self

    async def start(self) -> None:
        return

    async def stop(self) -> None:
        raise ConnectionError("cannot say goodbye")

    async def _close(self) -> None:
        self.closed = True


@pytest.mark.parametrize("closes", [True, False])
async def test_connection_is_closed_when_the_broker_does_not_stop(closes: bool):
    stuck = StuckBroker(closes=closes)

    async def send(frame: bytes) -> None:
        del frame

    link = FastStreamLink("stuck://", lambda _: (stuck, send))
    async with asyncio.timeout(20), link.open(lambda _: None) as given:
        assert given is send
    assert stuck.closed is closes
